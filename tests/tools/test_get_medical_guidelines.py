import json
from datetime import datetime
from typing import Any

import pytest

from medagent.clinic import Clinic
from medagent.tools import invoke
from medagent.tools.get_medical_guidelines import GET_MEDICAL_GUIDELINES


@pytest.fixture
def ask(clinic: Clinic, now: datetime) -> Any:
    return lambda query: invoke(GET_MEDICAL_GUIDELINES, {"query": query}, clinic=clinic, now=now)


def test_an_entry_comes_with_source_and_date(ask: Any) -> None:
    """And with the advice to offer an appointment, and what to do where it is worse than it seems."""
    answer = ask("lower back pain")
    assert (answer["outcome"], answer["red_flag"]) == ("ok", False)
    entry = answer["guidelines"][0]
    assert set(entry) == {"guideline_id", "title", "text", "source", "source_date"}
    assert (entry["guideline_id"], entry["source"]) == ("back-pain", "MedlinePlus, Back Pain")
    assert "no diagnosis" in answer["advice"]
    assert "911" in answer["advice"]


def test_a_red_flag_comes_first_and_alone(ask: Any) -> None:
    """Before anything else in the answer stands what to do now; an ordinary entry beside it would soothe."""
    answer = ask("I have a cough and my chest feels tight, I can't breathe")
    assert list(answer)[:3] == ["outcome", "red_flag", "advice"]
    assert answer["red_flag"] is True
    assert "call 911 now" in answer["advice"]
    ids = [entry["guideline_id"] for entry in answer["guidelines"]]
    assert set(ids) == {"emergency-chest-pain", "emergency-breathing"}


def test_what_is_not_in_the_collection_is_said_to_be_not(ask: Any) -> None:
    """No guess: a call back is offered."""
    answer = ask("can I park my car")
    assert (answer["outcome"], answer["red_flag"], answer["guidelines"]) == ("ok", False, [])
    assert "call back" in answer["advice"]


def test_a_question_in_any_form_has_an_answer(ask: Any) -> None:
    """Two thousand characters, line breaks, half a character: distress is not told that its form is wrong."""
    answer = ask("please help " * 150 + "\n\x00 he is not breathing \udc80")
    assert answer["red_flag"] is True
    assert json.loads(json.dumps(answer)) == answer
    assert ask("")["error_type"] == "missing_field"
    assert ask(["chest pain"])["error_type"] == "invalid_query"


def test_no_database_is_needed(ask: Any, clinic: Clinic) -> None:
    """The clinic's tables are gone; the emergency advice is not."""
    clinic.database.write(lambda session: session.connection().exec_driver_sql("DROP TABLE schedule"))
    assert ask("chest pain")["red_flag"] is True
