"""What the invented reports are made of: the 18 identifiers, fields, limits of the proof, and criteria as worded."""

from __future__ import annotations

from datetime import date

from medagent.attestation import report as form
from medagent.attestation.legal import LegalStatus, Processor, SentField

IDENTIFIERS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...], str], ...] = (
    ("A", "Names", ("patient_name", "notes", "reason_for_visit"), ("redact", "truncate"), "written, spelled, split"),
    ("B", "Geographic subdivisions smaller than a state", ("address", "notes"), ("redact", "truncate"), "written"),
    ("C", "Dates except the year, and ages over 89", ("dob", "appointment_datetime"), ("redact", "keep"), "spoken"),
    ("D", "Telephone numbers", ("phone", "room_id", "participant_id"), ("redact", "pseudonym"), "spoken, digits"),
    ("E", "Fax numbers", ("notes",), ("truncate",), "spoken, digits"),
    ("F", "E-mail addresses", ("email",), ("redact",), "spoken, written"),
    ("G", "Social security numbers", ("notes",), ("truncate",), "digits, split"),
    ("H", "Medical record numbers", ("mrn", "patient_id"), ("redact",), "spelled, digits"),
    ("I", "Health plan beneficiary numbers", ("notes",), ("truncate",), "spelled"),
    ("J", "Account numbers", ("notes",), ("truncate",), "digits"),
    ("K", "Certificate and licence numbers", ("notes",), ("truncate",), "spelled"),
    ("L", "Vehicle identifiers and licence plates", ("notes",), ("truncate",), "spelled"),
    ("M", "Device identifiers and serial numbers", ("sip.headers",), ("drop",), "written"),
    ("N", "Web addresses", ("error_message",), ("truncate",), "written"),
    ("O", "IP addresses", ("sip.headers", "error_message"), ("drop", "truncate"), "written"),
    ("P", "Biometric identifiers, voice prints among them", (), (), "marked bytes"),
    ("Q", "Full-face photographs and the like", (), (), "marked bytes"),
    ("R", "Any other unique number, characteristic or code", ("confirmation_id", "notes"), ("keep", "truncate"), "all"),
)
FIELDS = (
    ("voice_session", "room_id", "pseudonym", "device", "D", None),
    ("voice_session", "participant_id", "pseudonym", "device", "D", None),
    ("voice_session", "agent_version", "keep", "machine", None, "tells which code answered the call"),
    ("user_turn", "audio_ms", "keep", "machine", None, "a duration in milliseconds, no speech"),
    ("agent_turn", "ttft_ms", "keep", "machine", None, "how long the caller waited"),
    ("agent_turn", "cost_usd", "keep", "machine", None, "what the turn cost"),
    ("agent_turn", "error_message", "truncate", "free text", "N", None),
    ("tool.book_appointment", "arguments.patient_name", "redact", "name", "A", None),
    ("tool.book_appointment", "arguments.phone", "redact", "contact", "D", None),
    ("tool.book_appointment", "arguments.dob", "redact", "date", "C", None),
    ("tool.book_appointment", "arguments.reason_for_visit", "truncate", "free text", "A", None),
    (
        "tool.book_appointment",
        "arguments.appointment_datetime",
        "keep",
        "date",
        "C",
        "an engineer must see which slot; only the year where a patient id stands beside it",
    ),
    ("tool.book_appointment", "result.confirmation_id", "keep", "code", "R", "random, opens nothing by itself"),
    ("tool.book_appointment", "result.doctor_name", "keep", "staff", None, "on the clinic's roster, else redacted"),
    ("tool.get_medical_guidelines", "arguments.query", "truncate", "free text", "A", None),
    ("policy.guardrail", "actions", "keep", "machine", None, "counts of what was done, no value"),
)
LIMITS = (
    "What a live model would say: its behaviour was scripted, and another model may say what no script foresaw.",
    "That no person can be recognised from an appointment's time, doctor and place together with other sources.",
    "What happens inside LiveKit Cloud, Azure or the telephone network: the audit sees what leaves this process.",
    "That a form of an identifier which nobody planted would be found: the search knows the forms listed above.",
)
RETENTION = (
    "This report, its annexes and the guardrail spans: six years, 45 CFR 164.316(b)(2)(i), in the clinic's archive.",
    "The capture of what left: 90 days, encrypted to the officer, then destroyed.",
    "The head of the ledger is kept by the compliance officer, apart from this host.",
)


def processor(name: str, **changes: object) -> Processor:
    """A complete entry, but for the changes."""
    about: dict[str, object] = {
        "name": name,
        "service": f"{name}, a service",
        "receives": "the spans that the policy allows",
        "baa_reference": f"BAA-2026-{name}",
        "baa_date": date(2026, 3, 2),
        "region": "us-east-2",
        "retention": "14 days",
        "sub_processors": ("a hosting company",),
    }
    return Processor.model_validate(about | changes)


LEGAL = LegalStatus(
    status="phi",
    sent=(
        SentField(field="appointment_datetime", category="appointment", letter="C", form="exact date and time"),
        SentField(field="doctor_name", category="staff", letter=None, form="exact name, if on the clinic's list"),
        SentField(field="participant_id", category="phone", letter="D", form="keyed pseudonym derived from the value"),
    ),
    exact_time=True,
    arrival_shows_day=False,
    free_text=("reason_for_visit", "notes", "tool.*: error_message"),
    free_text_max=50,
    processors=tuple(map(processor, ("azure_openai", "livekit", "sip_carrier", "langsmith", "otlp"))),
    processors_sha256="0" * 64,
)


def criteria(
    *, findings: int = 0, marks: int = 0, p99_us: float = 214, drop: float = 0, silent: str = "", judged: bool = True
) -> tuple[form.Criterion, ...]:
    """Sixteen of them, as long as a real audit words them."""
    wall_us = p99_us * 1.31
    rows: tuple[tuple[str, str, str, str, bool], ...] = (
        (
            "leaks",
            "Did a planted identifier leave, in any form, by any way?",
            "0 found outside",
            f"{findings} found: A in Files written, D in LangSmith, body" if findings else "0 in 13436022 bytes",
            not findings,
        ),
        (
            "second_reader",
            "Did an independent reader mark a text that left, and is no mark open?",
            "0 open marks",
            f"{marks} open of 2 marks in 1914 texts",
            not marks,
        ),
        ("planted", "Were identifiers of all 18 kinds planted?", "18 kinds", "18 kinds", True),
        (
            "inventory",
            "Is every field that left named by a rule of the policy?",
            "0 not classified",
            "0 not classified",
            True,
        ),
        (
            "ways_out",
            "Did the system speak to anybody but the model and its destinations, or write what nobody could read?",
            "no other address, no unread file",
            "none",
            True,
        ),
        (
            "calls",
            "Did every call take place, last, and leave a complete trace?",
            "10 calls of 300 s, every scenario, none broken",
            "10 long and 18 short calls, the shortest long one 301 s; broken: none",
            True,
        ),
        (
            "door",
            "Did the door stop anything, or telemetry fail, in calls that were redacted before it?",
            "0 refusals, 0 failures",
            "0 refusals, 0 failures",
            True,
        ),
        ("safeguards", "Does each safeguard stop what is shown to it alone?", "none idle", "idle: none", True),
        (
            "installed",
            "Is every installed file as its distribution recorded it, and all byte code that of its source?",
            "no file that is not",
            "155 distributions; not so: none" if judged else "not checked",
            True,
        ),
        (
            "overhead",
            "What does telemetry take of a call's own thread, an operation?",
            "p99 at most 1000 µs",
            f"p99 {p99_us:.0f} µs of 18420 operations",
            p99_us <= 1_000,
        ),
        (
            "overhead_wall",
            "What does telemetry take of the clock on the wall, an operation?",
            "p99 at most 1000 µs",
            f"p99 {wall_us:.0f} µs",
            wall_us <= 1_000,
        ),
        (
            "drop",
            "Did everything that was accepted arrive, once?",
            "under 1.0% lost, none twice",
            f"{drop:.2%} lost of 2236 spans and 9310 events, 0 twice",
            drop < 0.01,
        ),
        (
            "alerts",
            "Did each alert fire, clear, and tell somebody of both?",
            "3 alerts",
            f"silent: {silent or 'none'}",
            not silent,
        ),
        (
            "switch",
            "Thrown in the middle of a call, does the switch stop every byte while the call goes on?",
            "0 bytes later than 1000 ms, the call goes on, the ledger says so",
            "0 bytes after, effective after 312 ms, the call went on, recorded",
            True,
        ),
        ("seals", "Are every call's chain and the ledger whole?", "all", "10 of 10 chains, 64 entries", True),
        ("tampering", "Is every tampered copy rejected?", "all of 10", "10 copies, accepted: none", True),
    )
    return tuple(
        form.Criterion(
            name=name,
            question=question,
            limit=limit,
            measured=measured,
            passed=passed,
            judged=judged or not name.startswith(("overhead", "installed")),
            trips_switch=name == "leaks" and not passed,
        )
        for name, question, limit, measured, passed in rows
    )
