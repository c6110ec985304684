"""Dead air and caller silence: whose turn it is while neither side is heard."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.telemetry import events as ev
from strategies import event_streams, modes, started
from tape import Tape, new_call

SECOND = 1000


def conversation() -> Tape:
    """A greeting from 800 to 2,000 ms, a question from 3,000 to 5,000 ms of which the last 500 are silence."""
    tape = Tape()(0, ev.TurnDetectionSet, silence_ms=500, detection="server_vad")
    tape.speech("hello", 100, "host").plays("hello", 800).finishes("hello", 2000)
    return tape.says("item_1", 3000, 5000)


def silences(end: dict[str, Any]) -> list[tuple[str, float, float]]:
    return [(one["kind"], one["at_ms"], one["at_ms"] + one["duration_ms"]) for one in end["silences"]]


def test_dead_air_runs_from_joining_and_from_the_end_of_speech() -> None:
    """Dead air ends with a sound; the silence that the detection waits for is in it; the agent's wait is not."""
    tape = conversation().speech("answer", 5100).plays("answer", 6200).finishes("answer", 8000)
    end = tape.ends(9000)
    assert silences(end) == [
        ("dead_air", 0, 800),
        ("caller_silence", 2000, 3000),
        ("dead_air", 4500, 6200),
        ("caller_silence", 8000, 9000),
    ]
    assert (end["dead_air_ms"], end["dead_air_longest_ms"], end["caller_silence_ms"]) == (2500, 1700, 2000)
    assert [turn["dead_air_ms"] for turn in tape.all("agent_turn")] == [800, 1700]
    assert [turn["caller_silence_ms"] for turn in tape.all("user_turn")] == [1000]


def test_silence_of_a_tool_after_a_filler_is_dead_air() -> None:
    """While a tool of the agent's turn is at work the caller waits, whatever was said before."""
    tape = conversation().speech("answer", 5100)
    tape(5200, ev.ToolStarted, call_id="call_1", name="check_availability", arguments="{}")
    tape.speech("wait", 5300, "host", in_tool=True, generated=False).plays("wait", 5600).finishes("wait", 6000)
    tape(9000, ev.ToolEnded, call_id="call_1", status="done", output="{}")
    tape.plays("answer", 10_000, step=2).finishes("answer", 11_000)
    end = tape.ends(12_000)
    assert [one for one in silences(end) if one[0] == "dead_air"][1:] == [
        ("dead_air", 4500, 5600),
        ("dead_air", 6000, 10_000),
    ]
    assert {turn["kind"]: turn["dead_air_ms"] for turn in tape.all("agent_turn")} == {
        "greeting": 800,
        "filler": 1100,
        "reply": 4000,
    }


def test_tool_that_ends_without_a_word_is_dead_air_until_its_end() -> None:
    """A turn that ends in a tool after its last sound was the agent's until then; from there on it is the caller's."""
    tape = conversation().speech("answer", 5100).plays("answer", 6000)
    tape(6500, ev.ToolStarted, call_id="call_1", name="check_availability", arguments="{}")
    tape(7000, ev.AgentStateChanged, old="speaking", new="thinking")
    tape(8000, ev.ToolEnded, call_id="call_1", status="done", output="{}")
    tape(8100, ev.AgentSpeechFinished, speech_id="answer", interrupted=False)
    end = tape.ends(9000)
    assert silences(end)[-2:] == [("dead_air", 7000, 8000), ("caller_silence", 8000, 9000)]


def test_reconnect_during_the_agents_turn_is_dead_air() -> None:
    """A connection that is lost while the caller waits is a part of the wait."""
    tape = conversation().speech("answer", 5100)
    tape(5200, ev.ResponseStarted, response_id="resp_1", speech_id="answer")
    tape(7000, ev.Reconnected)
    tape(7100, ev.ResponseStarted, response_id="resp_2", speech_id="answer")
    tape.plays("answer", 7800).done("resp_2", 8000).finishes("answer", 9000)
    end = tape.ends(10_000)
    assert ("dead_air", 4500, 7800) in silences(end)
    assert end["reconnected_at_ms"] == [7000]


def test_caller_who_hangs_up_unanswered_leaves_dead_air_until_the_end() -> None:
    """The wait for an answer that never came ends with the call, and is that of the turn that failed."""
    tape = conversation().speech("answer", 5100)
    end = tape.ends(20_000)
    assert silences(end)[-1] == ("dead_air", 4500, 20_000)
    assert tape.all("agent_turn")[-1]["dead_air_ms"] == 15_500


@pytest.mark.parametrize("is_answered", [False, True], ids=["unanswered", "answered"])
def test_words_over_the_agent_make_dead_air_if_they_are_answered(is_answered: bool) -> None:
    """After a word over the agent the silence is the agent's if it answers, and the caller's if nothing comes."""
    tape = conversation().speech("answer", 5100).plays("answer", 6000)
    tape.says("item_2", 6500, 7500).finishes("answer", 8000)
    if is_answered:
        tape.speech("more", 8300).plays("more", 9000).finishes("more", 9500)
    end = tape.ends(12_000)
    assert silences(end)[3] == (("dead_air", 8000, 9000) if is_answered else ("caller_silence", 8000, 12_000))


def test_barge_in_makes_neither_silence_while_both_are_heard() -> None:
    """From the caller's first word over the agent to their last one nothing is silent."""
    tape = conversation().speech("answer", 5100).plays("answer", 6000)
    tape(7000, ev.SpeechStarted, item_id="item_2", audio_ms=7000).finishes("answer", 7200, interrupted=True)
    tape(9000, ev.SpeechStopped, item_id="item_2", audio_ms=9000).speech("more", 9100).plays("more", 9900)
    end = tape.finishes("more", 10_000).ends(11_000)
    assert silences(end)[2:] == [
        ("dead_air", 4500, 6000),
        ("dead_air", 8500, 9900),
        ("caller_silence", 10_000, 11_000),
    ]


def test_typed_text_begins_the_agents_turn() -> None:
    """What was typed ends the caller's silence at the moment at which it arrived."""
    tape = Tape().speech("hello", 100, "host").plays("hello", 800).finishes("hello", 2000)
    tape.speech("answer", 3100, "host")
    tape(3200, ev.TextReceived, speech_id="answer", received_ns=tape.at_ns(3000))
    end = tape.plays("answer", 4000).finishes("answer", 5000).ends(5000)
    assert silences(end) == [("dead_air", 0, 800), ("caller_silence", 2000, 3000), ("dead_air", 3000, 4000)]
    assert tape.one("user_turn")["caller_silence_ms"] == 1000


def test_commit_of_unheard_speech_leaves_the_callers_silence_unknown() -> None:
    """Push-to-talk: from the commit on the caller waits; how long they were silent before is not known."""
    tape = Tape(mode="pipeline").speech("hello", 100, "host").plays("hello", 800).finishes("hello", 2000)
    tape(5000, ev.UserTurnCommitted, manual=True).speech("answer", 5100).plays("answer", 6000)
    end = tape.finishes("answer", 7000).ends(8000)
    assert (end["dead_air_ms"], end["caller_silence_ms"]) == (1800, None)
    assert silences(end) == [("dead_air", 0, 800), ("dead_air", 5000, 6000)]


@pytest.mark.parametrize(
    "happens",
    [
        lambda tape: tape(5500, ev.Gap, lost=1),
        lambda tape: tape(5500, ev.AgentSpeechPlaying, speech_id="answer", audio=False),
    ],
    ids=["events lost", "answer in writing"],
)
def test_silence_is_unknown_where_its_bounds_were_not_seen(happens: Any) -> None:
    """With lost events, or an agent that writes, neither figure is a number."""
    tape = conversation().speech("answer", 5100)
    happens(tape)
    end = tape.plays("answer", 6000).finishes("answer", 7000).ends(8000)
    assert (end["dead_air_ms"], end["dead_air_longest_ms"], end["caller_silence_ms"]) == (None, None, None)
    assert end["silences"] == []
    assert tape.all("agent_turn")[-1]["dead_air_ms"] is None


def test_silence_is_unknown_without_any_state_of_the_agent() -> None:
    """Where nothing reports when the agent is heard, no silence is measured."""
    tape = Tape().says("item_1", 1000, 2000).answers("resp_1", 2100, 2500, 4000)
    assert tape.ends(5000)["dead_air_ms"] is None


def test_the_longest_silences_are_listed_in_order_of_time() -> None:
    """A long call lists the hundred longest; its totals have all of them."""
    tape = Tape()(0, ev.AgentStateChanged, old="thinking", new="speaking")
    for n in range(150):
        tape(n * 20_000 + 1000, ev.AgentStateChanged, old="speaking", new="listening")
        tape.says(f"item_{n}", n * 20_000 + 1010, n * 20_000 + 2000)
        tape(n * 20_000 + 2100 + n, ev.AgentStateChanged, old="thinking", new="speaking")
    end = tape.ends(150 * 20_000)
    listed = end["silences"]
    assert [round(one["duration_ms"]) for one in listed] == list(range(150, 250))
    assert {one["kind"] for one in listed} == {"dead_air"}
    assert (end["dead_air_ms"], end["dead_air_longest_ms"]) == (sum(100 + n for n in range(150)), 249)
    assert end["caller_silence_ms"] == 150 * 10


# ---- properties ---------------------------------------------------------------------------------------------------


@given(mode=modes, stream=event_streams())
def test_silences_never_overlap_nor_exceed_the_call(mode: Any, stream: list[ev.CallEvent]) -> None:
    """Whatever happens: no silence is negative, overlaps another or lies outside the call, and the sums are theirs."""
    call = new_call(started(mode=mode))
    records = [record for event in [started(mode=mode), *stream] for record in call.feed(event)]
    end: dict[str, Any] = next(dict(record.fields) for record in records if record.name == "session.end")
    found = silences(end)
    assert all(0 <= at <= until for _, at, until in found)
    assert all(before[2] <= after[1] + 0.001 for before, after in pairwise(found))
    sums = [end[name] for name in ("dead_air_ms", "caller_silence_ms") if end[name] is not None]
    assert all(value >= 0 for value in sums)
    assert sum(sums) <= end["duration_ms"] + 0.01
    if end["dead_air_ms"] is not None:
        dead = [until - at for kind, at, until in found if kind == "dead_air"]
        assert end["dead_air_ms"] == pytest.approx(sum(dead), abs=0.1)
        assert end["dead_air_longest_ms"] == pytest.approx(max(dead, default=0), abs=0.01)
    for record in records:
        for name in ("dead_air_ms", "caller_silence_ms"):
            value: Any = record.fields.get(name)
            assert value is None or value >= 0


STEPS = st.lists(
    st.tuples(
        st.integers(1, 30),  # ms until the caller speaks
        st.integers(8, 40),  # ms from their first sound to the event that reports their end
        st.integers(1, 50),  # ms from that event to the agent's sound
        st.integers(1, 60),  # ms of the agent's sound
        st.booleans(),  # whether the caller speaks over it
    ),
    max_size=8,
)


@given(steps=STEPS, joined=st.integers(0, 50), silence_ms=st.integers(0, 8), trailing=st.integers(0, 30))
def test_silences_are_what_a_clock_that_looks_each_millisecond_sees(
    steps: list[tuple[int, int, int, int, bool]], joined: int, silence_ms: int, trailing: int
) -> None:
    """Looked at each millisecond: nobody is heard, and the agent has, or has not, been heard since it was its turn."""
    tape = Tape()(0, ev.TurnDetectionSet, silence_ms=silence_ms, detection="server_vad")
    sounds, words, turns = [(joined, joined + 5)], [], [0]
    tape.speech("s0", 0, "host").plays("s0", joined)
    for n, (pause, speaks, waits, sounds_ms, is_over) in enumerate(steps):
        sounding_from, quiet_from = sounds[-1]
        begins = max(sounding_from, quiet_from - pause) if is_over else quiet_from + pause
        reported = max(begins + speaks, quiet_from)
        if not is_over:
            tape.finishes(f"s{n}", quiet_from)
        tape(begins, ev.SpeechStarted, item_id=f"item_{n}", audio_ms=begins)
        if is_over:
            tape.finishes(f"s{n}", quiet_from, interrupted=True)
        tape(reported, ev.SpeechStopped, item_id=f"item_{n}", audio_ms=reported)
        tape.speech(f"s{n + 1}", reported).plays(f"s{n + 1}", reported + waits)
        words.append((begins, reported - silence_ms))
        turns.append(max(reported - silence_ms, quiet_from))
        sounds.append((reported + waits, reported + waits + sounds_ms))
    over = sounds[-1][1]
    tape.finishes(f"s{len(steps)}", over)
    end = tape.ends(over + trailing)
    quiet = [ms for ms in range(over + trailing) if not any(a <= ms < b for a, b in (*sounds, *words))]
    dead = [
        ms
        for ms in quiet
        if max(turn for turn in turns if turn <= ms) > max((a for a, _ in sounds if a <= ms), default=-1)
    ]
    assert (end["dead_air_ms"], end["caller_silence_ms"]) == (len(dead), len(quiet) - len(dead))
