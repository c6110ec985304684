"""The person on the phone: hears the agent's audio and nothing else, speaks their lines, hangs up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from livekit import rtc
from livekit.agents.voice.io import AudioInput, AudioOutput, AudioOutputCapabilities

from medagent.simulator.scenario import Scenario
from medagent.simulator.steps import Ended, Line, seconds_of
from medagent.simulator.template import resolve
from medagent.simulator.voice import SAMPLE_RATE, voice

CallerEvent = Literal["caller_speaks", "caller_stops", "agent_audio_starts", "agent_audio_stops", "hangs_up"]
OnEvent: TypeAlias = Callable[[CallerEvent, str], None]

_FRAME_S = 0.02
_FRAME_SAMPLES = round(SAMPLE_RATE * _FRAME_S)
_PITCH_HZ = 130
_GOODBYE_S = 0.25
_QUIET_S = 0.6
_QUIET_WALL_S = 0.1
_HANGS_UP_WALL_S = 1.0
_LISTENS_S = 0.005


class CallerVoice(AudioInput):
    """The caller's microphone: a frame of 20 ms for every 20 ms of the call, without drift; silence between lines."""

    def __init__(self, *, pace: float) -> None:
        super().__init__(label="CallerVoice")
        self._frame_wall_s = _FRAME_S / pace
        self._started: float | None = None
        self._frames = 0
        self._spoken = 0
        self._to_speak = 0
        self._said: asyncio.Future[None] | None = None
        self._closed = False

    async def __anext__(self) -> rtc.AudioFrame:
        """The next frame, when its time has come; ends once the caller has hung up."""
        now = asyncio.get_running_loop().time()
        self._started = now if self._started is None else self._started
        self._frames += 1
        await asyncio.sleep(max(0.0, self._started + self._frames * self._frame_wall_s - now))
        if self._closed:
            raise StopAsyncIteration
        data = bytes(_FRAME_SAMPLES * 2)
        if self._spoken < self._to_speak:
            data = voice(_FRAME_S, pitch_hz=_PITCH_HZ, offset=self._spoken * _FRAME_SAMPLES)
            self._spoken += 1
        elif self._said is not None and not self._said.done():
            self._said.set_result(None)
        return rtc.AudioFrame(data, SAMPLE_RATE, 1, _FRAME_SAMPLES)

    async def say(self, seconds: float) -> None:
        """Speak for so many seconds of the call; returns when the last frame is out."""
        self._spoken, self._to_speak = 0, max(1, round(seconds / _FRAME_S))
        self._said = asyncio.get_running_loop().create_future()
        await self._said

    def close(self) -> None:
        """End the stream."""
        self._closed = True


class CallerEar(AudioOutput):
    """The caller's earpiece: plays what it is given in its duration / pace; times are the event loop's seconds."""

    def __init__(self, *, pace: float, on_change: Callable[[bool], None]) -> None:
        super().__init__(label="CallerEar", capabilities=AudioOutputCapabilities(pause=False), sample_rate=SAMPLE_RATE)
        self._pace = pace
        self._on_change = on_change
        self._pushed_s = 0.0
        self._dry_at = 0.0
        self._finish: asyncio.TimerHandle | None = None
        self.heard_s = 0.0

    @property
    def heard_so_far_s(self) -> float:
        """All that was heard until now, what is playing included; seconds at pace 1."""
        left_s = max(0.0, self._dry_at - asyncio.get_running_loop().time()) * self._pace
        return self.heard_s + max(0.0, self._pushed_s - left_s)

    @property
    def is_playing(self) -> bool:
        """Whether a segment has begun and is not over, be it that the next audio is late."""
        return self._pushed_s > 0

    @property
    def dry_at(self) -> float:
        """When the audio that has come so far is, or was, played."""
        return self._dry_at

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Queue a frame behind what is still to be played."""
        await super().capture_frame(frame)
        now = asyncio.get_running_loop().time()
        if not self.is_playing:
            self._dry_at = now
            self.on_playback_started(created_at=time.time())
            self._on_change(True)
        self._dry_at = max(now, self._dry_at) + frame.duration / self._pace
        self._pushed_s += frame.duration

    def flush(self) -> None:
        """The segment is complete: it is over when its audio is played."""
        super().flush()
        if self.is_playing and self._finish is None:
            self._finish = asyncio.get_running_loop().call_at(self._dry_at, self._over, False)

    def clear_buffer(self) -> None:
        """Stop at once; the segment is over, interrupted at the audio played so far."""
        super().flush()
        if self.is_playing:
            self._over(True)

    def _over(self, interrupted: bool) -> None:
        if self._finish is not None:
            self._finish.cancel()
            self._finish = None
        now = asyncio.get_running_loop().time()
        left_s = max(0.0, self._dry_at - now) * self._pace if interrupted else 0.0
        played_s = max(0.0, self._pushed_s - left_s)
        self._dry_at = min(now, self._dry_at)
        self._pushed_s = 0.0
        self.heard_s += played_s
        self.on_playback_finished(playback_position=played_s, interrupted=interrupted)
        self._on_change(False)


class Caller:
    """A scripted person: says each line when its moment has come, and hangs up at the end, or when they have enough.

    Give `input` and `output` to a session, then `run()`. `on_event(kind, detail)` is called as things happen; detail is
    the line that is spoken, or how the call ended. `given` is what can be said of the appointments that stood before.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        given: Sequence[Mapping[str, str]] = (),
        pace: float = 1.0,
        on_event: OnEvent | None = None,
    ) -> None:
        self._scenario = scenario
        self._results = {"given": list(given)}
        self._pace = pace
        self._on_event = on_event or (lambda _kind, _detail: None)
        self._changed = asyncio.Event()
        self.input = CallerVoice(pace=pace)
        self.output = CallerEar(pace=pace, on_change=self._agent_changed)

    async def run(self) -> Ended:
        """Hold the call; says how it ended."""
        end: Ended = "gave up"
        try:
            for turn, line in self._scenario.lines:
                if not await self._moment_has_come(line, is_first=turn == 0):
                    return end
                await asyncio.sleep(line.pause_s / self._pace)
                text = str(resolve(line.says, person=self._scenario.person, results=self._results))
                self._on_event("caller_speaks", text)
                await self.input.say(seconds_of(line, text))
                self._on_event("caller_stops", "")
            if self._scenario.hangs_up_after_s is not None:
                await asyncio.sleep(max(self._scenario.hangs_up_after_s / self._pace, _HANGS_UP_WALL_S))
                end = "hung up"
            elif await self._agent_has_answered(_GOODBYE_S):
                end = "done"
        except asyncio.CancelledError:
            end = "cut off"
            raise
        finally:
            self._on_event("hangs_up", end)
            self.input.close()
        return end

    async def _moment_has_come(self, line: Line, *, is_first: bool) -> bool:
        if line.barge_in_after_s is not None:
            return await self._agent_has_said(line.barge_in_after_s)
        needed_s = 0.0 if is_first else line.after_agent_s
        if line.after_silence_s is not None:
            await self._agent_has_answered(needed_s, silence_s=line.after_silence_s / self._pace)
            return True
        return await self._agent_has_answered(needed_s)

    async def _agent_has_said(self, needed_s: float) -> bool:
        """Wait until so much more of the agent was heard, be it still speaking; False when the patience is over."""
        loop = asyncio.get_running_loop()
        began, before = loop.time(), self.output.heard_so_far_s
        while self.output.heard_so_far_s - before < needed_s:
            if loop.time() - max(began, self.output.dry_at) > self._scenario.patience_at(self._pace):
                return False
            await asyncio.sleep(_LISTENS_S)
        return True

    async def _agent_has_answered(self, needed_s: float, *, silence_s: float | None = None) -> bool:
        """Wait until the agent was heard for so long and is quiet; False when it is silent too long (wall seconds)."""
        loop = asyncio.get_running_loop()
        began, heard_before = loop.time(), self.output.heard_s
        bears_s = self._scenario.patience_at(self._pace) if silence_s is None else silence_s
        quiet_s = max(_QUIET_S / self._pace, _QUIET_WALL_S)
        while True:
            self._changed.clear()
            last_sound = max(began, self.output.dry_at)
            answered = not self.output.is_playing and self.output.heard_s - heard_before >= needed_s
            until = last_sound + (quiet_s if answered else bears_s)
            if loop.time() >= until:
                return answered
            try:
                async with asyncio.timeout_at(until):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _agent_changed(self, playing: bool) -> None:
        self._on_event("agent_audio_starts" if playing else "agent_audio_stops", "")
        self._changed.set()
