"""Where speech begins and ends in the audio that arrived: energy in windows of 20 ms, in the audio's own clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medagent.simulator.voice import BYTES_PER_MS

WINDOW_MS = 20
_WINDOW_BYTES = WINDOW_MS * BYTES_PER_MS
_FLOOR_DBFS = 60.0
_SEMANTIC_SILENCE_MS = {"low": 1_000, "medium": 600, "auto": 600, "high": 300}


@dataclass(frozen=True, slots=True, kw_only=True)
class VadOptions:
    """A threshold on `activity` (0 to 1), and durations in milliseconds of audio."""

    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    create_response: bool
    interrupt_response: bool

    @classmethod
    def from_turn_detection(cls, detection: dict[str, object] | None) -> VadOptions | None:
        """Read a complete `turn_detection` of a session; None where the client takes the turns itself."""
        if detection is None:
            return None
        answers = {name: bool(detection[name]) for name in ("create_response", "interrupt_response")}
        if detection["type"] == "semantic_vad":
            silence_ms = _SEMANTIC_SILENCE_MS[str(detection["eagerness"])]
            return cls(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=silence_ms, **answers)
        return cls(
            threshold=float(str(detection["threshold"])),
            prefix_padding_ms=int(str(detection["prefix_padding_ms"])),
            silence_duration_ms=int(str(detection["silence_duration_ms"])),
            **answers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The turn's audio begins here, the padding before the speech included."""

    audio_start_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    """The turn's audio ends here, the silence that proved it included."""

    audio_end_ms: int


def activity(window: bytes) -> float:
    """How loud a window of PCM16 is: 0 at -60 dBFS and below, 1 at full scale, linear in decibels between."""
    level = float(np.sqrt(np.mean(np.square(np.frombuffer(window, dtype="<i2").astype(np.float64))))) / 32_768
    return max(0.0, 1 + 20 * float(np.log10(level)) / _FLOOR_DBFS) if level > 0 else 0.0


class SpeechDetector:
    """Counts audio from the session's first sample; what is fed in any pieces gives the same edges."""

    def __init__(self, options: VadOptions | None) -> None:
        self.options = options
        self.received_ms = 0
        self.turn_start_ms = 0
        self._partial = b""
        self._speaking = False
        self._silent_ms = 0

    def feed(self, pcm: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Take in PCM16 and give the edges found in it, in order."""
        pcm = self._partial + pcm
        whole = len(pcm) - len(pcm) % _WINDOW_BYTES
        self._partial = pcm[whole:]
        found = (self._window(pcm[at : at + _WINDOW_BYTES]) for at in range(0, whole, _WINDOW_BYTES))
        return [edge for edge in found if edge is not None]

    def take_turn(self) -> float:
        """End the turn here: the seconds of audio that it holds; what comes belongs to the next."""
        held_ms = self.buffered_ms
        self.turn_start_ms = self.received_ms
        self._partial = b""
        self._speaking = False
        return held_ms / 1000

    @property
    def is_speaking(self) -> bool:
        """Whether speech has begun and not stopped."""
        return self._speaking

    @property
    def buffered_ms(self) -> int:
        """The audio since the turn's start."""
        return self.received_ms + len(self._partial) // BYTES_PER_MS - self.turn_start_ms

    def _window(self, window: bytes) -> SpeechStarted | SpeechStopped | None:
        start_ms = self.received_ms
        self.received_ms += WINDOW_MS
        if self.options is None:
            return None
        if activity(window) >= self.options.threshold:
            self._silent_ms = 0
            if self._speaking:
                return None
            self._speaking = True
            self.turn_start_ms = max(self.turn_start_ms, start_ms - self.options.prefix_padding_ms)
            return SpeechStarted(audio_start_ms=self.turn_start_ms)
        self._silent_ms += WINDOW_MS
        if self._speaking and self._silent_ms >= self.options.silence_duration_ms:
            self._speaking = False
            return SpeechStopped(audio_end_ms=self.received_ms)
        return None
