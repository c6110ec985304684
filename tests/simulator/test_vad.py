from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medagent.simulator.vad import SpeechDetector, SpeechStarted, SpeechStopped, VadOptions
from medagent.simulator.voice import voice


def _options(*, threshold: float = 0.5, silence_ms: int = 500, prefix_ms: int = 300) -> VadOptions:
    return VadOptions(
        threshold=threshold,
        prefix_padding_ms=prefix_ms,
        silence_duration_ms=silence_ms,
        create_response=True,
        interrupt_response=True,
    )


def _silence(seconds: float) -> bytes:
    return bytes(round(seconds * 24_000) * 2)


def _noise(seconds: float, *, loudness: int) -> bytes:
    chance = np.random.default_rng(3)
    return bytes(chance.normal(0, loudness, round(seconds * 24_000)).astype("<i2").tobytes())


def _edges(pcm: bytes, options: VadOptions) -> list[SpeechStarted | SpeechStopped]:
    return SpeechDetector(options).feed(pcm)


def test_edges_are_where_the_protocol_puts_them() -> None:
    """The start includes the padding before the speech, the end the silence after it."""
    pcm = _silence(1.0) + voice(2.0, pitch_hz=130) + _silence(1.0)
    assert _edges(pcm, _options()) == [SpeechStarted(audio_start_ms=700), SpeechStopped(audio_end_ms=3500)]


def test_quiet_noise_is_not_speech() -> None:
    """What is below the threshold starts nothing, and starts a turn once the threshold is below it."""
    hiss = _noise(2.0, loudness=200)
    assert _edges(hiss, _options()) == []
    assert _edges(hiss, _options(threshold=0.2)) != []


def test_the_silence_that_ends_a_turn_is_the_configured_one() -> None:
    """A pause that is shorter than the configured silence does not end the turn."""
    pcm = voice(1.0, pitch_hz=130) + _silence(0.4) + voice(1.0, pitch_hz=130) + _silence(0.7)
    assert _edges(pcm, _options(silence_ms=500))[-1] == SpeechStopped(audio_end_ms=2900)
    assert _edges(pcm, _options(silence_ms=200))[1] == SpeechStopped(audio_end_ms=1200)


@given(
    before=st.integers(0, 100),
    spoken=st.integers(1, 100),
    after=st.integers(0, 60),
    cuts=st.lists(st.integers(1, 4000), max_size=30),
)
def test_how_audio_is_cut_changes_nothing(before: int, spoken: int, after: int, cuts: list[int]) -> None:
    """The same audio in any pieces gives the same edges."""
    pcm = _silence(before / 50) + voice(spoken / 50, pitch_hz=130) + _silence(after / 50)
    detector, found, at = SpeechDetector(_options()), [], 0
    for cut in cuts:
        found += detector.feed(pcm[at : at + cut])
        at += cut
    found += detector.feed(pcm[at:])
    assert found == _edges(pcm, _options())


def test_silence_in_gives_nothing() -> None:
    """However long the silence, no edge comes of it."""
    assert _edges(_silence(30.0), _options()) == []
