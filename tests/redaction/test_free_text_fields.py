"""README lists the free-text fields that the packaged policies declare; no field carries audio or a transcript."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from medagent.redaction import Policy, find_policy
from medagent.redaction.loading import read_policy
from medagent.redaction.policy import Action, Category
from medagent.redaction.safe_harbor import all_rules, free_text_fields

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
CARD = resources.files("medagent.redaction.text").joinpath("MODEL_CARD.md").read_text("utf-8")
SECTION = README.split("### Free text\n")[1].split("\n## ")[0]
_SPEECH = re.compile(r"audio|transcri|utterance|speech|spoken|words|content|recording|prompt|completion_text")


@pytest.fixture(params=["clinic", "safe-harbor"], scope="module")
def policy(request: pytest.FixtureRequest) -> Policy:
    return read_policy(find_policy(request.param))


def test_readme_lists_exactly_the_declared_free_text_fields(policy: Policy) -> None:
    listed = [name for line in SECTION.splitlines() if line.startswith("- ") for name in re.findall(r"`([^`]+)`", line)]
    assert sorted(listed) == sorted(free_text_fields(policy))


def test_readme_states_the_most_code_points_of_a_free_text(policy: Policy) -> None:
    [most] = {rule.max for _, rule in all_rules(policy) if rule.free_text}
    assert f"at most {most} code points" in SECTION


def test_no_exported_field_carries_audio_or_a_transcript(policy: Policy) -> None:
    """What is named after speech is a measurement (tokens, seconds, characters) or is not exported."""
    named = {name: rule for name, rule in all_rules(policy) if _SPEECH.search(name)}
    assert named
    assert not {
        name
        for name, rule in named.items()
        if rule.action not in (Action.DROP, Action.REDACT) and rule.category is not Category.MEASUREMENT
    }


def test_readme_states_the_risk_that_the_model_card_measures() -> None:
    """Per thousand identifiers of the public sets together, and of names; of phone numbers and e-mails none is left."""
    rows = {
        cells[0]: cells[1:]
        for line in CARD.split("## Public sets")[1].split("\n## ")[0].splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) > 2
    }
    every, names = (float(rows[row][at].split(" / ")[0]) for row, at in (("together, English", 2), ("name", 1)))
    contacts = [rows[kind] for kind in ("phone", "e-mail")]
    flat = " ".join(SECTION.split())
    assert f"{round((1 - every) * 1000)} of 1,000 identifiers were not removed whole" in flat
    assert f"names {round((1 - names) * 1000)} of 1,000" in flat
    assert all(shares.startswith("1.0000") for _, shares in contacts)
    assert f"none of {sum(int(count) for count, _ in contacts)}" in flat
