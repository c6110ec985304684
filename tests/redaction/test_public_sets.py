"""The benchmark on public sets: each format is read as it is annotated, and the judge counts both directions."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from bench.redaction.public.__main__ import SETS, main
from bench.redaction.public.card import card
from bench.redaction.public.cases import Case, MissingSetError, cases, date_kind, half_of
from bench.redaction.public.eva import said
from bench.redaction.public.judge import TOGETHER, Tally, judge
from bench.redaction.public.meddocan import MEDDOCAN
from bench.redaction.public.primock57 import PRIMOCK57
from bench.redaction.public.sgd import SGD
from bench.redaction.public.slurp import SLURP, parse
from bench.redaction.score import ADDRESS, DATE, EMAIL, ID, NAME, PHONE, PLACE, Planted
from hypothesis import given
from hypothesis import strategies as st


def named(case: Case) -> list[tuple[str, str]]:
    return [(part.kind, case.text[part.start : part.end]) for part in case.parts]


def sgd_dialogue(*utterances: tuple[str, dict[str, str]]) -> str:
    turns = []
    for text, slots in utterances:
        spans = [
            {"slot": slot, "start": text.index(value), "exclusive_end": text.index(value) + len(value)}
            for slot, value in slots.items()
        ]
        turns.append({"utterance": text, "frames": [{"slots": spans, "actions": []}]})
    return json.dumps([{"dialogue_id": "1", "turns": turns}])


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Return a directory with one invented dialogue of each set that takes a file of text."""
    files = {
        "dstc8-schema-guided-dialogue/test/dialogues_001.json": sgd_dialogue(
            ("Send it to Wynfred Oakes at 7 pm.", {"contact_name": "Wynfred Oakes", "time": "7 pm"}),
            ("The Gull Inn, 40 Harbour Street, on May 4th?", {"hotel_name": "The Gull Inn", "date": "May 4th"}),
        ),
        "slurp/dataset/slurp/test.jsonl": json.dumps(
            {"slurp_id": 1, "sentence_annotation": "ring [person : wynfred] [date : tomorrow]"}
        ),
        "primock57/transcripts/day1_consultation05_doctor.TextGrid": 'text = "Good <UNIN/> <UNSURE>day</UNSURE>."\n',
        "SPACCC_MEDDOCAN/corpus/test/brat/one.txt": "Nombre del paciente de hoy: Aurelia.\nBreve.\n",
        "SPACCC_MEDDOCAN/corpus/test/brat/one.ann": "T1\tNOMBRE_SUJETO_ASISTENCIA 28 35\tAurelia\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def test_sgd_slots_become_kinds_and_organisations_are_unscored(copies: Path) -> None:
    first, second = cases(SGD, copies)
    assert named(first) == [(NAME, "Wynfred Oakes")]
    assert named(second) == [(DATE, "May 4th")]
    assert [second.text[slice(*place)] for place in second.unscored] == ["The Gull Inn"]


def test_slurp_names_count_and_days_from_today_stay(copies: Path) -> None:
    [one] = cases(SLURP, copies)
    assert one.text == "ring wynfred tomorrow"
    assert named(one) == [(NAME, "wynfred")]
    assert named(parse("2", "on [date : the fourth]")) == [(DATE, "the fourth")]


def test_primock57_tags_are_removed_from_the_text(copies: Path) -> None:
    assert [one.text for one in cases(PRIMOCK57, copies)] == ["Good day."]


def test_meddocan_lines_of_five_words_are_read(copies: Path) -> None:
    [one] = cases(MEDDOCAN, copies)
    assert named(one) == [(NAME, "Aurelia")]


@pytest.mark.parametrize(
    ("value", "kind"),
    [("May 4th", DATE), ("the second", DATE), ("2026-03-04", DATE), ("next Monday", "weekday"), ("in two days", None)],
    ids=["month", "ordinal", "figures", "weekday", "from today"],
)
def test_date_kind_separates_dates_weekdays_and_relative_days(value: str, kind: str | None) -> None:
    assert date_kind(value) == kind


@pytest.mark.parametrize(
    ("kind", "value", "text", "found"),
    [
        (ID, "B5ODZX", "It is B five O D Z X, yes.", ["B five O D Z X"]),
        (ID, "B5ODZX", "It is Bravo 5 Oscar Delta Zulu Xray.", ["Bravo 5 Oscar Delta Zulu Xray"]),
        (NAME, "Oakes", "Oakes, spelled O A K E S.", ["Oakes", "O A K E S"]),
        (EMAIL, "wyn.oakes@example.com", "wyn dot oakes at example dot com", ["wyn dot oakes at example dot com"]),
        (PHONE, "+1-415-555-0137", "on four one five 555 0137", ["four one five 555 0137"]),
        (NAME, "Oakes", "two oak trees", []),
    ],
    ids=["spelled", "alphabet", "name", "e-mail", "phone", "absent"],
)
def test_eva_values_are_found_as_they_are_said(kind: str, value: str, text: str, found: list[str]) -> None:
    assert [text[slice(*place)] for place in said(text, kind, value)] == found


TEXT = "Call Wynfred Oakes of 40 Harbour Street on May 4th, code QX7714, please"
PARTS = [
    Planted(kind, TEXT.index(value), TEXT.index(value) + len(value))
    for kind, value in [(NAME, "Wynfred Oakes"), (ADDRESS, "40 Harbour Street"), (DATE, "May 4th"), (ID, "QX7714")]
]
CASE = Case(dialogue="1", text=TEXT, parts=tuple(PARTS))


@given(st.lists(st.tuples(st.integers(0, len(TEXT)), st.integers(0, 9)), max_size=6))
def test_judge_counts_more_removed_and_fewer_kept_as_more_is_gone(starts: list[tuple[int, int]]) -> None:
    gone = [(start, start + length) for start, length in starts]
    before, after, everything = Tally(), Tally(), Tally()
    judge(before, CASE, gone[:-1], withheld=False)
    judge(after, CASE, gone, withheld=False)
    judge(everything, CASE, [(0, len(TEXT))], withheld=True)
    assert before.removed <= after.removed <= everything.removed == 1
    assert before.words_kept >= after.words_kept >= everything.words_kept == 0
    assert before.words == everything.words == 5


def test_judge_lets_states_and_apartment_numbers_stay() -> None:
    text = "Flat 7, 40 Harbour Street, Oregon"
    tally = Tally()
    judge(
        tally,
        Case(dialogue="1", text=text, parts=(Planted(ADDRESS, 0, len(text)), Planted(PLACE, 27, 33))),
        [(8, 18)],
        withheld=False,
    )
    assert (tally.identifiers, tally.removed) == (1, 1)


@given(st.text())
def test_half_of_a_dialogue_is_always_the_same(dialogue: str) -> None:
    assert half_of(dialogue) == half_of(dialogue) in {"a", "b"}


def test_missing_copies_are_all_named_with_where_they_are_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path), "--json"]) == 2
    said_so = capsys.readouterr().err
    assert all(f"git clone https://github.com/{each.repository}" in said_so for each in SETS)
    with pytest.raises(MissingSetError, match="no test/dialogues"):
        cases(SGD, tmp_path)


def test_json_has_each_set_and_mode_and_the_english_sets_together(
    copies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(copies), "--sets", "sgd", "slurp", "meddocan", "--json"]) == 0
    rows = {(row["set"], row["mode"]): row for row in json.loads(capsys.readouterr().out)}
    assert {name for name, _ in rows} == {"sgd", "slurp", "meddocan", TOGETHER}
    together = rows[TOGETHER, "vocabulary"]
    assert together["identifiers"] == sum(rows[name, "vocabulary"]["identifiers"] for name in ("sgd", "slurp")) == 3
    assert together["removed"] == 1
    assert rows["meddocan", "vocabulary"]["languages"] == {"es": 1}
    assert rows["meddocan", "vocabulary"]["withheld"] == 1


def test_markdown_rounds_no_share_up_to_one(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(texts=1, parts=Counter({NAME: 20_001}), left=Counter({NAME: 1}))
    assert ".9999 / .9999" in card({(TOGETHER, "vocabulary"): tally, (TOGETHER, "detect"): tally})
    assert main(["--data", str(copies), "--sets", "sgd", "--markdown"]) == 0
    assert "| sgd | 2 | 2 | 1.0000 / 1.0000 |" in capsys.readouterr().out
