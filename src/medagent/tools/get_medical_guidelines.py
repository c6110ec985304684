"""What does the clinic's own collection say? Emergency advice comes before anything else."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from medagent.clinic import Clinic, Guideline, guidelines_for
from medagent.tools.fields import Question
from medagent.tools.interface import COMMON_FIELDS, Answer, Arguments, Tool

_SAFETY = "If it is severe, sudden or getting worse, or if life may be in danger, call 911."
_NONE = f"The collection has nothing on this: say so, answer nothing from elsewhere, offer a call back. {_SAFETY}"
_SOME = f"General information from the sources named, no diagnosis; in doubt offer an appointment. {_SAFETY}"


class GetMedicalGuidelines(Arguments):
    """What the caller asks."""

    query: Question = Field(
        description="The question or the complaint in the caller's own words, without names, under 1000 characters."
    )


def _run(_clinic: Clinic, arguments: GetMedicalGuidelines, _now: datetime) -> Answer:
    found = guidelines_for(arguments.query)
    advice = found.emergency or (_SOME if found.guidelines else _NONE)
    return {
        "red_flag": found.emergency is not None,
        "advice": advice,
        "guidelines": [_said(each) for each in found.guidelines],
    }


def _said(each: Guideline) -> dict[str, str]:
    return {
        "guideline_id": each.guideline_id,
        "title": each.title,
        "text": each.text,
        "source": each.source,
        "source_date": each.source_date.isoformat(),
    }


GET_MEDICAL_GUIDELINES = Tool(
    name="get_medical_guidelines",
    description=(
        "Look up what the clinic says on a health question or complaint; call it before you say anything about one. "
        "Say its advice first: with red_flag true, say it at once and nothing else. Never add a diagnosis or a dose."
    ),
    outcome="informed",
    changes=False,
    arguments=GetMedicalGuidelines,
    result_fields=(
        *COMMON_FIELDS,
        "red_flag",
        "advice",
        *(f"guidelines[].{field}" for field in ("guideline_id", "title", "text", "source", "source_date")),
    ),
    run=_run,
)
