"""Each safeguard shown what it alone must stop, in the audited process: behind one that works, another may be idle.

A value that one layer misses is mostly stopped by the next, so that a call alone tells of none whether it works.
What is shown is made up here; nothing of it reaches the calls' own telemetry.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from medagent.errors import DoorError, MedagentError
from medagent.pricing import load_prices
from medagent.proof import PseudonymKey, canonical
from medagent.redaction import Category, Identifier, KnownValues, Redacted, Redactor
from medagent.redaction import Record as Raw
from medagent.runtime.kill_switch import switch
from medagent.settings import Settings
from medagent.telemetry.door.admission import Admission
from medagent.telemetry.door.exit import ExitSession
from medagent.telemetry.events import CallEnded, CallStarted
from medagent.telemetry.exporters.exporter import Envelope, always_open
from medagent.telemetry.session import SessionMaker
from medagent.telemetry.span import Ancestor, SafeSpan, SpanKind
from medagent.telemetry.switch import Switch

_NAME, _MAIL, _PHONE = "Zvaindrok Kjeltorvan", "kjeltorvan@zvaindrok.example", "+12125550142"
_SPOKEN = "two one two five five five zero one four two"
_WORDS = "kitchen window"
"""A known value of ordinary words: no list and no pattern knows it."""
_IDS = ("LC-RVAN7Q", "LC-KJE4Q7", "LC-ZVA7N4")
"""Confirmation ids of the clinic's own pattern that hold three letters of the name or more."""
_CLEAN_ID = "LC-Q7M4X9"
_LIMIT = 50
_TRIP_STORES = ("switch.json", "ledger", "outbox")
_NOWHERE = "http://127.0.0.1:9/audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """Raw fields of one span, as a tool would have produced them."""

    name: str
    fields: Mapping[str, object] = field(repr=False)


def idle(settings: Settings, redactor: Redactor) -> tuple[str, ...]:
    """The safeguards that let pass what they are for, by name; one that breaks on the way did not stop it either."""
    drills: Mapping[str, Callable[[Redactor], bool]] = {
        "field rules": _fields_are_treated,
        "learning of known values": _values_are_learned,
        "known values": lambda one: not _leaves(one, f"it hurts like {_WORDS} again", _WORDS, known=_WORDS),
        "patterns": lambda one: not _leaves(one, "call 212 555 0142 today", "0142"),
        "spoken numbers": lambda one: not _leaves(one, "call two one two five five five oh one four two", "four two"),
        "names": lambda one: not _leaves(one, "my name is Hope and it hurts", "Hope"),
        "vocabulary": lambda one: not _leaves(one, "the dvorzhaik hurts", "dvorzhaik"),
        "scrubbing before truncation": _scrubbed_before_cut,
        "parts of known values": _parts_are_redacted,
        "error messages": lambda one: not _says(one, {"error_message": f"no row for {_NAME}"}, "Zvaindrok"),
        "keyed pseudonyms": _pseudonyms_need_a_key,
        "admission": lambda one: _admission_refuses(one) and _session_asks_admission(settings, one),
        "exit": _exit_refuses,
        "memory of trips": lambda _one: _trips_are_kept(settings),
        "the framework's own exits": lambda _one: _exits_are_shut(),
    }
    return tuple(name for name, works in drills.items() if not _holds(works, redactor))


def _holds(works: Callable[[Redactor], bool], redactor: Redactor) -> bool:
    try:
        return works(redactor)
    except Exception:  # noqa: BLE001  # a safeguard that cannot be shown to work is idle; no message: it may quote
        return False


# ---- the redactor ---------------------------------------------------------------------------------------------------


def _booking(**arguments: object) -> _Record:
    return _Record(name="tool.book_appointment", fields={"arguments": arguments})


def _fields_are_treated(redactor: Redactor) -> bool:
    """A name under its field, as a key, in nested lists; a number of nobody's: none of it leaves, and it is counted."""
    number = 987_654_321
    record = _booking(
        patient_name=_NAME, phone=number, memo=_MAIL, rows=[[{"notes": [_NAME]}], number], **{_NAME: "yes"}
    )
    left = redactor.redact(record, KnownValues())
    text = json.dumps(left.fields)
    return not any(value in text for value in (_NAME, _MAIL, str(number))) and left.counts.dropped > 0


def _values_are_learned(redactor: Redactor) -> bool:
    """From a field, a number, nested lists, and JSON in a string."""
    inside = json.dumps({"dob": "1951-07-09"})
    record = _booking(patient_name=_NAME, phone=12125550142, rows=[[{"email": [_MAIL]}]], memo=inside)
    learned = {one.value for one in redactor.identifiers(record)}
    return {_NAME, "12125550142", _MAIL, "1951-07-09"} <= learned


def _leaves(redactor: Redactor, said: str, value: str, *, known: str = _NAME) -> bool:
    """Return whether a value is left of what a caller said."""
    return _says(redactor, {"arguments": {"reason_for_visit": said}}, value, known=known)


def _says(redactor: Redactor, fields: Mapping[str, object], value: str, *, known: str = _NAME) -> bool:
    """Whether a value is left in a tool's fields, in whatever case; also where nothing at all is left to look at."""
    values = KnownValues()
    values.learn([Identifier(category=Category.IDENTIFIER, value=known)])
    treated = redactor.redact(_Record(name="tool.book_appointment", fields=fields), values)
    return not treated.fields or value.casefold() in json.dumps(treated.fields).casefold()


def _parts_are_redacted(redactor: Redactor) -> bool:
    """A kept id with a part of a known name or date does not leave, though it has its pattern; one without does."""
    values = KnownValues()
    values.learn(
        [
            Identifier(category=Category.NAME, value=_NAME),
            Identifier(category=Category.DATE_OF_BIRTH, value="1951-07-09"),
        ]
    )
    kept: list[object] = []
    for written in _IDS:
        record = _Record(name="tool.book_appointment", fields={"result": {"confirmation_id": written}, "outcome": "ok"})
        treated = redactor.redact(record, values).fields.get("result")
        kept.append(treated.get("confirmation_id") if isinstance(treated, Mapping) else None)
    return not set(kept) & set(_IDS) and not values.parts.stand_in(_CLEAN_ID) and values.parts.stand_in("X0709")


def _scrubbed_before_cut(redactor: Redactor) -> bool:
    """Return whether a text is read before it is cut: one that ends with half a known value shows no value."""
    half = _WORDS.partition(" ")[0]
    before = "it hurts here and then it hurts here and a "
    is_cut_behind_half = len(before) + len(half) == _LIMIT  # otherwise the drill shows nothing
    return is_cut_behind_half and not _leaves(redactor, before + _WORDS, half, known=_WORDS)


def _pseudonyms_need_a_key(redactor: Redactor) -> bool:
    """Two keys must not make the same of a telephone number: what needs no key is found by trying all numbers."""
    made = []
    for secret in (b"\x01" * 32, b"\x02" * 32):
        keyed = Redactor(redactor.policy, keys=PseudonymKey(secret=secret), recognisers=redactor._recognisers)
        fields = keyed.redact(_Record(name="voice_session", fields={"participant_id": f"sip_{_PHONE}"}), KnownValues())
        made.append(str(fields.fields.get("participant_id")).rpartition("_")[2])
    return made[0] != made[1] and not any(_PHONE in each for each in made)


# ---- the door -------------------------------------------------------------------------------------------------------


def _span(redactor: Redactor, **arguments: str) -> SafeSpan:
    trace_id = str(uuid4())
    return SafeSpan(
        trace_id=trace_id,
        span_id=str(uuid4()),
        ancestors=(Ancestor(span_id=trace_id, start_us=1_700_000_000_000_000),),
        name="tool.book_appointment",
        kind=SpanKind.TOOL,
        start_us=1_700_000_000_000_000,
        end_us=1_700_000_000_100_000,
        status="ok",
        env="dev",
        policy_digest=redactor.policy.digest,
        fields={"arguments": {**arguments}},
    )


def _admission_refuses(redactor: Redactor) -> bool:
    """A known value, one that looks like an identifier, and a field that no rule names."""
    bad = ({"notes": _WORDS}, {"notes": "write to jo.doe@zvaindrok.example"}, {"memo": "ok"})
    return all(_refused(lambda arguments=one: _admit(redactor, arguments)) for one in bad)  # type: ignore[misc]  # a default binds the loop's value


def _admit(redactor: Redactor, arguments: Mapping[str, str]) -> None:
    Admission(redactor.policy).admit(_span(redactor, **arguments), [(Category.NAME.value, _WORDS)])


def _session_asks_admission(settings: Settings, redactor: Redactor) -> bool:
    """A call whose redactor lets a value through stores no span of it, and trips the switch."""
    policy = redactor.policy
    with tempfile.TemporaryDirectory(dir=settings.home) as directory:
        stop = Switch(Path(directory), forced=None, env="dev")
        maker = SessionMaker(
            redactor=_Leaking(policy, keys=redactor._keys, recognisers=redactor._recognisers),
            prices=load_prices(settings.pricing_path),
            switch=stop,
            env="dev",
            destinations=(),
            legal_basis="a drill",
        )
        began = CallStarted(
            seq=0,
            at_ns=0,
            wall_us=1_700_000_000_000_000,
            model="gpt-realtime",
            provider="azure.ai.openai",
            mode="realtime",
            agent_version="1.0.0",
            caller_number=_PHONE,
        )
        session = maker(str(uuid4()), began)
        with _silent("medagent.telemetry.session"):
            session.take(began)
            session.take(CallEnded(seq=1, at_ns=1, reason="agent_ended"))
        return not stop.is_on() and session.suppressed > 0


def _trips_are_kept(settings: Settings) -> bool:
    """A trip that the switch's file, the ledger or the outbox alone still holds keeps a new process off."""
    with tempfile.TemporaryDirectory(dir=settings.home) as directory:
        for kept in _TRIP_STORES:
            home = Path(directory) / kept
            own = settings.model_copy(update={"home": home, "outbox_url": None})
            switch(own).trip("a drill")
            for lost in _TRIP_STORES:
                place = home / lost
                if lost != kept and place.is_dir():
                    shutil.rmtree(place)
                elif lost != kept:
                    place.unlink(missing_ok=True)
            if switch(own).is_on():
                return False
    return True


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Silence a logger, so that a drill's messages are not read as complaints of the calls."""
    logger = logging.getLogger(name)
    logger.disabled, before = True, logger.disabled
    try:
        yield
    finally:
        logger.disabled = before


class _Leaking(Redactor):
    """Puts a telephone number, as it is said, into every span: only who knows it can tell."""

    def redact(
        self, record: Raw, known: KnownValues, *, at_us: int | None = None, withhold_text: bool = False
    ) -> Redacted:
        treated = super().redact(record, known, at_us=at_us, withhold_text=withhold_text)
        return replace(treated, fields={**treated.fields, "error_message": f"no answer at {_SPOKEN}"})


def _exit_refuses(redactor: Redactor) -> bool:
    """A value that was not admitted, and a header of nobody's; where the exit is open, nothing listens there."""
    span = _span(redactor, notes="it hurts")
    envelope = Envelope(
        method="POST",
        url=_NOWHERE,
        media_type="application/json",
        headers={"accept-encoding": "identity"},
        keys=frozenset({"notes"}),
        constants={},
    )
    session = ExitSession(envelope, gate=always_open)
    own = {"content-type": "application/json"}
    requests = (({"notes": _NAME}, own), ({"notes": "it hurts"}, {**own, "x-library": "linux"}))
    try:
        return all(
            _refused(
                lambda body=body, headers=headers: session.deliver(  # type: ignore[misc]  # as above
                    [span], lambda: session.request("POST", _NOWHERE, data=canonical(body), headers=headers)
                )
            )
            for body, headers in requests
        )
    finally:
        session.close()


def _refused(work: Callable[[], object]) -> bool:
    try:
        work()
    except DoorError:
        return True
    except MedagentError:
        return False
    return False


class _Started:
    """Stands for a session and keeps what it is started with."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}

    async def start(self, **options: Any) -> None:
        self.options = options


def _exits_are_shut() -> bool:
    """A session that is asked to record, to write into the room and to answer in it does none of it."""
    from medagent.agent.exits import shut_exits  # noqa: PLC0415  # livekit costs seconds; the command line need not pay

    session = _Started()
    with _silent("medagent.agent.exits"):
        shut_exits(cast("Any", session))
        asyncio.run(session.start(record=True, session_host=True))
    options = session.options
    room: Any = options["room_options"]
    return options.get("record") is False and options.get("session_host") is False and room.text_output is False
