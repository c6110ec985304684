"""A script that only checks shapes finds no planted leak, and it does find one that changes its field's shape."""

from __future__ import annotations

import json
import re
import secrets
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import POLICY
from medagent.audit.planted import plant
from medagent.audit.review import Worksheet, sample, worksheet
from medagent.audit.shaped_leaks import Leaks, Place, leak_in, place_of
from medagent.proof import Json
from medagent.redaction import Rule
from medagent.redaction.shapes import Moment, Pattern
from medagent.telemetry.span import SafeSpan
from spans import alone, call

NOTES = (
    "<REDACTED> said the tablets do not help, please…",
    "please tell the doctor about <REDACTED>, she fell…",
    "Sore knee, it hurts when walking and gets worse…",
    "Persistent cough",
    "I told you, it is <REDACTED>, and my back hurts…",
    "<REDACTED>",
    "asked for a call back in the morning",
)
_ID = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_FIELD = re.compile(r"^\d+\.|\[\d+\]")


class ShapeScript:
    """Learns the forms of each field from sheets without a leak; names the texts of others that have another form."""

    def __init__(self, clean: Iterable[Worksheet]) -> None:
        self._forms: dict[str, set[str]] = defaultdict(set)
        self._lengths: dict[str, int] = defaultdict(int)
        for sheet in clean:
            for path, text, free in _texts(sheet):
                self._forms[_field(path)] |= _forms(text, free=free)
                self._lengths[_field(path)] = max(self._lengths[_field(path)], len(text))

    def suspects(self, sheet: Worksheet) -> list[str]:
        return [path for path, text, free in _texts(sheet) if self._is_strange(path, text, free=free)]

    def _is_strange(self, path: str, text: str, *, free: bool) -> bool:
        field = _field(path)
        rule = _rule(path)
        return (
            not _forms(text, free=free) <= self._forms[field]
            or len(text) > max(self._lengths[field], 50 if free else 0)
            or (isinstance(rule.shape, Pattern) and not text.startswith("<") and not rule.shape.fits(text, {}))
            or (isinstance(rule.shape, Moment) and text.startswith("2") and not _is_moment(text))
            if rule
            else False
        )


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _texts(sheet: Worksheet) -> Iterable[tuple[str, str, bool]]:
    return [(text.path, text.text, text.free) for span in sheet.spans for text in span.texts]


def _field(path: str) -> str:
    return _FIELD.sub("", path)


def _rule(path: str) -> Rule | None:
    steps = [int(s) if s.isdigit() else s for s in re.findall(r"[^.\[\]]+", path)]
    return POLICY.rule_for(f"{steps[1]}.{steps[2]}", tuple(steps[3:]))


def _forms(text: str, *, free: bool) -> set[str]:
    """Of a free text the kinds of its words, the first apart; of any other its signs by class, an id's run as one."""
    if not free:
        kind = re.sub(r"[0-9]", "9", text)
        return {re.sub(r"(?<=LC-)[0-9A-Z]+", lambda run: "X" * len(run.group()), kind)}
    words = re.findall(r"<REDACTED>|\S+", text.rstrip("…"))
    return {("first " if n == 0 else "") + _word(word) for n, word in enumerate(words)}


def _word(word: str) -> str:
    if word == "<REDACTED>":
        return "word"
    bare = word.strip(".,;:")
    if re.fullmatch(r"[A-Z]?[a-z]+|I", bare):
        return "Word" if bare[0].isupper() else "word"
    return bare


def booking(number: int, draw: st.DataObject) -> list[SafeSpan]:
    """A call that books: a free text, slots, a confirmation id, of the shapes that the policy keeps."""
    pick = draw.draw
    slots: list[Json] = [_slot(pick(st.integers(0, 400))) for _ in range(3)]
    arguments: dict[str, Json] = {
        "patient_name": "<REDACTED>",
        "notes": pick(st.sampled_from(NOTES)),
        "appointment_datetime": slots[0],
    }
    fields: dict[str, Json] = {
        "arguments": arguments,
        "result": {
            "outcome": "ok",
            "confirmation_id": "LC-" + "".join(pick(st.sampled_from(_ID[:20])) for _ in range(6)),
            "appointment_datetime": slots[1],
        },
        "outcome": "ok",
        "duration_ms": 41.5,
    }
    spans = call(str(UUID(int=number + 1, version=4)))
    return [*spans[:3], alone(spans[3], fields=fields), *spans[5:]]


def _slot(half_hours: int) -> str:
    at = datetime(2026, 12, 1, 8, 0) + timedelta(minutes=30 * half_hours)  # noqa: DTZ001  # the offset is written below
    return at.isoformat(timespec="seconds") + "-06:00"


def leaks() -> Leaks:
    return Leaks.of(plant(seed=secrets.randbits(31), calls=4))


@given(data=st.data())
def test_shape_script_finds_no_planted_leak(data: st.DataObject) -> None:
    calls = [booking(number, data) for number in range(6)]
    every = [booking(100 + number, data) for number in range(4)]
    texts = [alone(every[0][3], fields={"arguments": {"notes": note}, "result": {}}) for note in NOTES]
    clean = [worksheet(spans, POLICY) for spans in (*calls, *every, texts[:1], *([one] for one in texts))]
    script = ShapeScript(clean)
    made = sample(calls, policy=POLICY, leaks=leaks(), planted_copies=4, officers=())
    sheets = [Worksheet.parse(content) for name, content in made.files.items() if "worksheet" in name]
    planted = {one.trace_id: one.planted for one in made.openings}
    assert sum(map(bool, planted.values())) == 4
    changed = {
        sheet.trace_id: tuple(
            p for (p, now, _), (_, was, _) in zip(_texts(sheet), _texts(own), strict=True) if now != was
        )
        for sheet, own in zip(sheets, clean, strict=False)
    }
    assert changed == planted
    assert [script.suspects(sheet) for sheet in sheets] == [[]] * len(sheets)


@pytest.mark.parametrize(
    "leak", ["+14155550137", "1962-04-17", "MRN-004173551", "maren@mail.example", "Maren Oldfield"]
)
@pytest.mark.parametrize("field", ["arguments.notes", "arguments.appointment_datetime", "result.confirmation_id"])
def test_shape_script_finds_what_earlier_audits_planted(leak: str, field: str) -> None:
    """A value of any kind behind any text, as leaks were planted before: such a script found all of them."""
    spans = call()
    document: dict[str, dict[str, Json]] = {
        "arguments": {"notes": "Persistent cough", "appointment_datetime": _slot(3)},
        "result": {"confirmation_id": "LC-K7M4Q9"},
    }
    clean = worksheet([*spans[:3], alone(spans[3], fields=json.loads(json.dumps(document)))], POLICY)
    part, name = field.split(".")
    document[part][name] = f"{document[part][name]} {leak}"
    worse = worksheet([*spans[:3], alone(spans[3], fields=json.loads(json.dumps(document)))], POLICY)
    assert [path.rpartition(".")[2] for path in ShapeScript([clean]).suspects(worse)] == [name]


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("notes", "Persistent cough", Place.FREE_TEXT),
        ("appointment_datetime", "2026-12-04T09:30:00-06:00", Place.DAY),
        ("from_date", "2026-12-04", Place.DAY),
        ("confirmation_id", "LC-K7M4Q9", Place.ID),
        ("appointment_datetime", "<REDACTED>", None),
        ("confirmation_id", "<REDACTED>", None),
        ("patient_name", "<REDACTED>", None),
        ("doctor_name", "Dr. Amara Okafor", None),
    ],
)
def test_only_a_text_that_can_hold_a_leak_of_its_shape_is_a_place(name: str, text: str, place: Place | None) -> None:
    assert place_of(POLICY.fields[name], text) is place


@given(text=st.sampled_from(NOTES), seed=st.integers(0, 10**6))
def test_a_leak_is_another_persons(text: str, seed: int) -> None:
    """A surname in a note, a day of birth in a slot, a surname in an id; none of them longer than its field may be."""
    found = Leaks.of(plant(seed=seed, calls=2))
    note = leak_in(text, Place.FREE_TEXT, POLICY.fields["notes"], found)
    slot = leak_in(_slot(5), Place.DAY, POLICY.fields["appointment_datetime"], found)
    assert slot is not None
    assert slot[10:] == _slot(5)[10:]
    assert datetime.fromisoformat(slot).year < 2000
    if note is not None:
        assert len(note) <= 50
        assert any(name.lower() in note.lower() for name in found.surnames)
    made = leak_in("LC-K7M4Q9", Place.ID, POLICY.fields["confirmation_id"], found)
    if made is not None:
        assert any(name.upper().startswith(made.removeprefix("LC-")) for name in found.surnames)
