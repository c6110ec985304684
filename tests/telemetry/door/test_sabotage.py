"""More than a thousand sabotaged spans: a known value in every form and every place, and not a byte of it leaves."""

from __future__ import annotations

import base64
import html
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.clinic import Clinic, seed_demo
from medagent.errors import DoorError
from medagent.redaction import Category, KnownValues, Redacted
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.telemetry import events as ev
from medagent.telemetry.door.admission import Admission
from medagent.telemetry.span import Ancestor, SafeSpan, SpanKind
from packaged import packaged_policy
from sink import Sink

POLICY = packaged_policy()
TRACE = "5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"
BORN = date(1982, 3, 14)
KNOWN: list[tuple[Category, str]] = [
    (Category.NAME, "Jane Okonkwo"),
    (Category.PHONE, "+1 555 010 0142"),
    (Category.EMAIL, "jane.okonkwo@example.com"),
    (Category.DATE_OF_BIRTH, BORN.isoformat()),
    (Category.MRN, "00412877"),
    (Category.ADDRESS, "12 Rosewood Crescent"),
]
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

Form = Callable[[str], str]


def _spoken(value: str, zero: str = "zero") -> str:
    return " ".join(zero if c == "0" else _WORDS[int(c)] for c in value if c.isdigit())


def _every(show: Callable[[str], str], between: str = "") -> Form:
    return lambda value: between.join(map(show, value))


ANY_FORM: dict[str, Form] = {
    "plain": str,
    "upper": str.upper,
    "lower": str.lower,
    "joined": lambda value: "".join(c for c in value if c.isalnum()),
    "grouped": lambda value: " ".join(c for c in value if c.isalnum()),
    "dotted": ".".join,
    "dashed": lambda value: value.replace(" ", "-"),
    "underlined": lambda value: value.replace(" ", "_"),
    "turned": lambda value: ", ".join(reversed(value.split())),
    "full width": _every(lambda c: chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c),
    "zero width": _every(str, "\u200b"),
    "soft hyphens": _every(str, "\u00ad"),
    "other alphabet": lambda value: value.translate(str.maketrans("aeopc", "аеорс")),
    "accents": lambda value: value.replace("a", "á").replace("o", "ö"),
    "percent": lambda value: quote(value, safe=""),
    "percent, all": _every(lambda c: f"%{ord(c):02X}"),
    "entities": _every(lambda c: f"&#{ord(c)};"),
    "html": lambda value: html.escape(value).replace(" ", "&nbsp;"),
    "json": _every(lambda c: f"\\u{ord(c):04x}"),
    "hex": lambda value: value.encode().hex(),
    "hex, upper": lambda value: value.encode().hex().upper(),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64, second": lambda value: base64.b64encode(b"x" + value.encode()).decode(),
    "base64, third": lambda value: base64.b64encode(b"xy" + value.encode()).decode(),
    "base64, url": lambda value: base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
    "utf-16": lambda value: value.encode("utf-16-le").decode("latin-1"),
    "in a sentence": lambda value: f"the caller said {value}, please note it",
    "in JSON": lambda value: json.dumps({"who": value}),
}
FORMS_OF: dict[Category, dict[str, Form]] = {
    Category.NAME: {"last name first": lambda value: ", ".join(reversed(value.split())), "spelled": _every(str, " ")},
    Category.PHONE: {
        "spoken": _spoken,
        "spoken, oh": lambda value: _spoken(value, "oh"),
        "triple": lambda value: _spoken(value, "oh").replace("five five five", "triple five"),
        "digits": lambda value: "".join(c for c in value if c.isdigit()),
        "without the country": lambda value: value.removeprefix("+1 "),
        "brackets": lambda _: "(555) 010-0142",
        "arabic numerals": _every(lambda c: chr(0x660 + int(c)) if c.isdigit() else c),
    },
    Category.EMAIL: {"spoken": lambda value: value.replace(".", " dot ").replace("@", " at ")},
    Category.DATE_OF_BIRTH: {
        "spoken digits": _spoken,
        "american": lambda _: f"{BORN:%m/%d/%Y}",
        "short": lambda _: "3/14/82",
        "european": lambda _: f"{BORN:%d.%m.%Y}",
        "in words": lambda _: f"{BORN:%B %d, %Y}",
        "day first": lambda _: "14th of March 1982",
        "short month": lambda _: "14-Mar-82",
        "spoken": lambda _: "march fourteenth nineteen eighty two",
        "spoken, day first": lambda _: "the fourteenth of march, nineteen hundred and eighty two",
        "time behind": lambda value: f"{value}T00:00:00",
    },
    Category.MRN: {"spoken": _spoken, "spoken, oh": lambda value: _spoken(value, "oh")},
    Category.ADDRESS: {"number spoken": lambda value: value.replace("12", "twelve")},
}
PLACES: list[tuple[str, tuple[str | int, ...]]] = [
    ("tool.book_appointment", ("arguments", "notes")),
    ("tool.book_appointment", ("arguments", "reason_for_visit")),
    ("tool.get_medical_guidelines", ("arguments", "query")),
    ("tool.book_appointment", ("arguments", "doctor_name")),
    ("tool.book_appointment", ("result", "confirmation_id")),
    ("tool.check_availability", ("result", "slots", 1, "clinic_location")),
    ("tool.check_availability", ("error_message",)),
    ("session.end", ("errors", 2, "error_message")),
    ("session.end", ("errors", 0, "error_type")),
    ("voice_session", ("agent_version",)),
]


def span(called: str, fields: Mapping[str, Any], **changes: Any) -> SafeSpan:
    about: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": TRACE,
        "ancestors": (),
        "name": called,
        "kind": SpanKind.TOOL,
        "start_us": 0,
        "end_us": 1,
        "status": "ok",
        "env": "dev",
        "policy_digest": POLICY.digest,
        "fields": dict(fields),
    }
    return SafeSpan(**(about | changes))


def nested(path: tuple[str | int, ...], value: object) -> Any:
    for step in reversed(path):
        value = [*[{}] * step, value] if isinstance(step, int) else {step: value}
    return value


def refusal(sabotaged: SafeSpan) -> str:
    with pytest.raises(DoorError) as caught:
        Admission(POLICY).admit(sabotaged, KNOWN)
    return str(caught.value)


def shown(path: tuple[str | int, ...]) -> str:
    return ".".join("[]" if isinstance(step, int) else step for step in path)


def disguises() -> Iterator[tuple[str, Category, str, str]]:
    for category, value in KNOWN:
        for form, disguise in {**ANY_FORM, **FORMS_OF[category]}.items():
            yield form, category, value, disguise(value)


TABLE = [
    (form, category, value, said, *place)
    for (form, category, value, said), place in itertools.product(disguises(), PLACES)
]


def test_the_table_is_long_enough() -> None:
    """A thousand and more, none twice."""
    assert len({(said, name, path) for _, _, _, said, name, path in TABLE}) > 1000


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0]}: {shown(place[1])}")
def test_a_known_value_passes_in_no_form(place: tuple[str, tuple[str | int, ...]]) -> None:
    """Each is refused with its path and a rule's words, and the refusal holds neither the value nor its disguise."""
    name, path = place
    passed = []
    for form, category, value, said, *where in TABLE:
        if tuple(where) != place:
            continue
        try:
            message = refusal(span(name, nested(path, said)))
        except pytest.fail.Exception:
            passed.append((form, category.value))
            continue
        assert message.startswith(f"{name}: {shown(path)}: ")
        assert value not in message
        assert said not in message
    assert passed == []


KEYS = [((said,), said) for _, _, _, said in disguises()] + [
    (("arguments", said), said) for _, _, _, said in disguises()
]


def test_a_key_is_no_hiding_place() -> None:
    """As a field's name, at the top or nested, no form passes: no rule names it."""
    for path, said in KEYS:
        with pytest.raises(DoorError, match="a field that no rule names"):
            Admission(POLICY).admit(span("tool.book_appointment", nested(path, 1)), KNOWN)
        with pytest.raises(DoorError, match="a field that no rule names"):
            Admission(POLICY).admit(span("voice_session", nested(path, said)), KNOWN)


@pytest.mark.parametrize(
    "number",
    [15550100142, 15550100142.0, 5550100142, 5550100.142, 555.0100142, 19820314, 19820314.0],
)
@pytest.mark.parametrize("path", [("duration_ms",), ("arguments", "max")])
def test_a_number_is_no_hiding_place(number: float, path: tuple[str, ...]) -> None:
    """Whole, without its country, or with a point in it: digits are digits; what no rule names is no field."""
    assert "15550100142" not in refusal(span("tool.book_appointment", nested(path, number)))


def _as_uuid(hexadecimal: str) -> str:
    return str(UUID((hexadecimal + TRACE.replace("-", ""))[:32]))


@pytest.mark.parametrize("hidden", ["15550100142", "5550100142", b"janeokonkwo".hex(), b"12rosewoodcresc".hex()])
@pytest.mark.parametrize("where", ["trace_id", "span_id", "ancestors.0", "room_id"])
def test_an_id_is_no_hiding_place(hidden: str, where: str) -> None:
    """In a trace's id, a span's, a parent's or a pseudonym, as digits or as hexadecimal text."""
    made = _as_uuid(hidden)
    sabotaged = {
        "trace_id": lambda: span("agent_turn", {}, trace_id=made),
        "span_id": lambda: span("agent_turn", {}, span_id=made),
        "ancestors.0": lambda: span("agent_turn", {}, ancestors=(Ancestor(span_id=made, start_us=0),)),
        "room_id": lambda: span("voice_session", {"room_id": f"psn_0123abcd_{made.replace('-', '')}"}),
    }[where]()
    if hidden == b"12rosewoodcresc".hex():
        return  # cut: what is not whole is not the value
    assert where in refusal(sabotaged)


@pytest.mark.parametrize("hidden", ["jane_okonkwo", "janeokonkwo", "call_jane_okonkwo_back", "jane.okonkwo"])
def test_a_span_s_name_is_no_hiding_place(hidden: str) -> None:
    """A tool that the model made up may bear the caller's name: it is not repeated either."""
    assert "okonkwo" not in refusal(span(hidden, {"outcome": "ok"}))
    if "." in hidden:
        with pytest.raises(ValueError, match="a span's name has not the shape of one"):
            span(f"tool.{hidden}", {"outcome": "ok"})
    else:
        assert "okonkwo" not in refusal(span(f"tool.{hidden}", {"outcome": "ok"}))


@pytest.mark.parametrize("attribute", ["trace_id", "span_id", "name", "status", "env", "policy_digest"])
@pytest.mark.parametrize("value", [value for _, value in KNOWN])
def test_a_machine_s_attribute_takes_no_words(attribute: str, value: str) -> None:
    """A span whose own attribute is a value is none; the error names the attribute alone."""
    with pytest.raises(ValueError, match=f"a span's {attribute} has not the shape of one") as refused:
        span("agent_turn", {}, **{attribute: value})
    assert value not in str(refused.value)


def test_a_digest_is_the_policy_s() -> None:
    """Sixty-four hexadecimal digits could say anything."""
    assert "policy_digest" in refusal(
        span("agent_turn", {}, policy_digest=b"jane okonkwo, 12 rosewood crescent"[:32].hex())
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("555 010", "0142 is it"),
        ("my number is five five five oh one oh", "oh one four two"),
        ("born 1982", "03-14 she said"),
    ],
)
def test_what_is_split_over_two_texts_is_found(one: str, other: str) -> None:
    """Neither half says it, both together do."""
    arguments = {"reason_for_visit": one, "notes": other}
    for name, text in arguments.items():
        Admission(POLICY).admit(span("tool.book_appointment", {"arguments": {name: text}}), KNOWN)
    assert "read as one" in refusal(span("tool.book_appointment", {"arguments": arguments}))


_ordinary = st.lists(
    st.sampled_from(["knee", "fever", "since", "yesterday", "a", "my", "call", "back", "see"]), max_size=4
)


@given(st.sampled_from(TABLE), _ordinary, _ordinary, st.sampled_from([" ", ", ", " - ", ": ", "\n"]))
def test_ordinary_words_around_it_hide_nothing(
    case: tuple[Any, ...], before: list[str], after: list[str], between: str
) -> None:
    """Whatever stands before and behind, in whatever place."""
    *_, said, name, path = case
    refusal(span(name, nested(path, between.join([*before, said, *after]))))


class Leaky:
    """A redactor that was broken in one place: what the field holds is let through as it came."""

    def __init__(self, redactor: Any, where: tuple[str, ...], said: str) -> None:
        self._redactor = redactor
        self._where = where
        self._said = said

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redactor, name)

    def with_rosters(self, rosters: Any) -> Leaky:
        return Leaky(self._redactor.with_rosters(rosters), self._where, self._said)

    def redact(self, record: Any, known: KnownValues, **options: Any) -> Redacted:
        redacted: Redacted = self._redactor.redact(record, known, **options)
        if record.name != "tool.book_appointment":
            return redacted
        fields: Any = json.loads(json.dumps(redacted.fields))
        holder = fields
        for step in self._where[:-1]:
            holder = holder.setdefault(step, {})
        holder[self._where[-1]] = self._said
        return replace(redacted, fields=fields)


@pytest.mark.timing
@pytest.mark.parametrize(
    "said", ["Jane Okonkwo", "4a616e65204f6b6f6e6b776f", "five five five oh one oh oh one four two"]
)
@pytest.mark.parametrize(
    "where",
    [("arguments", "notes"), ("arguments", "doctor_name"), ("error_message",), ("outcome",), ("arguments", "jane")],
)
def test_no_byte_of_a_broken_redactor_leaves(tmp_path: Path, where: tuple[str, ...], said: str) -> None:
    """Pipeline, door, outbox, destinations are real: the switch trips by path and rule, and nothing has the value."""
    home = tmp_path / "home"
    with Sink(tmp_path) as sink:
        settings = load_settings(
            MEDAGENT_HOME=home,
            MEDAGENT_DESTINATIONS="otlp,langfuse,jsonlog",
            MEDAGENT_OTLP_ENDPOINT=sink.url,
            MEDAGENT_JSONLOG=str(tmp_path / "calls.jsonl"),
            LANGFUSE_PUBLIC_KEY="pk-lf-1",
            LANGFUSE_SECRET_KEY="sk-lf-1",
            LANGFUSE_BASE_URL=sink.url,
            LANGSMITH_API_KEY="lsv2_test",
            LANGSMITH_ENDPOINT=sink.url,
        )
        clinic = Clinic.open(settings.clinic_url)
        seed_demo(clinic)
        telemetry = Telemetry(settings, rosters=clinic.rosters())
        clinic.close()
        sessions = telemetry.pipeline._make_session
        object.__setattr__(sessions, "redactor", Leaky(sessions.redactor, where, said))
        telemetry.start()
        line = telemetry.pipeline.line()
        line.send(
            ev.CallStarted,
            wall_us=1,
            model="gpt-realtime",
            provider="azure.ai.openai",
            mode="realtime",
            agent_version="1.0",
        )
        arguments = {"patient_name": "Jane Okonkwo", "phone": "+1 555 010 0142", "notes": "call back"}
        line.send(ev.ToolStarted, call_id="c", name="book_appointment", arguments=json.dumps(arguments))
        line.send(ev.ToolEnded, call_id="c", status="done", output='{"outcome": "ok"}')
        line.send(ev.CallEnded, reason="agent_ended")
        telemetry.flush(60)
        state = telemetry.switch.state()
        telemetry.close()
        sent = b"".join(request.raw for request in sink.requests())
    assert state.source == "trip"
    assert state.reason is not None
    assert state.reason.startswith("admission: tool.book_appointment: ")
    assert where[-1] in state.reason or where[-1] == "jane"
    kept = [path.read_bytes() for path in [*home.rglob("*"), tmp_path / "calls.jsonl"] if path.is_file()]
    for needle in (said, "Okonkwo", "5550100142"):
        assert needle not in state.reason
        assert not any(needle.encode() in held for held in (sent, *kept))
