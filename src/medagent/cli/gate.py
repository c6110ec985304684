"""`medagent gate`: has a week's exit criterion been met? What was looked at is kept, its digest is in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.text import Text

from medagent.alerts.rules import load_alerts
from medagent.attestation.allowance import allowed
from medagent.attestation.bundle import Bundle
from medagent.attestation.verify import verify
from medagent.cli.doctor import sent
from medagent.cli.output import console, print_json, print_switch
from medagent.errors import MedagentError
from medagent.file_access import replace_file
from medagent.os_account import current_account
from medagent.proof import Json, canonical, digest
from medagent.runtime.alerting import alert_watch
from medagent.runtime.binding import binding_here
from medagent.runtime.exports import archive
from medagent.runtime.host import ledger, machine_keys, policy
from medagent.runtime.kill_switch import officers, record_votes, switch_message
from medagent.settings import Settings, load_settings, make_home
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.door.admission import identifier_shape
from medagent.telemetry.span import SafeSpan

_CALLS = 10
_TOOL_SPANS = 20
_MOST_CALLS = 500
_ALERTS = ("error_rate", "ttft_p95", "tool_failure_rate")
_DRILLED = 2
"""Messages of an alert that fires and clears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One thing that was looked at."""

    what: str
    says: str
    holds: bool


Look = Callable[[Settings, Path | None], Iterator[Seen]]


def gate(
    number: Annotated[int, typer.Argument(min=1, max=5, help="The week.")],
    report: Annotated[
        Path | None, typer.Argument(exists=True, help="Week 5: the signed audit report, its bundle or directory.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Look whether a week's exit criterion is met; exit code 0 or 1, and what was seen goes into the ledger.

    1: a hello-world trace is sent and seen at every destination. 2: the last ten calls left complete traces.
    3: the last twenty tool spans show no identifier. 4: the three alerts fire and clear, and a message arrives.
    5: the week-5 audit is a signed GO for what runs here.
    """
    settings = load_settings()
    seen = list(_looked(_LOOKS[number], settings, report))
    passed = bool(seen) and all(each.holds for each in seen)
    evidence: dict[str, Json] = {
        "gate": number,
        "passed": passed,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seen": [asdict(each) for each in seen],
    }
    place = _kept(settings, evidence)
    about = {"gate": number, "passed": passed, "evidence": digest(evidence), "by": current_account().name}
    ledger(settings).append("gate", about)
    if as_json:
        print_json([{**evidence, "evidence": str(place)}])
    else:
        _print(number, seen, passed=passed, place=place)
        print_switch(switch_message(settings), to=console())
    if not passed:
        raise typer.Exit(1)


def _looked(look: Look, settings: Settings, report: Path | None) -> Iterator[Seen]:
    try:
        yield from look(settings, report)
    except MedagentError as error:
        yield Seen(what=type(error).__name__, says=str(error), holds=False)


def _kept(settings: Settings, evidence: Mapping[str, Json]) -> Path:
    directory = make_home(settings.home) / "gates"
    directory.mkdir(mode=0o700, exist_ok=True)
    place = directory / f"gate-{evidence['gate']}-{digest(evidence)[:16]}.json"
    replace_file(place, canonical(evidence))
    return place


def _print(number: int, seen: list[Seen], *, passed: bool, place: Path) -> None:
    out = console()
    for each in seen:
        mark = ("holds  ", "green") if each.holds else ("fails  ", "red")
        out.print(Text.assemble(mark, (f"{each.what}  ", "bold"), each.says))
    says = Text(
        f"gate {number} is {'passed' if passed else 'not passed'}", style="bold green" if passed else "bold red"
    )
    out.print(says)
    out.print(Text(f"  evidence: {place}", style="bright_black"))


def _hello(settings: Settings, _: Path | None) -> Iterator[Seen]:
    """Sent and read back; a trace that stays on this host shows nothing of the way out."""
    away = False
    for found in sent(settings):
        away = away or found.what != "archive"
        yield Seen(what=found.what, says=found.says, holds=found.state == "ok")
    if not away:
        yield Seen(what="destinations", says="none but the archive of this host", holds=False)


def _complete_calls(settings: Settings, _: Path | None) -> Iterator[Seen]:
    """The latest ten in which a caller spoke or a tool ran: a hello is no call, and none can be picked."""
    found = 0
    for spans in _calls(settings):
        if not any(span.name == "user_turn" or span.name.startswith("tool.") for span in spans):
            continue
        end = next((span.fields for span in spans if span.name == "session.end"), None)
        complete = end is not None and end.get("complete") is True
        verify_chain(spans)
        yield Seen(
            what=f"call {spans[0].trace_id[:8]}",
            says=f"{len(spans)} spans, sealed, " + ("complete" if complete else "incomplete"),
            holds=complete,
        )
        found += 1
        if found == _CALLS:
            return
    yield Seen(what="calls", says=f"{found} of {_CALLS} are in the archive", holds=False)


def _tool_spans(settings: Settings, _: Path | None) -> Iterator[Seen]:
    """The latest twenty: every text read for the shapes that the door knows, free texts by the second reader too."""
    tools = (span for spans in _calls(settings) for span in reversed(spans) if span.name.startswith("tool."))
    latest = list(islice(tools, _TOOL_SPANS))
    if len(latest) < _TOOL_SPANS:
        yield Seen(what="tool spans", says=f"{len(latest)} of {_TOOL_SPANS} are in the archive", holds=False)
        return
    from medagent.audit.second_reader import SecondReader, Text  # noqa: PLC0415  # seconds to load: Presidio is in it

    reader, in_force = SecondReader(), policy(settings)
    for span in latest:
        texts = list(_texts(span.fields, ()))
        marks = [f"{_shown(path)}: {shape}" for path, text in texts if (shape := identifier_shape(text))]
        for path, text in texts:
            rule = in_force.rule_for(span.name, path)
            if rule is None or rule.free_text:
                marks += [f"{_shown(path)}: {mark.kind}" for mark in reader.read([Text(path=_shown(path), text=text)])]
        said = f"{len(texts)} texts, " + (", ".join(marks) or "no identifier")
        yield Seen(what=f"{span.name} {span.span_id[:8]}", says=said, holds=not marks)


def _alerts(settings: Settings, _: Path | None) -> Iterator[Seen]:
    """Each of the three is on, fires over bad calls made for it and clears after them; then a message is sent."""
    from medagent.audit.alert_drill import drill_alerts  # noqa: PLC0415  # the other gates need no audit
    from medagent.audit.capture import Capture  # noqa: PLC0415

    alerts = load_alerts(settings.alerts_path)
    with TemporaryDirectory(prefix="medagent-gate-") as state, Capture() as capture:
        apart = settings.model_copy(
            update={"home": Path(state), "slack_webhook_url": SecretStr(capture.url("slack")), "env": "dev"}
        )
        drills = drill_alerts(apart, _ALERTS, capture, now_us=time.time_ns() // 1000)
    for drill in drills:
        works = drill.fired_at is not None and drill.cleared_at is not None and drill.messages == _DRILLED
        said = f"fired {drill.fired_at}, cleared {drill.cleared_at}, {drill.messages} messages, in a drill of its own"
        yield Seen(what=drill.name, says=said, holds=works)
    watching = alert_watch(settings, alerts)
    for destination in sorted({rule.destination for rule in alerts.rules if rule.id in _ALERTS}):
        watching.test(destination)
        yield Seen(what=destination, says="a test message arrived", holds=True)


def _audit(settings: Settings, report: Path | None) -> Iterator[Seen]:
    if report is None:
        yield Seen(what="report", says="none was given: medagent gate 5 REPORT", holds=False)
        return
    bundle, directory = Bundle.load(report)
    listed = officers(settings)
    found = verify(bundle, officers=listed, machine_keys=machine_keys(settings), directory=directory)
    record_votes(settings, bundle, by=current_account().name)
    yield from (Seen(what=check.what, says=check.says, holds=True) for check in found.checks)
    began = allowed(found, binding=binding_here(settings), env=settings.env, officers=listed, days=settings.go_days)
    yield Seen(what="conclusion", says=f"GO for what runs here, audited {began.isoformat()}", holds=True)


def _calls(settings: Settings) -> Iterator[list[SafeSpan]]:
    """Every call of the archive, the latest first."""
    with closing(archive(settings)) as store:
        for call in store.calls(_MOST_CALLS):
            if not call.synthetic:
                yield store.spans(call.trace_id)


def _texts(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(inner, (*path, number))
    elif isinstance(value, str):
        yield path, value


def _shown(path: Sequence[str | int]) -> str:
    """A path as people write it."""
    return ".".join("[]" if isinstance(step, int) else step for step in path)


_LOOKS: Mapping[int, Look] = {1: _hello, 2: _complete_calls, 3: _tool_spans, 4: _alerts, 5: _audit}
