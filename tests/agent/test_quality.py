"""The media connection's statistics, read from WebRTC's own records."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from bench.line import ring
from livekit import rtc
from livekit.agents import AgentSession
from livekit.rtc._proto import stats_pb2

from medagent.agent.bridge import Bridge
from medagent.agent.quality import Quality, read_quality, sample_quality
from work import calls_of

pytestmark = pytest.mark.timing


def inbound(*, lost: int, received: int, jitter_s: float, kind: str = "audio") -> stats_pb2.RtcStats:
    return stats_pb2.RtcStats(
        inbound_rtp=stats_pb2.RtcStats.InboundRtp(
            stream=stats_pb2.RtpStreamStats(kind=kind),
            received=stats_pb2.ReceivedRtpStreamStats(packets_lost=lost, packets_received=received, jitter=jitter_s),
        )
    )


def pair(*, rtt_s: float, nominated: bool) -> stats_pb2.RtcStats:
    described = stats_pb2.CandidatePairStats(current_round_trip_time=rtt_s, nominated=nominated)
    return stats_pb2.RtcStats(candidate_pair=stats_pb2.RtcStats.CandidatePair(candidate_pair=described))


def stats(*each: stats_pb2.RtcStats) -> rtc.RtcStats:
    return rtc.RtcStats(publisher_stats=[], subscriber_stats=list(each))


def test_round_trip_jitter_and_loss_are_read() -> None:
    """Seconds become milliseconds, loss is a share, only the path in use and the audio count."""
    quality = read_quality(
        stats(
            pair(rtt_s=0.042, nominated=True),
            pair(rtt_s=9.0, nominated=False),
            inbound(lost=3, received=297, jitter_s=0.004),
            inbound(lost=500, received=500, jitter_s=1.0, kind="video"),
        )
    )
    assert quality == Quality(rtt_ms=42.0, jitter_ms=4.0, packet_loss=0.01)


def test_what_is_not_said_is_null() -> None:
    """No statistics are unknown, not zero; a negative loss, which WebRTC can report, is none."""
    assert read_quality(stats()) == Quality(rtt_ms=None, jitter_ms=None, packet_loss=None)
    assert read_quality(stats(inbound(lost=-4, received=10, jitter_s=0.0))).packet_loss == 0.0


async def test_a_look_that_fails_is_left_out() -> None:
    """A room that is not connected refuses to tell; the sampler goes on and tells nothing."""
    told: list[Quality] = []
    task = asyncio.create_task(sample_quality(rtc.Room(), told.append, every_s=0.01))
    await asyncio.sleep(0.1)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == []


async def test_samples_are_metadata_of_the_session(tmp_path: Path) -> None:
    """Summary and series are in `voice_session`, in no span of their own; a sample takes the loop 50 function calls."""
    costs: list[int] = []

    def before(_session: AgentSession[Any], bridge: Bridge) -> None:
        bridge.begin()
        for rtt in (20.0, 40.0, 90.0):
            sample = Quality(rtt_ms=rtt, jitter_ms=None, packet_loss=0.0)
            costs.append(calls_of(lambda sample=sample: bridge.quality(sample)))

    outcome = await ring("book", home=tmp_path, pace=20.0, before=before)
    quality: Any = next(span.fields["quality"] for span in outcome.spans if span.name == "voice_session")
    assert quality["rtt_ms"] == {"p50": 40.0, "max": 90.0}
    assert quality["jitter_ms"] == {"p50": None, "max": None}
    assert (quality["samples"], len(quality["series"])) == (3, 3)
    assert max(costs) <= 50
