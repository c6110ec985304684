"""The call that a request or a connection belongs to: a new one by its deployment, or the one that a client resumes."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from medagent.simulator.scenario import Scenario
from medagent.simulator.script import Heard, Script, Speech, text_of
from medagent.simulator.template import today_in

Part: TypeAlias = Literal["realtime", "stt", "llm", "tts"]


class Call:
    """One call as its stand-ins share it; `is_shared` where all calls of a client have one address.

    A realtime model follows its own script. Of a pipeline the transcriber counts the caller's utterances, and the
    language model reads from each chat where the call is.
    """

    def __init__(self, scenario: Scenario, *, given: Sequence[Mapping[str, str]] = (), is_shared: bool = False) -> None:
        self.scenario = scenario
        self.script = Script(scenario, given=given)
        self.requests: Counter[Part] = Counter()
        self.prompt = ""
        """What the language model read last, of which it may have kept the beginning."""
        self._given = given
        self._is_shared = is_shared
        self._failed: set[str] = set()
        self._struck: set[tuple[int, int]] = set()
        self._ears = Script(scenario, given=given)
        self._heard = 0
        self._speech: Speech | None = None
        self.script.failed = self._failed

    def hear(self) -> Heard:
        """The transcriber's next line; at a shared address the first one again where a call has said all."""
        if self._is_shared and self._heard >= len(self.scenario.lines):
            self.begin()
        self._heard += 1
        return self._ears.hear()

    def begin(self) -> None:
        """A new call at a shared address: the transcriber begins anew."""
        self._ears, self._heard = Script(self.scenario, given=self._given), 0

    def at(self, messages: Sequence[Mapping[str, Any]]) -> Script:
        """Return the script where a chat ends."""
        if self._is_shared and not any(message.get("role") in ("user", "assistant") for message in messages):
            self.begin()
        script = Script(self.scenario, given=self._given, struck=self._struck)
        script.failed = self._failed
        told = [text_of(message) for message in messages if message.get("role") in ("system", "developer")]
        script.today = today_in("\n".join(told))
        script.replay(messages)
        return script

    def failed(self, call_ids: Sequence[str]) -> None:
        """Remember tool calls that failed, whatever their results say."""
        self._failed.update(call_ids)

    def said(self, speech: Speech) -> None:
        """Remember what the language model says, whose length the scenario may give."""
        self._speech = speech

    def speed_of(self, text: str) -> float:
        """Return how many times as long as usual the scenario has this text last."""
        speech = self._speech
        return 1.0 if speech is None or text.strip() not in speech.text else speech.stretch


class Switchboard:
    """The scenarios of one server, and the calls that it has had."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self._scenarios = {scenario.name: scenario for scenario in scenarios}
        self._first = scenarios[0]
        self._expected: dict[str, Call] = {}
        self._shared: dict[str, Call] = {}
        self._calls: dict[str, Script] = {}

    def expect(self, scenario: str, given: Sequence[Mapping[str, str]]) -> str:
        """Prepare for a call of this scenario with what was before it: the deployment that leads there.

        Raises `KeyError` where there is no such scenario.
        """
        deployment = f"{scenario}~{secrets.token_hex(4)}"
        self._expected[deployment] = Call(self._scenarios[scenario], given=given)
        return deployment

    def expected(self, deployment: str) -> Call:
        """Return the call that was expected under this deployment; raises `KeyError` where none was."""
        return self._expected[deployment]

    def realtime(self, deployment: str) -> Call:
        """The call of a realtime connection: expected, or a new one of the scenario of that name, or of the first."""
        expected = self._expected.get(deployment)
        return expected or Call(self._scenarios.get(deployment, self._first))

    def pipeline(self, deployment: str) -> Call:
        """The call of a pipeline's request: expected, or the shared one of that scenario, or of the first."""
        if (expected := self._expected.get(deployment)) is not None:
            return expected
        scenario = self._scenarios.get(deployment, self._first)
        return self._shared.setdefault(scenario.name, Call(scenario, is_shared=True))

    def remember(self, item_id: str, script: Script) -> None:
        """An id of ours names its call from now on."""
        self._calls[item_id] = script

    def resumed(self, item_id: str) -> Script | None:
        """The script of the call in which this id was given, for a client that replays it on a new connection."""
        return self._calls.get(item_id)
