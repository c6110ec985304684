"""`medagent doctor`: what is configured, what is missing, what to set."""

from __future__ import annotations

import functools
import logging
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated

import typer
from rich.text import Text

from medagent.cli import doctor_settings
from medagent.cli.finding import Finding, missing, without_repeats
from medagent.cli.outbox import spool_line
from medagent.cli.output import console, print_json
from medagent.clinic import Clinic, is_zone, zones_version
from medagent.core_dumps import is_pattern_piped
from medagent.errors import ExportError, MedagentError, NotAskableError, SettingsError
from medagent.pricing import load_prices
from medagent.redaction.policy import ClockMode
from medagent.runtime.exports import archive, exporters
from medagent.runtime.host import key_ring, policy
from medagent.runtime.kill_switch import hosts, switch_message
from medagent.runtime.maintenance import spooled, waiting
from medagent.runtime.telemetry import Telemetry
from medagent.settings import Settings, load_settings, make_home
from medagent.telemetry.exporters.exporter import Exporter
from medagent.telemetry.failures import Explanation, Failure, FailureCause
from medagent.telemetry.outbox import OutboxStatus
from medagent.telemetry.span import SafeSpan

_DELIVERY_S = 15.0
_DAY_US = 86_400_000_000
_MANY_CALLS = 100
"""A day; beyond it a person reads a sample anyway."""
_INDENT = 21
_STYLES = {"ok": "green", "note": "yellow", "missing": "red"}


def doctor(
    send: Annotated[
        bool, typer.Option("--send", help="Send a synthetic trace to every destination, and read it back.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Check the settings: what is wrong, what is missing and what to set.

    Exit code 1 where something is wrong or missing: a destination that is listed and not configured, an address that
    cannot be used, a file that is not there, an unknown MEDAGENT_* name, http in prod.
    """
    findings = without_repeats(list(_findings(send=send)))
    if as_json:
        print_json(finding.document() for finding in findings)
    else:
        for finding in findings:
            _print(finding)
        wrong = sum(finding.state == "missing" for finding in findings)
        if wrong:
            console().print(Text(f"\n{wrong} to fix", style="red"))
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    out = console()
    wrap = functools.partial(
        textwrap.wrap, width=max(20, out.width - _INDENT), break_on_hyphens=False, break_long_words=False
    )
    lines = [*((line, "") for line in wrap(finding.says)), *((line, "bright_black") for line in wrap(finding.hint))]
    for number, (line, style) in enumerate(lines):
        head = Text(" " * _INDENT)
        if number == 0:
            mark = (f"{finding.state:<8}", _STYLES[finding.state])
            head = Text.assemble(mark, (f"{finding.what:<{_INDENT - 8}}", "bold"))
        out.print(head.append(line, style=style), soft_wrap=True)


Look = Callable[[Settings], Iterator[Finding]]


def _findings(*, send: bool) -> Iterator[Finding]:
    try:
        settings = load_settings()
        make_home(settings.home)
    except SettingsError as error:
        # A value that is not allowed decides nothing here: the other checks could look at the wrong environment.
        yield from (missing("settings", one) for one in (error, *error.others))
        yield from doctor_settings.names()
        return
    for look in (*_LOOKS, *([sent] if send else [])):
        yield from _looked(look, settings)


def _looked(look: Look, settings: Settings) -> list[Finding]:
    found = list[Finding]()
    try:
        found.extend(look(settings))
    except MedagentError as error:
        found.append(missing(look.__name__.strip("_"), error, variable=_VARIABLES.get(look)))
    except Exception as error:  # noqa: BLE001  # one check that cannot be made must not hide the others; it may quote
        what = look.__name__.strip("_")
        found.append(Finding(what=what, state="missing", says=f"cannot be checked ({type(error).__name__})"))
    return found


def _environment(settings: Settings) -> Iterator[Finding]:
    says = f"{settings.env}, state in {settings.home}"
    if settings.synthetic_callers is not None:
        says, hint = f"{says}; callers are declared synthetic", "unset MEDAGENT_SYNTHETIC_CALLERS for real callers"
        yield Finding(what="environment", state="note", says=says, hint=hint)
    elif not settings.is_env_stated:
        hint = "set MEDAGENT_ENV: without it calls of another machine's LiveKit server are refused"
        yield Finding(what="environment", state="note", says=f"{says}; MEDAGENT_ENV is unset", hint=hint)
    else:
        yield Finding(what="environment", state="ok", says=says)
    if settings.env == "prod" and settings.synthetic_callers is not None:
        settings.check_prod()


def _consent(settings: Settings) -> Iterator[Finding]:
    if settings.asks_in_own_words:
        settings.legal_basis()
        says = "asked for by your agent in its own words; each call is held until trace_call(…).consent(…)"
        hint = "`medagent worker` needs MEDAGENT_CONSENT_SCRIPT and MEDAGENT_CONSENT_SCRIPT_VERSION"
        yield Finding(what="consent", state="note", says=says, hint=hint)
        return
    script = settings.asks()
    ground = f"asked for, script {script.version}" if script else f"not asked: {settings.legal_basis()}"
    yield Finding(what="consent", state="ok", says=ground)


def _core_dumps(_settings: Settings) -> Iterator[Finding]:
    if is_pattern_piped():
        says = "the kernel pipes core dumps to a program, in spite of RLIMIT_CORE=0: a dump holds callers' values"
        yield Finding(what="core dumps", state="note", says=says, hint="sysctl -w kernel.core_pattern=core")
    else:
        yield Finding(what="core dumps", state="ok", says="off (RLIMIT_CORE=0)")


def _telemetry(settings: Settings) -> Iterator[Finding]:
    if (message := switch_message(settings)) is None:
        yield Finding(what="telemetry", state="ok", says="on")
    else:
        yield Finding(what="telemetry", state="note", says=message.says, hint=message.remedy)
    queued = waiting(settings)
    held = sum(queued.due.values())
    yield Finding(what="outbox", state="note" if held > 1000 else "ok", says=f"{held} spans wait")
    spool = spooled(settings)
    is_missing = spool.service != "running" and (spool.files > 0 or settings.export_service == "external")
    yield Finding(what="spool", state="note" if is_missing else "ok", says=spool_line(spool).removeprefix("spool: "))
    for one in hosts(settings):
        yield Finding(what="host", state="note" if one.has_problem() else "ok", says=f"{one.label}: {one.says()}")


def _sampling(settings: Settings) -> Iterator[Finding]:
    store, now_us = archive(settings), time.time_ns() // 1000
    try:
        calls = len(store.spans_between(now_us - _DAY_US, now_us, ("policy.guardrail",)))
    finally:
        store.close()
    says = f"{settings.sampling:.0%} of the calls are stored, of the others the guardrail; {calls} calls in a day"
    if calls > _MANY_CALLS and settings.sampling == 1:
        hint = f"MEDAGENT_SAMPLING={_MANY_CALLS / calls:.2f} stores about {_MANY_CALLS} of them"
        yield Finding(what="sampling", state="note", says=says, hint=hint)
    else:
        yield Finding(what="sampling", state="ok", says=says)


def _policy(settings: Settings) -> Iterator[Finding]:
    in_force = policy(settings)
    says = f"{in_force.name} {in_force.version}, {in_force.digest[:8]}, {len(in_force.examples)} examples hold"
    yield Finding(what="policy", state="ok", says=says)
    if in_force.clock is ClockMode.SHIFTED:
        yield _day_of_a_call(settings)
    yield _pseudonyms(settings)


def _pseudonyms(settings: Settings) -> Finding:
    ring = key_ring(settings)
    key, old = ring.pseudonym_key(), ring.old_pseudonym_keys()
    says = f"key {key.key_id}" + (f", {len(old)} old keys for trace find" if old else "")
    if key.is_random:
        return Finding(what="pseudonyms", state="ok", says=says)
    hint = "medagent keys rotate makes a random one"
    return Finding(what="pseudonyms", state="note", says=f"{says}, a repeated pattern", hint=hint)


def _day_of_a_call(settings: Settings) -> Finding:
    """Return whether a destination can see the day that a shifted clock hides."""
    days = settings.release_delay_days
    if days:
        says = f"hidden: a call is released to remote destinations 1 to {days} whole days later"
        return Finding(what="day of a call", state="ok", says=says)
    says = "a destination can see the day by the time of arrival, although 'clock: shifted' moves a call's times"
    return Finding(what="day of a call", state="note", says=says, hint="set MEDAGENT_RELEASE_DELAY_DAYS to hide it")


def _prices(settings: Settings) -> Iterator[Finding]:
    prices = load_prices(settings.pricing_path)
    price = prices.realtime.get(settings.model)
    if price is None:
        yield Finding(
            what="prices",
            state="note",
            says=f"{settings.model} is not in the price list: every cost is null",
            hint="set MEDAGENT_MODEL to the model behind the deployment, or add its price and set MEDAGENT_PRICING",
        )
    else:
        yield Finding(what="prices", state="ok", says=f"{settings.model}, read on {price.as_of}")
    unknown = [name for name, value in prices.line.model_dump().items() if value is None]
    unknown += [f"every {stage} model" for stage in ("llm", "stt", "tts") if not getattr(prices, stage)]
    if unknown:
        hint = "a call's cost is its model's alone; put your contract's prices into the price list"
        yield Finding(what="prices", state="note", says=f"unknown: {', '.join(unknown)}", hint=hint)


def _clinic(settings: Settings) -> Iterator[Finding]:
    clinic = Clinic.open(settings.clinic_url, country=settings.clinic_country)
    try:
        rosters = clinic.rosters()
        zones, home, country = clinic.zone_names(), clinic.zone, clinic.country
    finally:
        clinic.close()
    counts = f"{len(rosters['doctors'])} doctors, {len(rosters['locations'])} locations"
    empty = not rosters["doctors"]
    hint = "`medagent call` puts the demo clinic into an empty database" if empty else ""
    yield Finding(what="clinic", state="note" if empty else "ok", says=counts, hint=hint)
    unknown = sorted({name for name in zones if not is_zone(name)})
    if unknown:
        says = f"{len(unknown)} time zones of locations are not in the database: their hours cannot be read"
        yield Finding(what="time zones", state="missing", says=says, hint="expected IANA names, as America/Chicago")
    clock = "no location" if home is None else f"the clinic's own is {home.key}"
    yield Finding(what="time zones", state="ok", says=f"{zones_version()}; {clock}")
    default = "the default" if home is None else "by its time zones"
    source = "MEDAGENT_CLINIC_COUNTRY" if settings.clinic_country else default
    yield Finding(what="country", state="ok", says=f"numbers without a country code are of {country} ({source})")


def _destinations(settings: Settings) -> Iterator[Finding]:
    for name, remedy in settings.unusable_destinations().items():
        if name in settings.destinations:
            says = "listed in MEDAGENT_DESTINATIONS and not configured: nothing is sent"
            yield Finding(what=name, state="missing", says=says, hint=remedy)
        else:
            yield Finding(what=name, state="note", says="off", hint=remedy)
    for one in exporters(settings):
        kept = "as long as it decides" if one.retention_days is None else f"{one.retention_days} days"
        says = f"region {one.region}, kept {kept}"
        if one.name == "langsmith":
            workspace = settings.langsmith_workspace_id or "the key's own"
            says += f", project {settings.langsmith_project}, workspace {workspace}"
        yield Finding(what=one.name, state="ok", says=says)
        one.close()
    if settings.langsmith_api_key is None:
        yield Finding(what="langsmith", state="note", says="off", hint="set LANGSMITH_API_KEY to see traces there")


def _exits(settings: Settings) -> Iterator[Finding]:
    """Return what would leave past the door, by the environment's word or by somebody's tracer provider."""
    ways = settings.ways_past_the_door()
    for name, why in ways.items():
        yield Finding(what="exits", state="note", says=f"{name} is set: {why}", hint=f"unset {name}: no door is there")
    if "OTEL_PYTHON_TRACER_PROVIDER" not in ways and is_tracer_provider_set():
        says = "a global tracer provider is set: the spans of other libraries leave by it, past the door"
        yield Finding(what="exits", state="note", says=says, hint="set none in the agent's process")
        ways = {"": says}
    if settings.livekit_open:
        says = f"open by MEDAGENT_LIVEKIT_OPEN: {', '.join(settings.livekit_open)}"
        yield Finding(what="livekit", state="note", says=says, hint="what is said leaves by it, past the door")
    elif not ways:
        yield Finding(what="exits", state="ok", says="LiveKit's are shut, no other library's is open")
    if settings.logs_in_clear:
        says = f"in clear by MEDAGENT_LOGS_IN_CLEAR: {', '.join(settings.logs_in_clear)}"
        yield Finding(what="logs", state="note", says=says, hint="no line of theirs may hold a patient's value")
    if (other := settings.langsmith_is_contradicted()) is not None:
        says = f"{other} and LANGSMITH_RUNS_ENDPOINTS are both set: LangSmith's client refuses to start"
        yield Finding(what="langsmith", state="missing", says=says, hint="unset LANGSMITH_RUNS_ENDPOINTS")


def is_tracer_provider_set() -> bool:
    """Return whether a tracer provider that can send anything is set in this process, as auto-instrumentation does."""
    from opentelemetry import trace  # noqa: PLC0415  # only here, and `redact` need not pay for it

    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def sent(settings: Settings) -> Iterator[Finding]:
    """Send a synthetic call through everything, and ask each destination for it."""
    shipping = logging.getLogger("medagent.telemetry.shipper")
    level = shipping.level
    shipping.setLevel(logging.ERROR)  # the findings name the same failures
    telemetry = Telemetry(settings).start()
    try:
        telemetry.gate()
        trace_id = telemetry.hello()
        lacking = telemetry.flush(_DELIVERY_S)
        spans = archive(settings).spans(trace_id)
        for one in telemetry.destinations:
            if one.name in lacking:
                yield _undelivered(one.name, waiting(settings))
                continue
            sent_spans = f"{len(spans)} spans of trace {trace_id[:8]} sent"
            try:
                if _until_shown(one, spans):
                    yield Finding(what=one.name, state="ok", says=f"{sent_spans}, read back")
                else:
                    hint = "accepted is not stored: look for the trace there, or run `medagent doctor --send` again"
                    yield Finding(what=one.name, state="missing", says=f"{sent_spans}, not shown yet", hint=hint)
            except NotAskableError:
                yield Finding(what=one.name, state="ok", says=f"{sent_spans}, taken; it has no way to read back")
            except ExportError as error:
                said = Failure.of(error).explain(one.name)
                yield _failed(one.name, f"{sent_spans}, not read back", said)
    finally:
        telemetry.close()
        shipping.setLevel(level)


def _undelivered(name: str, status: OutboxStatus) -> Finding:
    if name in status.last_errors:
        return _failed(name, "the trace did not arrive", Failure.read(status.last_errors[name]).explain(name))
    if name in status.paused_s:
        says = f"the trace waits: {name} asked for a pause of another {status.paused_s[name]:,.0f} s"
        return Finding(what=name, state="missing", says=says, hint="run `medagent doctor --send` again after it")
    late = Failure(cause=FailureCause.ANSWER_TIMEOUT)
    return _failed(name, "the trace did not arrive", late.explain(name))


def _failed(name: str, what_failed: str, said: Explanation) -> Finding:
    return Finding(what=name, state="missing", says=f"{what_failed}: {said.cause}", hint=said.remedy, failure=said)


def _until_shown(destination: Exporter, spans: Sequence[SafeSpan]) -> bool:
    """Ask until all of it is there, as it may take seconds.

    Raises:
        NotAskableError: The destination has no read-back.
        ExportError: Its answer to one is no success.
    """
    deadline = time.monotonic() + _DELIVERY_S
    while time.monotonic() < deadline:
        if all(destination.holds(span) for span in spans):
            return True
        time.sleep(0.5)
    return False


_LOOKS: Sequence[Look] = (
    _environment,
    _consent,
    doctor_settings.all_of,
    _core_dumps,
    _policy,
    _telemetry,
    _sampling,
    _prices,
    _clinic,
    _destinations,
    _exits,
)
_VARIABLES: Mapping[Look, str] = {_policy: "MEDAGENT_POLICY", _prices: "MEDAGENT_PRICING"}
