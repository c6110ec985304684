"""Sound that stands for speech: PCM16, 24 kHz, mono, little-endian; a tone with the rhythm of syllables, no words."""

from __future__ import annotations

from functools import cache

import numpy as np

SAMPLE_RATE = 24_000
BYTES_PER_MS = SAMPLE_RATE * 2 // 1000
WORDS_PER_SECOND = 2.6
_SYLLABLE_HZ = 4
_LOUDNESS = 7_000


def speech_seconds(text: str) -> float:
    """How long a person takes to say the text, in seconds."""
    return max(0.3, len(text.split()) / WORDS_PER_SECOND)


def samples(seconds: float) -> int:
    """How many samples the seconds hold."""
    return round(seconds * SAMPLE_RATE)


def voice(seconds: float, *, pitch_hz: int, offset: int = 0) -> bytes:
    """Speech-like sound from `offset` samples into an endless utterance, so that pieces join without a click."""
    loop = _one_second(pitch_hz)
    count = samples(seconds)
    start = offset % SAMPLE_RATE
    repeats = (start + count) // SAMPLE_RATE + 1
    return (loop * repeats)[start * 2 : (start + count) * 2]


@cache
def _one_second(pitch_hz: int) -> bytes:
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = sum(np.sin(2 * np.pi * pitch_hz * harmonic * t) / harmonic for harmonic in (1, 2, 3))
    syllables = 0.7 + 0.3 * np.cos(2 * np.pi * _SYLLABLE_HZ * t)
    return bytes((_LOUDNESS * tone * syllables / 1.83).astype("<i2").tobytes())
