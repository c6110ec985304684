"""The media connection as WebRTC sees it: round trip, jitter, loss, looked at every ten seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from livekit import rtc

EVERY_S = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Milliseconds, and lost packets as a share from 0 to 1; None where WebRTC does not say."""

    rtt_ms: float | None
    jitter_ms: float | None
    packet_loss: float | None


def read_quality(stats: rtc.RtcStats) -> Quality:
    """What the connection's statistics say of the audio: the mean over its streams, the loss over all packets."""
    rtts, jitters = [], []
    lost = received = 0
    for each in (*stats.publisher_stats, *stats.subscriber_stats):
        match each.WhichOneof("stats"):
            case "candidate_pair" if each.candidate_pair.candidate_pair.nominated:
                rtts.append(each.candidate_pair.candidate_pair.current_round_trip_time * 1000)
            case "inbound_rtp" if each.inbound_rtp.stream.kind == "audio":
                jitters.append(each.inbound_rtp.received.jitter * 1000)
                lost += max(0, each.inbound_rtp.received.packets_lost)
                received += each.inbound_rtp.received.packets_received
    return Quality(
        rtt_ms=round(fmean(rtts), 3) if rtts else None,
        jitter_ms=round(fmean(jitters), 3) if jitters else None,
        packet_loss=round(lost / (lost + received), 5) if lost + received else None,
    )


async def sample_quality(room: rtc.Room, told: Callable[[Quality], None], *, every_s: float = EVERY_S) -> None:
    """Look at a connected room until cancelled; a look that fails is left out and the next one taken."""
    while True:
        await asyncio.sleep(every_s)
        try:
            told(read_quality(await room.get_rtc_stats()))
        except Exception as error:  # noqa: BLE001  # a call must not end for its statistics; no message: it may quote
            _log.debug("no media statistics: %s", type(error).__name__)
