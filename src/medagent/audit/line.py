"""The system under audit, in a process of its own: `python -m medagent.audit.line`, told what to play on its stdin.

Nothing planted is in its arguments or its environment. What it measured of itself – counts, times, ids – leaves
through one pipe, a JSON object a line, which the auditor reads again like everything else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from livekit.agents.testing import fake_job_context
from pydantic import BaseModel, ConfigDict

from medagent.agent.bridge import Bridge
from medagent.agent.clinic_agent import azure_model
from medagent.agent.limit import CallLimit
from medagent.agent.local import answer
from medagent.audit.agent_subject import AgentSubject
from medagent.audit.casting import Role
from medagent.audit.host import AuditedAgent, House, MarkedVoice, line_texts, log_lines, room_of
from medagent.audit.measure import Spent, percentiles
from medagent.audit.offers import Offers
from medagent.audit.planted import plant
from medagent.audit.safeguards import idle
from medagent.audit.their_agent import AgentDone, TheirAgent
from medagent.audit.watching import Touched
from medagent.clinic import Clinic, seed_demo
from medagent.clinic.demo import CLINIC_NAME
from medagent.outcomes import outcomes_of
from medagent.pricing import load_prices
from medagent.runtime.host import policy, redactor
from medagent.runtime.telemetry import Telemetry
from medagent.settings import Settings, load_settings
from medagent.simulator.appointments import Before, prepare
from medagent.simulator.caller import Caller
from medagent.simulator.network_guard import NetworkGuard
from medagent.simulator.play import expect_call
from medagent.telemetry.overhead import Spent as Cost
from medagent.tools import TOOLS

_TICK_S = 0.01
_DELIVERY_S = 60.0
_SHORT_AT_ONCE = 3


class Spec(BaseModel):
    """What to play: settings by their variables' names, roles, the seed of what is planted, the pipe to report to."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    settings: dict[str, str]
    roles: tuple[Role, ...]
    pace: float
    seed: int
    calls: int
    per_kind: int
    day: date
    deleted: Path
    """Where the process keeps what it deletes."""
    report_fd: int
    agent: AgentSubject | None = None
    """Somebody's agent; None is the packaged receptionist."""


class CallDone(BaseModel):
    """One call as its own side saw it: seconds of wall time, how it ended for the caller."""

    name: str
    number: int
    is_long: bool
    trace_id: str
    ended: str
    expected: str
    began_at: float
    seconds: float
    error: str | None


class Done(BaseModel):
    """What the process measured of itself; times in the unit of their names."""

    calls: tuple[CallDone, ...]
    thread: Spent
    wall: Spent
    loop_lag_ms: Spent
    events: int
    events_lost: int
    spans_lost: int
    spans_suppressed: int
    failures: int
    offers: dict[str, dict[str, int]]
    refusals: dict[str, int]
    lacking: tuple[str, ...]
    idle: tuple[str, ...]
    """Safeguards that, shown what they alone must stop, did not."""
    written: tuple[str, ...]
    lost: tuple[str, ...]
    """What it wrote and deleted, and could not be kept to be read."""
    addresses: tuple[str, ...]
    started: tuple[str, ...]
    agent: AgentDone | None = None
    off_after: float | None
    """When this process saw its switch go off, in Unix seconds; None where it did not."""


class _Line:
    """All calls of this process and what they are on."""

    def __init__(
        self,
        spec: Spec,
        settings: Settings,
        telemetry: Telemetry,
        clinic: Clinic,
        offers: Offers,
        *,
        theirs: TheirAgent | None,
    ) -> None:
        self._spec = spec
        self._settings = settings
        self._telemetry = telemetry
        self._clinic = clinic
        self._offers = offers
        self._theirs = theirs
        self._report = os.fdopen(spec.report_fd, "w", buffering=1, encoding="utf-8")
        self._booking = asyncio.Lock()
        self.lag_ms: list[float] = []
        self.off_after: float | None = None

    def say(self, **about: Any) -> None:
        """One line for the auditor."""
        self._report.write(json.dumps(about) + "\n")

    async def play(self) -> list[CallDone]:
        """The long calls side by side, the short ones beside them a few at a time; ends when all have ended."""
        ticking = [asyncio.create_task(self._tick()), asyncio.create_task(self._see_the_switch())]
        gate = asyncio.Semaphore(_SHORT_AT_ONCE)

        async def one(role: Role) -> CallDone:
            if role.is_long:
                return await self._ring(role)
            async with gate:
                return await self._ring(role)

        done = await asyncio.gather(*(one(role) for role in self._spec.roles))
        for task in ticking:
            task.cancel()
        await asyncio.gather(*ticking, return_exceptions=True)
        return list(done)

    async def _tick(self) -> None:
        """Return how late the loop is, looked at every 10 ms."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self.lag_ms.append(max(0.0, (loop.time() - due) * 1000))

    async def _see_the_switch(self) -> None:
        while self._telemetry.switch.is_on():  # noqa: ASYNC110  # another process throws it: there is no event
            await asyncio.sleep(_TICK_S * 2)
        self.off_after = time.time()
        self.say(kind="off", at=self.off_after)

    async def _ring(self, role: Role) -> CallDone:
        """Play one call; whatever breaks in it is named by its class and ends this call only."""
        traced: list[Bridge] = []
        began, began_at = time.monotonic(), time.time()
        ended, error = "cut off", None
        with fake_job_context(room=room_of(role), job_id=f"AJ_{role.participant}", job_metadata=role.job_metadata):
            try:
                ended = await self._talk(role, traced)
            except Exception as broken:  # noqa: BLE001  # it is the audit's finding, not its end; no message: it may quote
                error = type(broken).__name__
        self.say(kind="ended", call=role.scenario.name, ended=ended)
        return CallDone(
            name=role.scenario.name,
            number=role.number,
            is_long=role.is_long,
            trace_id=traced[0].trace_id if traced else "",
            ended=ended,
            expected=role.scenario.expects.ended,
            began_at=began_at,
            seconds=time.monotonic() - began,
            error=error,
        )

    async def _talk(self, role: Role, traced: list[Bridge]) -> str:
        spec, settings, scenario = self._spec, self._settings, role.scenario
        for text in line_texts(role):
            self._offers.met(role.number, "line", text)

        def met(where: str, text: str) -> None:
            if where in ("speech", "log", "error"):  # arguments and results are seen where they become records
                self._offers.met(role.number, where, text)

        spoken = 0

        def heard(event: str, detail: str) -> None:
            nonlocal spoken
            if event == "caller_speaks":
                spoken += 1
                met("speech", detail)
                self.say(kind="turn", call=scenario.name, turn=spoken, turns=len(scenario.lines))

        def watch(session: Any, **about: Any) -> Bridge:
            bridge = self._telemetry.watch(session, asks=scenario.consent is not None, **about)
            if all(one is not bridge for one in traced):
                traced.append(bridge)
            return bridge

        held = Before()
        if self._theirs is None:
            async with self._booking:  # two receptionists who give out the first free slot give out the same
                held = await asyncio.to_thread(prepare, scenario, self._clinic, now=datetime.now(UTC))
        deployment = await expect_call(settings, scenario, held)
        caller = Caller(scenario, given=held.facts, pace=spec.pace, on_event=heard)
        ended = "cut off"

        async def talk() -> None:
            nonlocal ended
            ended = await caller.run()

        seconds = scenario_seconds(role, spec.pace)
        logging_ = asyncio.create_task(log_lines(role, met, every_s=seconds / max(1, len(role.log_texts))))
        mark = bytes.fromhex(role.voice_mark)
        voice = MarkedVoice(caller.input, mark, lambda: self._offers.marked(role.number))
        if self._theirs is not None:
            try:
                await self._theirs.answer(
                    role,
                    str(settings.azure_endpoint),
                    deployment,
                    trace=self._traced_once(watch),
                    audio_in=voice,
                    audio_out=caller.output,
                    caller=talk,
                    met=met,
                )
            finally:
                logging_.cancel()
            return ended
        agent = AuditedAgent(
            self._clinic,
            House(role, met),
            met,
            name=CLINIC_NAME,
            now=lambda: datetime.now(UTC),
            consent=scenario.consent_script,
        )
        try:
            await answer(
                agent,
                model=azure_model(settings.model_copy(update={"azure_deployment": deployment})),
                watch=agent.seen_by(watch),
                audio_in=voice,
                audio_out=caller.output,
                caller=talk,
                limit=CallLimit.of(settings),
                prices=load_prices(settings.pricing_path),
                model_name=settings.model,
            )
        finally:
            logging_.cancel()
        return ended

    @staticmethod
    def _traced_once(watch: Callable[..., Bridge]) -> Callable[..., Bridge]:
        """Trace each session once: a factory may have called `trace_call` itself."""
        known: list[tuple[Any, Bridge]] = []

        def trace(session: Any, *, caller: Any = None, declared: Any = None) -> Bridge:
            for one, bridge in known:
                if one is session:
                    return bridge
            known.append((session, watch(session, caller=caller, declared=declared)))
            return known[-1][1]

        return trace


def scenario_seconds(role: Role, pace: float) -> float:
    """About how long a call's log lines are spread over, in wall seconds."""
    return (200.0 if role.is_long else 10.0) / pace


def _spent(cost: Cost, count: int) -> Spent:
    return Spent(
        count=count,
        p50=cost.p50_us or 0.0,
        p95=cost.p95_us or 0.0,
        p99=cost.p99_us or 0.0,
        max=cost.max_us or 0.0,
        buckets=cost.buckets,
    )


def _done(line: _Line, calls: Sequence[CallDone], telemetry: Telemetry, offers: Offers, touched: Touched) -> Done:
    total, counts = telemetry.overhead.total(), telemetry.pipeline.counts
    return Done(
        calls=tuple(calls),
        thread=_spent(total.thread, total.count),
        wall=_spent(total.wall, total.count),
        loop_lag_ms=percentiles(line.lag_ms),
        events=counts.events,
        events_lost=counts.events_lost,
        spans_lost=counts.spans_lost,
        spans_suppressed=counts.spans_suppressed,
        failures=counts.failures,
        offers=offers.counts(),
        refusals=dict(offers.refusals),
        lacking=(),
        idle=(),
        written=tuple(sorted(touched.written)),
        lost=tuple(sorted(touched.lost)),
        addresses=tuple(sorted(touched.addresses)),
        started=tuple(sorted(touched.started)),
        off_after=line.off_after,
    )


def main() -> int:
    """Read the spec, play, deliver, say what was measured; an agent of somebody else's reaches no other host."""
    spec = Spec.model_validate_json(sys.stdin.buffer.read())
    touched = Touched(spec.deleted)
    sys.addaudithook(touched.hook)
    guard = NetworkGuard()
    with nullcontext() if spec.agent is None else guard:
        return _played(spec, touched, guard)


def _played(spec: Spec, touched: Touched, guard: NetworkGuard) -> int:
    settings = load_settings(**spec.settings)
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    planted = plant(seed=spec.seed, calls=spec.calls, per_kind=spec.per_kind, day=spec.day)
    clinic = Clinic.open(settings.clinic_url, country=settings.clinic_country)
    seed_demo(clinic)
    theirs = None if spec.agent is None else TheirAgent(spec.agent, planted, calls=spec.calls)
    rosters = clinic.rosters() if theirs is None else {}
    not_stopped = idle(settings, redactor(settings, rosters))
    offers = Offers(planted, policy(settings), paths={} if theirs is None else theirs.paths)
    offers.watch()
    telemetry = Telemetry(settings, rosters=rosters, outcomes=outcomes_of(TOOLS) if theirs is None else None).start()
    line = _Line(spec, settings, telemetry, clinic, offers, theirs=theirs)
    line.say(kind="started", pid=os.getpid(), home=str(Path(settings.home)))
    calls = asyncio.run(line.play())
    lacking = telemetry.flush(_DELIVERY_S)  # where the switch is off it waits for no destination
    line.say(kind="delivered", lacking=list(lacking))
    telemetry.close()
    clinic.close()
    done = _done(line, calls, telemetry, offers, touched).model_copy(
        update={
            "lacking": tuple(lacking),
            "idle": not_stopped,
            "agent": None if theirs is None else theirs.done(offers.fields(), guard.refused),
        }
    )
    line.say(kind="done", done=done.model_dump(mode="json"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
