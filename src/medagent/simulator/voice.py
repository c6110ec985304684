"""Sound that stands for speech: PCM16, 24 kHz, mono, little-endian; vowels in the rhythm of syllables, no words.

LiveKit's voice activity detection (Silero) takes it for speech, so that an agent with a VAD hears the caller.
"""

from __future__ import annotations

from functools import cache

import numpy as np

SAMPLE_RATE = 24_000
BYTES_PER_MS = SAMPLE_RATE * 2 // 1000
WORDS_PER_SECOND = 2.6
_SYLLABLE_HZ = 4
_LOUDNESS = 12_000
_DEPTH = 0.65
_SWING = 0.25
_HIGHEST_HZ = 4_000
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480), (570, 840, 2410))
"""Formants in Hz of the vowels in "father", "see", "bed" and "law"."""
_WIDTHS = (90, 110, 160)


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
    """Four syllables whose pitch rises and falls, loud at both ends; each window of 20 ms is louder than -29 dBFS."""
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    turn = 2 * np.pi * t
    phase = pitch_hz * (turn - _SWING * (np.cos(turn) - 1))  # after one second a whole number of turns
    sound = np.zeros(SAMPLE_RATE)
    spoken = np.floor(t * _SYLLABLE_HZ + 0.5).astype(int) % len(_VOWELS)
    for vowel, formants in enumerate(_VOWELS):
        here = spoken == vowel
        for harmonic in range(1, int(_HIGHEST_HZ // pitch_hz)):
            away = [(pitch_hz * harmonic - centre) / width for centre, width in zip(formants, _WIDTHS, strict=True)]
            loud = sum(1 / (1 + distance**2) for distance in away)
            sound[here] += loud / harmonic**0.5 * np.sin(harmonic * phase[here])
        sound[here] /= np.abs(sound[here]).max()
    syllables = 1 - _DEPTH * (0.5 - 0.5 * np.cos(_SYLLABLE_HZ * turn))
    return bytes((_LOUDNESS * sound * syllables).astype("<i2").tobytes())
