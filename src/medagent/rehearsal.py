"""Simulated calls with their telemetry and a simulator: to the clinic, or to an agent that somebody's factory makes."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from medagent import __version__
from medagent.clinic import Clinic, seed_demo
from medagent.clinic.demo import CLINIC_NAME
from medagent.errors import ExportError, TraceNotFoundError
from medagent.outcomes import outcomes_of
from medagent.proof.keys import PSEUDONYM_SHAPE
from medagent.redaction import Policy
from medagent.redaction.shapes import is_sayable
from medagent.runtime.alerting import identity_check_alert
from medagent.runtime.exports import archive
from medagent.runtime.host import policy
from medagent.runtime.telemetry import Telemetry
from medagent.settings import Settings
from medagent.simulator.appointments import check_clinic, prepare
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import Scenario, check_for_agent, check_for_clinic
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.span import SafeSpan
from medagent.tools import TOOLS, Tool

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from medagent.agent.bridge import Bridge
    from medagent.agent.caller import Caller
    from medagent.agent.factory import Factory
    from medagent.telemetry.exporters.archive import Archive

_SEALED_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.05
_SHORTEST_DIGITS = 8
_PART_DIGITS = 4
_PART_LETTERS = 3
_NAMES = ("patient_name", "caller_name")
_AFTER_A_NO = ["voice_session", "policy.guardrail"]
_OUTSIDE_THE_SAMPLE = ["policy.guardrail"]

OnEvent = Callable[[str, str], None]
"""Told what the caller does and hears: kind, detail."""
Before = Callable[["AgentSession[Any]", "Bridge"], None]
"""Sees a session and its bridge before the session starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What came of one call: how it ended for the caller, its spans as the archive has them, what is wrong.

    `notes` are facts about the call that are no problem.
    """

    scenario: Scenario
    ended: str
    trace_id: str
    spans: Sequence[SafeSpan]
    problems: Sequence[str]
    bridge: Bridge
    notes: Sequence[str] = ()

    @property
    def end(self) -> dict[str, Any]:
        """The fields of `session.end`; empty where telemetry was off."""
        return next((dict(span.fields) for span in self.spans if span.name == "session.end"), {})


class Stage:
    """What calls are played on; many may be played at once."""

    def __init__(
        self,
        settings: Settings,
        *,
        clinic: Clinic | None,
        telemetry: Telemetry,
        simulator: SimulatorProcess | None,
        pace: float,
        factory: Factory | None = None,
    ) -> None:
        """Either `clinic` or `factory` is given: whose agent answers."""
        self.settings = settings
        self.clinic = clinic
        self.telemetry = telemetry
        self.simulator = simulator
        self.pace = pace
        self.factory = factory
        self.policy = policy(settings)

    async def play(
        self,
        scenario: Scenario,
        *,
        on_event: OnEvent | None = None,
        before: Before | None = None,
        caller: Callable[[Scenario], Caller | None] | None = None,
        tools: Sequence[Tool[Any]] = TOOLS,
    ) -> Rehearsed:
        """Play one scenario to its end and wait until its trace is in the archive.

        `caller` says who phones, None for whoever the LiveKit job says; by default the scenario's person on a SIP line.
        `tools` are those of the clinic's agent. Raises `ScenarioError` where the scenario is not for this agent.
        """
        if self.factory is not None:
            return await self._play_factory(scenario, self.factory, on_event=on_event, before=before, caller=caller)
        assert self.clinic is not None  # noqa: S101  # without a factory it is given
        from medagent.simulator.play import play  # noqa: PLC0415  # livekit costs seconds; `--help` need not pay them

        check_for_clinic(scenario)
        held = await asyncio.to_thread(prepare, scenario, self.clinic, now=datetime.now(UTC))
        bridges: list[Bridge] = []

        def watch(session: AgentSession[Any]) -> Bridge:
            bridges.append(
                self.telemetry.watch(session, caller=(caller or phoning)(scenario), asks=scenario.consent is not None)
            )
            if before is not None:
                before(session, bridges[0])
            return bridges[0]

        ended = await play(
            scenario,
            settings=self.settings,
            clinic=self.clinic,
            clinic_name=CLINIC_NAME,
            now=lambda: datetime.now(UTC),
            watch=watch,
            pace=self.pace,
            on_event=on_event,
            tools=tools,
            before=held,
            simulated=self.simulator is not None,
        )
        trace_id = bridges[0].trace_id
        spans = await self._sealed(trace_id) if self._is_traced() else []
        wrong = await asyncio.to_thread(check_clinic, scenario, self.clinic, held)
        problems = [*wrong, *_problems(scenario, spans, ended, self.policy, traced=self._is_traced())]
        return Rehearsed(
            scenario=scenario, ended=ended, trace_id=trace_id, spans=spans, problems=problems, bridge=bridges[0]
        )

    async def _play_factory(
        self,
        scenario: Scenario,
        factory: Factory,
        *,
        on_event: OnEvent | None,
        before: Before | None,
        caller: Callable[[Scenario], Caller | None] | None,
    ) -> Rehearsed:
        from medagent.agent.factory import TRACED_BY  # noqa: PLC0415  # see above
        from medagent.simulator.agent_call import play_agent  # noqa: PLC0415  # the same

        check_for_agent(scenario)
        phones = (caller or phoning)(scenario)
        traced: list[tuple[AgentSession[Any], Bridge]] = []
        is_made = False

        def trace(
            session: AgentSession[Any],
            *,
            caller: Caller | None = None,
            declared: Mapping[str, object] | None = None,
        ) -> Bridge:
            """Trace as `trace_call` does; a session that is traced already keeps its bridge."""
            if (known := next((bridge for one, bridge in traced if one is session), None)) is not None:
                return known
            asks = scenario.consent is not None
            bridge = self.telemetry.watch(session, caller=caller or phones, asks=asks, declared=declared)
            traced.append((session, bridge))
            return bridge

        def watch(session: AgentSession[Any]) -> Bridge:
            nonlocal is_made
            is_made = any(one is session for one, _ in traced)
            bridge = trace(session)
            traced.sort(key=lambda entry: entry[0] is not session)
            if before is not None:
                before(session, bridge)
            return bridge

        token = TRACED_BY.set(trace)
        try:
            ended, requests = await play_agent(
                scenario,
                factory,
                settings=self.settings,
                watch=watch,
                phoning=phones,
                pace=self.pace,
                on_event=on_event,
            )
        finally:
            TRACED_BY.reset(token)
            for _, bridge in traced:
                bridge.end("error")  # counts only where nothing else ended the call
        bridge = traced[0][1]
        spans = await self._sealed(bridge.trace_id) if self._is_traced() else []
        problems = _problems(scenario, spans, ended, self.policy, traced=self._is_traced())
        if not requests.get("realtime") and not requests.get("llm"):
            problems.insert(
                0, f"{factory.text}: no request reached the simulator, expected ctx.realtime or ctx.llm in use"
            )
        return Rehearsed(
            scenario=scenario,
            ended=ended,
            trace_id=bridge.trace_id,
            spans=spans,
            problems=problems,
            bridge=bridge,
            notes=[f"{factory.text}: traced by its own trace_call, not traced a second time"] if is_made else [],
        )

    def _is_traced(self) -> bool:
        """Return whether a trace is to be expected."""
        return self.telemetry.switch.is_on()

    async def _sealed(self, trace_id: str) -> list[SafeSpan]:
        """The call's spans once its guardrail, the last of them, has arrived; what there is after a while."""
        store: Archive | None = None
        deadline = time.monotonic() + _SEALED_WITHIN_S
        spans: list[SafeSpan] = []
        try:
            while True:
                with suppress(TraceNotFoundError, ExportError):  # not there yet, or locked by those who write
                    if store is None:
                        store = await asyncio.to_thread(archive, self.settings)
                    spans = await asyncio.to_thread(store.spans, trace_id)
                if spans and spans[-1].name == "policy.guardrail":
                    return spans
                if time.monotonic() > deadline or not self._is_traced():
                    return spans
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            if store is not None:
                store.close()


@asynccontextmanager
async def stage(
    settings: Settings,
    scenarios: Sequence[str | Path],
    *,
    pace: float = 1.0,
    azure: bool = False,
    simulator: SimulatorProcess | None = None,
    factory: Factory | None = None,
) -> AsyncIterator[Stage]:
    """Set the stage: the demo clinic, telemetry, and a simulator that serves these scenarios, unless one is given.

    With `azure` the model is the one that the settings name. With a `factory` its agent answers, and there is no
    clinic; outcomes and rosters are those of its policy and of its `trace_call`.
    """
    clinic: Clinic | None = None
    if factory is None:
        clinic = Clinic.open(settings.clinic_url, country=settings.clinic_country)
        seed_demo(clinic)
        clinic.on_guessing(identity_check_alert(settings).reached)
        settings = settings.of_agent("receptionist", __version__)
        telemetry = Telemetry(settings, rosters=clinic.rosters(), outcomes=outcomes_of(TOOLS)).start()
    else:
        settings = settings.model_copy(update={"agent_path": factory.file})
        telemetry = Telemetry(settings).start()
    own = None if azure or simulator is not None else _simulator(settings, scenarios, pace)
    served = simulator or own
    try:
        if own is not None:
            await asyncio.to_thread(own.__enter__)
        if served is not None:
            model = {"azure_endpoint": served.endpoint, "azure_api_key": SecretStr("simulator")}
            settings = settings.model_copy(update=model)
        yield Stage(settings, clinic=clinic, telemetry=telemetry, simulator=served, pace=pace, factory=factory)
    finally:
        if own is not None:
            await asyncio.to_thread(own.__exit__, None, None, None)
        await asyncio.to_thread(telemetry.close)
        if clinic is not None:
            clinic.close()


def _simulator(settings: Settings, scenarios: Sequence[str | Path], pace: float) -> SimulatorProcess:
    return SimulatorProcess(scenarios, pace=pace, environment=settings.child_environment())


def phoning(scenario: Scenario) -> Caller:
    """The scenario's person on a SIP line, whose room and participant hold the number as LiveKit's do."""
    from medagent.agent.caller import Caller  # noqa: PLC0415  # livekit costs seconds; `--help` need not pay them

    number = scenario.person.get("phone")
    if number is None:
        return Caller(room=f"clinic_{secrets.token_hex(4)}")
    return Caller(room=f"clinic_{number}_{secrets.token_hex(4)}", participant=f"sip_{number}", number=number)


def found(scenario: Scenario, spans: Sequence[SafeSpan], in_force: Policy) -> list[str]:
    """Return which of the caller's identifiers are in what left: whole, as digits alone, or a part. No proof: a look.

    Parts (four digits in a row, three letters of a name) are looked for in what a person could have said: free texts
    and kept patterns. Redactor, admission and audit each have code of their own for this; nothing is shared.
    """
    left = json.dumps([span.document() for span in spans], ensure_ascii=False).casefold()
    said = [each for span in spans for each in _said(span, in_force)]
    names = []
    for field, value in scenario.person.items():
        digits = re.sub(r"\D", "", value)
        if value.casefold() in left or (len(digits) >= _SHORTEST_DIGITS and digits in left):
            names.append(field)
        elif any(_has_part(text, field, value, free=free) for text, free in said):
            names.append(f"a part of {field}")
    return names


def _said(span: SafeSpan, in_force: Policy) -> Iterator[tuple[str, bool]]:
    """Yield each text that a person could have said, in lower case, and whether it is a free text."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), span.fields)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [((*path, str(key)), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [((*path, place), inner) for place, inner in enumerate(value)]
        elif isinstance(value, str) and not PSEUDONYM_SHAPE.fullmatch(value):
            rule = in_force.rule_for(span.name, path)
            if rule is None or rule.free_text or is_sayable(rule.shape):
                yield value.casefold(), rule is not None and rule.free_text


def _has_part(text: str, field: str, value: str, *, free: bool) -> bool:
    """Tell whether four digits in a row are there; of a name three letters in a row, in a free text a whole word."""
    digits = re.sub(r"\D", "", value)
    rows = [digits]
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        year, month, day = value.split("-")
        rows += ["".join(row) for long in (year, year[2:]) for row in itertools.permutations((long, month, day))]
    joined = re.sub(r"[^a-z0-9]", "", text)
    pieces = {row[at : at + _PART_DIGITS] for row in rows for at in range(len(row) - _PART_DIGITS + 1)}
    if any(piece in joined for piece in pieces):
        return True
    words = re.findall(r"[^\W\d_]{3,}", value.casefold()) if field in _NAMES else []
    if free:
        return not set(words).isdisjoint(re.findall(r"[^\W\d_]+", text))
    return any(word[at : at + _PART_LETTERS] in joined for word in words for at in range(len(word) - _PART_LETTERS + 1))


def _problems(
    scenario: Scenario, spans: Sequence[SafeSpan], ended: str, in_force: Policy, *, traced: bool
) -> list[str]:
    """Return what is not as the scenario expects, or not as every call must be."""
    expects = scenario.expects
    problems = [] if ended == expects.ended else [f"the call ended so for the caller: {ended}, not {expects.ended}"]
    if not traced:
        return problems
    left = [span.name for span in spans]
    if any(_is_outside_the_sample(span) for span in spans):
        if left != _OUTSIDE_THE_SAMPLE:
            problems.append(f"outside the sample this is left: {', '.join(left)}")
        return problems
    if problem := _consent_problem(scenario, spans):
        problems.append(problem)
    if scenario.consent is not None and scenario.consent.answer == "refused":
        return problems if left == _AFTER_A_NO else [*problems, f"after a refusal this is left: {', '.join(left)}"]
    end = next((span.fields for span in spans if span.name == "session.end"), None)
    if end is None:
        return [*problems, "the trace has no session.end"]
    verify_chain(spans)
    for name, expected in (("outcome", expects.outcome), ("reason", expects.reason)):
        if expected is not None and end.get(name) != expected:
            problems.append(f"{name} is {end.get(name)}, not {expected}")
    missing = end.get("missing")
    if missing != list(expects.missing) or end.get("complete") is bool(expects.missing):
        problems.append(f"missing is {missing}, not {list(expects.missing)}")
    if leaked := found(scenario, spans, in_force):
        problems.append(f"found in what left: {', '.join(leaked)}")
    return problems


def _is_outside_the_sample(span: SafeSpan) -> bool:
    sampling = span.fields.get("sampling") if span.name == "policy.guardrail" else None
    return isinstance(sampling, Mapping) and sampling.get("sampled") is False


def _consent_problem(scenario: Scenario, spans: Sequence[SafeSpan]) -> str | None:
    """Return whether the guardrail tells the answer that the caller gave, and to which script."""
    if scenario.consent is None:
        return None
    guardrail = next((span.fields for span in spans if span.name == "policy.guardrail"), {})
    consent = guardrail.get("consent")
    told = consent if isinstance(consent, Mapping) else {}
    answer = (told.get("state"), told.get("script_version"))
    expected = (scenario.consent.answer, scenario.consent.script_version)
    return None if answer == expected else f"the consent is {answer[0]}, script {answer[1]}, not {expected[0]}"
