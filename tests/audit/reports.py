"""Invented reports: one that may launch and is signed, one that may not, one rehearsal, and one that strains a page."""

from __future__ import annotations

import functools
import hashlib
import math
import random
from collections.abc import Callable
from typing import TypeAlias

from audit.report_parts import FIELDS, IDENTIFIERS, LEGAL, LIMITS, RETENTION, criteria
from medagent.attestation import report as form
from medagent.attestation.binding import installed_digest
from medagent.attestation.report import Report
from medagent.attestation.signed import Adjudication, Review, Signed, SignOff

INSTALLED = (
    form.InstalledDistribution(name="cryptography", version="46.0.3", sha256="c0" * 32),
    form.InstalledDistribution(name="python", version="3.11.9", sha256="a0" * 32),
)
Sample: TypeAlias = Callable[[], tuple[Report, Signed]]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def bound(what: str, unit: str, n: int, found: int = 0) -> form.Bound:
    most = 1 - math.pow(0.05, 1 / n) if not found else min(1.0, (found + 3 + 2 * math.sqrt(found)) / n)
    return form.Bound(what=what, unit=unit, n=n, found=found, upper_95=most)


@functools.cache
def histogram(centre_us: float, count: int) -> tuple[tuple[float, int], ...]:
    """Buckets a third of an octave wide, filled like a log-normal."""
    drawn = random.Random(5)
    uppers = [2.0 * 2 ** (n / 3) for n in range(42)]
    found = [0] * len(uppers)
    for _ in range(count):
        value = centre_us * math.exp(drawn.gauss(0, 0.55))
        found[next((n for n, upper in enumerate(uppers) if value <= upper), len(uppers) - 1)] += 1
    return tuple((round(upper, 3), n) for upper, n in zip(uppers, found, strict=True))


def report(
    *,
    rehearsal: bool = False,
    findings: tuple[form.Finding, ...] = (),
    marks: tuple[form.Mark, ...] = (),
    causes: tuple[str, ...] = (),
    p99_us: float = 214,
    drop: float = 0.0,
    inventory: tuple[form.InventoryRow, ...] | None = None,
    deviations: tuple[str, ...] = (),
) -> Report:
    drawn = random.Random(7)
    bad = bool(causes)
    texts, spans = 1_914, 2_236
    pace = 20.0 if rehearsal else 1.0
    by_letter = {letter: sum(f.letter == letter for f in findings) for letter in "ABCDEFGHIJKLMNOPQR"}
    channels = (
        ("LangSmith, body", 61, 1_482_733),
        ("OTLP collector, body", 58, 2_208_941),
        ("Slack, body", 6, 2_416),
        ("Log lines, JSON", 1, 418_220),
        ("Standard output", 1, 0),
        ("Standard error", 1, 3_108),
        ("Files written", 37, 9_318_402),
        ("Process arguments", 4, 312),
        ("Environment of children", 2, 1_890),
    )
    where = [f.channel for f in findings]
    planted = tuple(planted_row(row, found_outside=by_letter[row[0]]) for row in IDENTIFIERS)
    return Report(
        run=form.Run(
            run_id="audit-2026-11-21-7f3a",
            started_at="2026-11-21T08:02:11Z",
            ended_at="2026-11-21T08:04:02Z" if rehearsal else "2026-11-21T08:09:47Z",
            seed=20_261_121,
            pace=pace,
            rehearsal=rehearsal,
            env="prod",
            calls=10,
            call_seconds=300.0,
            scenarios=("adversary", "barge_in", "book", "cancel", "fatal_error", "guidelines_red_flag", "reschedule"),
            protocol_name="week5",
            protocol_version="1",
            protocol_sha256=sha("protocol"),
        ),
        system=form.System(
            version="0.1.0",
            python="3.11.9",
            platform="Linux 6.1 x86_64",
            processors=2,
            libraries={"livekit-agents": "1.8.9", "langsmith": "0.14.17", "openai": "3.52.0", "cryptography": "46.0.3"},
            code_sha256=sha("code"),
            lock_sha256=sha("lock"),
            policy_name="clinic",
            policy_version="1.4.0",
            policy_sha256=sha("policy"),
            policy_reviewed_by=("Ines Calder, compliance officer",),
            policy_changed_since_last_audit=None if rehearsal else bad,
            destinations=(
                form.Destination(
                    name="langsmith",
                    host="eu.api.smith.langchain.com",
                    project="medical-voice-agent-prod",
                    region="eu",
                    retention_days=14,
                ),
                form.Destination(
                    name="otlp", host="otel.clinic.example", project=None, region="ch", retention_days=None
                ),
                form.Destination(name="archive", host="this host", project=None, region="ch", retention_days=90),
            ),
            destinations_sha256=sha("destinations"),
            installed=INSTALLED,
            installed_sha256=installed_digest(INSTALLED),
        ),
        verdict=("NOT CLEAN" if bad else "CLEAN") if rehearsal else ("NO-GO" if bad else "GO"),
        causes=causes,
        earliest_launch="2026-12-05" if bad and not rehearsal else None,
        trips_switch=bool(findings),
        model_scripted=True,
        criteria=criteria(
            findings=len(findings),
            marks=sum(m.settled == "open" for m in marks),
            p99_us=p99_us,
            drop=drop,
            silent="tool_failure_rate" if bad else "",
            judged=not rehearsal,
        ),
        required_roles={"reviewer": 2, "sign_off": 1},
        matrix=tuple(
            form.MatrixRow(
                letter=row[0],
                identifier=row[1],
                fields=row[2],
                actions=row[3],
                test=row[4],
                planted=made.offered,
                found_outside=made.found_outside,
            )
            for row, made in zip(IDENTIFIERS, planted, strict=True)
        ),
        inventory=inventory
        if inventory is not None
        else tuple(
            form.InventoryRow(
                span=span, field=field, action=action, category=category, letter=letter, why_kept=why, seen=seen
            )
            for seen, (span, field, action, category, letter, why) in enumerate(FIELDS, start=118)
        ),
        unclassified=0,
        scan=form.Scan(
            channels=tuple(
                form.Channel(channel=name, documents=documents, bytes=size, findings=where.count(name))
                for name, documents, size in channels
            ),
            excluded=("/srv/clinic/clinic.sqlite3", "/srv/clinic/clinic.sqlite3-wal", "/srv/clinic/clinic.sqlite3-shm"),
            forms=("written", "spoken", "spelled", "digits only", "split", "misspelled"),
            encodings=("plain", "case-folded", "JSON", "URL", "base64 ×3", "hex", "gzip", "zstd", "UTF-16"),
            findings=findings,
        ),
        planted=planted,
        second_reader=form.SecondReader(
            engine="presidio-analyzer 2.2.366, no statistical model",
            recognisers=("CreditCard", "Date", "Email", "IpAddress", "Phone", "UsSsn", "NameDenyList", "Address"),
            texts=texts,
            sensitivity={
                "names": (61, 84),
                "dates": (40, 61),
                "telephone numbers": (38, 52),
                "e-mail addresses": (22, 24),
                "social security numbers": (18, 20),
                "record numbers": (3, 26),
                "web and IP addresses": (19, 19),
                "plates and licences": (0, 14),
            },
            marks=marks,
        ),
        latency=form.Latency(
            judged=not rehearsal,
            thread_us=form.Spread(count=18_420, p50=p99_us * 0.29, p95=p99_us * 0.71, p99=p99_us, max=p99_us * 2.9),
            wall_us=form.Spread(
                count=18_420, p50=p99_us * 0.31, p95=p99_us * 0.84, p99=p99_us * 1.31, max=p99_us * 6.2
            ),
            thread_histogram=histogram(p99_us * 0.29, 18_420),
            loop_lag_ms=form.Spread(count=30_000, p50=0.112, p95=0.51, p99=0.94, max=4.21),
            ttft_ms=form.Spread(count=284, p50=612.4, p95=1_190.8, p99=1_702.3, max=2_114.0),
            ttft_by_call=tuple(tuple(max(180, drawn.gauss(640, 210)) for _ in range(28)) for _ in range(10)),
        ),
        delivery=form.Delivery(
            events=9_310,
            events_lost=0,
            spans_accepted=spans,
            arrived={"archive": spans, "langsmith": spans - round(spans * drop), "otlp": spans},
            duplicates_visible=0,
            drop_rate=drop,
        ),
        alerts=(
            form.AlertDrill(
                name="error rate over 5 %",
                fired_at="2026-11-21T08:05:01Z",
                cleared_at="2026-11-21T08:07:44Z",
                messages=2,
            ),
            form.AlertDrill(
                name="TTFT-A p95 over 3 s",
                fired_at="2026-11-21T08:05:09Z",
                cleared_at="2026-11-21T08:07:52Z",
                messages=2,
            ),
            form.AlertDrill(
                name="tool failure over 10 %",
                fired_at="2026-11-21T08:05:30Z",
                cleared_at=None if bad else "2026-11-21T08:08:03Z",
                messages=2,
            ),
        ),
        switch=form.SwitchDrill(
            thrown_at="2026-11-21T08:06:00Z",
            effective_after_ms=312.5,
            bytes_after={"langsmith": 0, "otlp": 0, "slack": 0, "log lines": 0, "archive": 0},
            call_went_on=True,
            recorded=True,
            rounds=tuple(
                form.SwitchRound(
                    destination=name,
                    status=status,
                    requests_before=9,
                    requests_after=0,
                    bytes_after=0,
                    in_the_middle=True,
                )
                for status in (409, 400, 413)
                for name in ("langsmith", "otlp", "langfuse")
            ),
        ),
        integrity=form.Integrity(
            calls=10,
            chains_verified=10,
            ledger_entries=64,
            ledger_head=sha("head"),
            tampered=tuple(
                form.Tampering(what=what, rejected=True)
                for what in (
                    "one character of a span changed",
                    "a span taken out",
                    "two spans swapped",
                    "the end of the ledger cut off",
                    "the ledger rewritten whole with another key",
                    "a seal's signature replaced",
                    "a call rewritten whole",
                    "the end of a call cut off",
                    "an entry of the ledger changed",
                    "an entry of the ledger taken out",
                )
            ),
        ),
        sample=form.Sample(
            seed=20_261_121,
            traces=tuple(
                form.SampledTrace(
                    trace_id=sha(f"trace {n}")[:32], sha256=sha(f"worksheet {n}"), commitment=sha(f"salt {n}")
                )
                for n in range(1, 11)
            ),
            planted_copies=4,
            minimum_sensitivity=0.7,
        ),
        bounds=(
            bound("by machine: every free text that left", "text", texts, len(findings)),
            bound("by machine: every span that left", "span", spans, len(findings)),
        ),
        deviations=deviations,
        does_not_prove=LIMITS,
        retention=RETENTION,
        annexes=(
            *(form.Annex(name=f"worksheet-{n}.json", sha256=sha(f"worksheet {n}")) for n in range(1, 11)),
            form.Annex(name="findings.enc", sha256=sha("findings"), encrypted=True),
        ),
        legal=LEGAL,
    )


def planted_row(row: tuple[str, str, tuple[str, ...], tuple[str, ...], str], *, found_outside: int) -> form.PlantedRow:
    letter, kind, *_ = row
    heard = letter in "PQ"
    n = 40 + 7 * (ord(letter) - ord("A"))
    stopped = {"not_recorded": n} if heard else {"field_rule": n - 21, "text_layer": 19, "admission": 2}
    return form.PlantedRow(
        letter=letter,
        kind=kind,
        values=4,
        forms=1 if heard else 5,
        offered=n + found_outside,
        stopped=stopped,
        found_outside=found_outside,
    )


def go() -> tuple[Report, Signed]:
    """Nothing found, everybody has signed; one mark of the second reader was decided by the officer."""
    made = report(
        marks=(
            form.Mark(
                mark_id="m-001",
                path="tool.book_appointment/result.doctor_name",
                kind="PERSON",
                score=0.85,
                settled="kept_shape",
                rule="roster of doctors",
            ),
            form.Mark(
                mark_id="m-002",
                path="tool.get_medical_guidelines/arguments.query",
                kind="DATE_TIME",
                score=0.6,
                settled="adjudicated",
                rule=None,
            ),
        ),
    )
    return made, Signed(
        conclusion="GO",
        why=(),
        missing=(),
        statement_sha256=sha("statement"),
        machine_key_id="5d1f0a9be27c4431",
        officers_sha256=sha("officers"),
        sign_offs=(
            SignOff(
                role="sign_off", name="Ines Calder", key_id=sha("i")[:16], at="2026-11-21T13:30:00Z", decision="GO"
            ),
        ),
        reviews=(
            Review(
                reviewer="Theo Brandt",
                key_id=sha("t")[:16],
                at="2026-11-21T10:38:40Z",
                traces=10,
                leaks=0,
                planted=4,
                planted_found=4,
            ),
            Review(
                reviewer="Noor Haddad",
                key_id=sha("n")[:16],
                at="2026-11-21T11:00:12Z",
                traces=10,
                leaks=0,
                planted=4,
                planted_found=3,
            ),
        ),
        kappa=0.78,
        kappa_note="over 10 traces, 4 of them with a planted leak: a coarse figure",
        bounds=(bound("by people: 10 traces read by both reviewers", "trace", 10),),
        adjudications=(
            Adjudication(
                mark_id="m-002",
                by="Ines Calder",
                key_id=sha("i")[:16],
                at="2026-11-21T13:21:18Z",
                decision="no_leak",
            ),
        ),
    )


def finding(n: int) -> form.Finding:
    letter, kind = (("A", "name"), ("D", "phone"), ("H", "mrn"))[n % 3]
    return form.Finding(
        finding_id=f"f-{n:03}",
        planted_id=f"{kind}-{n % 4 + 1}",
        letter=letter,
        form=("written", "spoken", "digits only")[n % 3],
        encoding=("plain", "base64 ×3", "JSON")[n % 3],
        channel=("LangSmith, body", "Log lines, JSON", "Files written")[n % 3],
        path=("post/inputs/arguments/doctor_name", "voice_metrics/error_message", "tmp/tracebacks/session.log")[n % 3],
    )


def no_go(findings: int = 7) -> tuple[Report, Signed]:
    """Leaks, overhead over its limit, spans lost: a long list of causes, one signature of three."""
    found = tuple(finding(n) for n in range(1, findings + 1))
    made = report(
        findings=found,
        marks=(
            form.Mark(
                mark_id="m-001",
                path="tool.check_availability/result.doctor_name",
                kind="PERSON",
                score=0.85,
                settled="open",
                rule=None,
            ),
        ),
        causes=(
            f"{len(found)} planted identifiers were found outside: names, telephone numbers, record numbers",
            "the second reader's mark m-001 is open: PERSON in tool.check_availability/result.doctor_name",
            "overhead on the thread is 1,842 µs at p99, the limit is 1,000 µs",
            "overhead on the wall is 2,413 µs at p99, the limit is 1,000 µs",
            "1.52 % of the spans accepted for langsmith did not arrive, the limit is 1 %",
            "the alert “tool failure over 10 %” did not clear",
            "the policy has changed since the last audit and tool.book_appointment is reviewed by nobody",
            "the installed library openai is 3.52.1, requirements.lock has 3.52.0",
            "the call with scenario fatal_error has no session.end",
        ),
        p99_us=1_842,
        drop=0.0152,
        deviations=("The audit was played on a host with two processors; the protocol asks for four.",),
    )
    return made, Signed(
        conclusion="NO-GO",
        why=(*made.causes, "missing signature: 1 of 2 reviewer", "missing signature: 1 of 1 sign_off"),
        missing=("1 of 2 reviewer", "1 of 1 sign_off"),
        statement_sha256=sha("another statement"),
        machine_key_id="5d1f0a9be27c4431",
        officers_sha256=sha("officers"),
        reviews=(
            Review(
                reviewer="Theo Brandt",
                key_id=sha("t")[:16],
                at="2026-11-21T10:38:40Z",
                traces=10,
                leaks=2,
                planted=4,
                planted_found=3,
            ),
        ),
        kappa_note="there is one reviewer; agreement needs two",
        bounds=(bound("by people: 10 traces read by one reviewer", "trace", 10, 2),),
    )


def rehearsal() -> tuple[Report, Signed]:
    """Pace 20, nothing found, nobody needs to sign, no latency is judged."""
    made = report(rehearsal=True)
    return made, Signed.nobody(made)


def strained(findings: int = 500, fields: int = 200) -> tuple[Report, Signed]:
    """As much as a bad day may bring: hundreds of findings, names without a place to break, every text long."""
    made, signed = no_go(findings)
    endless = "a_field_whose_name_nobody_wanted_to_shorten" * 4
    rows = tuple(
        form.InventoryRow(
            span=f"tool.somebody_elses_tool_with_a_long_name_{n}",
            field=f"arguments.{endless}.{n}" if n % 20 == 0 else f"arguments.nested[{n}].deeper.{'x' * (n % 60)}",
            action="keep",
            category="free_text_of_an_unusually_long_category",
            letter="R",
            why_kept="because " + "an engineer needs it, " * (n % 7),
            seen=n * 1_000_003,
        )
        for n in range(fields)
    )
    changes = {"inventory": rows, "unclassified": 3, "deviations": tuple(f"Deviation. {endless}" for _ in range(3))}
    return made.model_copy(update=changes), signed
