"""Turns of both sides: commits, typed text, speeches, interruptions, hand-overs, refused tools."""

from __future__ import annotations

from typing import Any

import pytest

from medagent.telemetry import events as ev
from tape import Tape


def pipeline() -> Tape:
    return Tape(mode="pipeline", model="gpt-4o-mini", provider="openai")


def greeted(tape: Tape) -> Tape:
    """A greeting that is over after one second."""
    return tape.speech("s0", 100, "host", generated=False).plays("s0", 200).finishes("s0", 1000)


# ---- where TTFT-A begins and ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detection", "ended_by"), [("server_vad", "silence"), ("semantic_vad", "semantic"), (None, "silence")]
)
def test_a_servers_turn_detection_names_what_ended_the_turn(detection: str | None, ended_by: str) -> None:
    """With the provider's own detection TTFT-A begins at `speech_stopped`."""
    tape = Tape()(0, ev.TurnDetectionSet, silence_ms=None, detection=detection).says("i1", 0, 1000)
    tape.answers("r1", 1100, 1500, 1600).ends(3000)
    assert (tape.one("user_turn")["ended_by"], tape.one("agent_turn")["ttft_start"]) == (ended_by, "speech_stopped")
    assert tape.one("agent_turn")["ttft_ms"] == 500


@pytest.mark.parametrize(("detection", "ended_by"), [("vad", "silence"), ("turn_detector", "semantic")])
def test_a_session_that_listens_itself_begins_ttft_at_the_user_state(detection: str, ended_by: str) -> None:
    """The silence that LiveKit's VAD waited for is part of what the caller perceived."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000, detection=detection, silence_ms=200)
    tape.speech("s1", 3400).plays("s1", 3700).finishes("s1", 5000).ends(6000)
    answer = tape.all("agent_turn")[1]
    assert (answer["ttft_ms"], answer["ttft_start"], answer["perceived_ms"]) == (700, "user_state", 900)
    assert tape.one("user_turn")["ended_by"] == ended_by


def test_what_the_server_hears_the_session_does_not_hear_again() -> None:
    """A server's utterance and the session's own state of it are one turn."""
    tape = Tape()(0, ev.SpeechStarted, item_id="i1")(5, ev.SpeechStarted, item_id="utterance_1", source="session")
    tape(1000, ev.SpeechStopped, item_id="i1")(1005, ev.SpeechStopped, item_id="utterance_1", source="session")
    assert tape.answers("r1", 1100, 1200, 1300).ends(2000)["user_turns"] == 1
    assert tape.one("agent_turn")["ttft_ms"] == 200


def test_after_a_hand_over_to_an_agent_without_server_vad_the_session_is_heard() -> None:
    """Which of the two counts follows the agent."""
    tape = Tape().says("i1", 0, 100).answers("r1", 200, 300, 400)
    tape(500, ev.AgentHandedOver, old="desk", new="billing")
    tape(501, ev.TurnDetectionSet, silence_ms=None, detection="none")
    tape.hears("u1", 1000, 2000).speech("s1", 2100).plays("s1", 2600).finishes("s1", 3000)
    assert tape.ends(4000)["user_turns"] == 2
    assert tape.all("agent_turn")[1]["ttft_start"] == "user_state"


def test_a_commit_begins_ttft_whether_anything_was_heard_or_not() -> None:
    """Push to talk without a VAD: the turn has no length, the wait begins at the commit."""
    tape = greeted(Tape())(3000, ev.UserTurnCommitted, manual=True).speech("s1", 3010)
    tape(3100, ev.ResponseStarted, response_id="r1", speech_id="s1")(3400, ev.AudioStarted, response_id="r1")
    tape.plays("s1", 3410).done("r1", 3500).finishes("s1", 5000).ends(6000)
    answer, user = tape.all("agent_turn")[1], tape.one("user_turn")
    assert (answer["ttft_ms"], answer["ttft_start"], answer["responses"]) == (400, "commit", 1)
    assert (user["audio_ms"], user["ended_by"], user["incomplete"]) == (None, "manual", False)


def test_a_commit_in_the_middle_of_speech_ends_the_turn() -> None:
    """Its length is the speech that the VAD heard; pauses before the commit are within the turn."""
    tape = pipeline().hears("u1", 0, 500, detection="manual")(9000, ev.SpeechStarted, item_id="u2", source="session")
    tape(9800, ev.UserTurnCommitted, manual=True).speech("s1", 9900).plays("s1", 10_000).finishes("s1", 11_000)
    tape(10_500, ev.SpeechStopped, item_id="u2", source="session")
    assert tape.ends(12_000)["user_turns"] == 1
    assert (tape.one("user_turn")["audio_ms"], tape.one("agent_turn")["ttft_ms"]) == (9800, 200)


def test_what_is_typed_is_a_turn_and_its_arrival_begins_ttft() -> None:
    """The text has arrived before its speech was made, and a speech is known to answer it only later."""
    tape = greeted(pipeline()).speech("s1", 5000, "host")
    tape(5100, ev.TextReceived, speech_id="s1", received_ns=tape.at_ns(4950)).plays("s1", 5450).finishes("s1", 7000)
    totals = tape.ends(8000)
    answer, user = tape.all("agent_turn")[1], tape.one("user_turn")
    assert (answer["kind"], answer["ttft_ms"], answer["ttft_start"]) == ("reply", 500, "text")
    assert (user["modality"], user["audio_ms"], user["ended_by"]) == ("text", None, "typed")
    assert totals["user_turns"] == 1
    assert [record.parents for record in tape.spans("user_turn")] == [tape.spans("agent_turn")[1].parents]


def test_an_utterance_with_a_pause_before_its_commit_is_one_turn() -> None:
    """A caller who speaks on before LiveKit takes what was said for a turn is still in it."""
    tape = pipeline().hears("u1", 0, 1000).hears("u2", 1500, 2500).speech("s1", 3000).plays("s1", 3200)
    assert tape.finishes("s1", 4000).ends(5000)["user_turns"] == 1
    assert (tape.one("user_turn")["audio_ms"], tape.one("agent_turn")["ttft_ms"]) == (2500, 700)


def test_what_was_never_taken_for_a_turn_counts_apart() -> None:
    """A cough has a span that says so, no count among the turns, and leaves the next turn whole."""
    tape = pipeline().hears("u1", 0, 200).hears("u2", 8000, 9000).speech("s1", 9100).plays("s1", 9300)
    totals = tape.finishes("s1", 9900).ends(10_000)
    assert [user["committed"] for user in tape.all("user_turn")] == [False, True]
    assert (totals["user_turns"], totals["uncommitted_turns"]) == (1, 1)
    assert tape.one("agent_turn")["ttft_ms"] == 300


def test_a_turn_that_a_speech_answers_is_not_committed_twice() -> None:
    """LiveKit adds the message of a turn after it made the answer."""
    tape = pipeline().hears("u1", 0, 1000).speech("s1", 1100)(1110, ev.UserTurnCommitted, speech_id="s1")
    assert tape.plays("s1", 1500).finishes("s1", 2000).ends(3000)["user_turns"] == 1


def test_a_turn_that_no_vad_heard_is_known_by_its_message() -> None:
    """An STT without a VAD: the commit is all that is known of the turn."""
    tape = pipeline().speech("s1", 1000)(1010, ev.UserTurnCommitted, speech_id="s1", detection="stt")
    totals = tape.plays("s1", 1510).finishes("s1", 2000).ends(3000)
    answer = tape.one("agent_turn")
    assert (totals["user_turns"], answer["ttft_ms"], answer["ttft_start"]) == (1, 500, "commit")
    assert tape.spans("user_turn")[0].parents == tape.spans("agent_turn")[0].parents


# ---- a message of the caller is of one turn --------------------------------------------------------------------------


def test_a_second_message_of_one_utterance_is_a_turn_that_was_not_heard() -> None:
    """The caller speaks on while `on_user_turn_completed` runs: LiveKit adds two messages of what is one turn here."""
    tape = pipeline().hears("u1", 0, 1000).hears("u2", 1600, 2200).speech("s1", 4000)
    tape(4010, ev.UserTurnCommitted, speech_id="s1").finishes("s1", 4020, interrupted=True)
    tape.speech("s2", 4030)(4040, ev.UserTurnCommitted, speech_id="s2").plays("s2", 4500).finishes("s2", 6000)
    totals = tape.ends(7000)
    assert (totals["user_turns"], totals["uncommitted_turns"], totals["complete"]) == (2, 0, False)
    assert totals["missing"] == ["user_turn"]
    assert [user["incomplete"] for user in tape.all("user_turn")] == [False, True]
    assert tape.all("user_turn")[1]["audio_ms"] is None


def test_a_message_that_comes_while_the_caller_speaks_on_is_a_turn() -> None:
    """The utterance goes on and has a message of its own, once it is over."""
    tape = pipeline().hears("u1", 0, 1000)(1600, ev.SpeechStarted, item_id="u2", source="session").speech("s1", 1700)
    tape(1710, ev.UserTurnCommitted, speech_id="s1").finishes("s1", 1720, interrupted=True)
    tape(2200, ev.SpeechStopped, item_id="u2", source="session", tentative=True)
    tape.speech("s2", 2300)(2310, ev.UserTurnCommitted, speech_id="s2").plays("s2", 2500).finishes("s2", 3000)
    totals = tape.ends(4000)
    assert (totals["user_turns"], totals["missing"]) == (2, ["user_turn"])


def test_a_message_that_comes_after_the_next_utterance_is_of_the_turn_that_was_answered() -> None:
    """The first utterance was taken for a turn before the second began: each has its own message."""
    tape = pipeline().hears("u1", 0, 1000).speech("s1", 1100).hears("u2", 1600, 2200)
    tape(2210, ev.UserTurnCommitted, speech_id="s1").finishes("s1", 2220, interrupted=True)
    tape.speech("s2", 2300)(2310, ev.UserTurnCommitted, speech_id="s2").plays("s2", 2500).finishes("s2", 3000)
    totals = tape.ends(4000)
    assert (totals["user_turns"], totals["uncommitted_turns"], totals["missing"]) == (2, 0, [])


def test_a_manual_commit_and_its_message_are_one_turn() -> None:
    """Also where nothing was heard before it, and where the answer has begun when the message comes."""
    tape = greeted(pipeline())(3000, ev.UserTurnCommitted, manual=True)(3005, ev.UserTurnCommitted)
    tape.hears("u1", 5000, 6000, detection="manual")(6100, ev.UserTurnCommitted, manual=True).speech("s1", 6200)
    tape.plays("s1", 6300)(6400, ev.UserTurnCommitted, speech_id="s1").finishes("s1", 7000)
    totals = tape.ends(8000)
    assert (totals["user_turns"], totals["missing"]) == (2, [])


def test_a_realtime_model_that_only_transcribes_has_turns_that_were_not_heard() -> None:
    """Without `input_speech_started` the message is all that is known of a turn; a second text changes nothing."""
    tape = Tape(provider="other")(1000, ev.SpeechTranscribed, item_id="m1")(1100, ev.SpeechTranscribed, item_id="m1")
    totals = tape.speech("s1", 1200, "server").plays("s1", 1500).finishes("s1", 2000).ends(3000)
    user = tape.one("user_turn")
    assert (totals["user_turns"], totals["complete"], totals["missing"]) == (1, False, ["user_turn"])
    assert (user["audio_ms"], user["ended_by"], user["incomplete"]) == (None, None, True)
    assert tape.one("agent_turn")["ttft_ms"] is None


def test_what_a_realtime_model_transcribes_late_is_of_the_turns_that_were_heard() -> None:
    """By the server's own items, or in their order where the session heard them."""
    tape = Tape().says("i1", 0, 1000).answers("r1", 1100, 1500, 1600)(1700, ev.SpeechTranscribed, item_id="i1")
    tape(1800, ev.TurnDetectionSet, silence_ms=None, detection="none")
    tape.hears("u1", 5000, 6000, tentative=False).hears("u2", 9500, 9900, tentative=False)
    for item in ("m1", "m2", "m3"):
        tape(11_000, ev.SpeechTranscribed, item_id=item)
    totals = tape.ends(12_000)
    assert (totals["user_turns"], totals["missing"]) == (4, ["user_turn"])


# ---- what is an answer -----------------------------------------------------------------------------------------------


def test_a_filler_is_a_turn_of_its_own_and_never_ends_ttft() -> None:
    """The answer's wait ends at the answer; `first_sound_ms` is the filler's."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000).speech("s1", 3100)
    tape(3200, ev.ToolStarted, call_id="t1", name="lookup", arguments="{}").speech(
        "s2", 3300, "host", in_tool=True, generated=False
    )
    tape.plays("s2", 3400).finishes("s2", 4400)(6000, ev.ToolEnded, call_id="t1", status="done", output="{}")
    tape(6001, ev.ToolAnswered, call_id="t1", name="lookup", arguments="{}", output="{}", is_error=False)
    tape.plays("s1", 6500, step=2).finishes("s1", 8000, step=2).ends(9000)
    _, answer, filler = tape.all("agent_turn")
    assert (answer["kind"], answer["ttft_ms"], answer["first_sound_ms"]) == ("reply", 3500, 400)
    assert (filler["kind"], filler["ttft_ms"], filler["first_sound_ms"]) == ("filler", None, 400)
    [exchange] = [one for one in tape.all("conversation_turn") if one["kind"] == "reply"]
    assert exchange["status"] == "completed"


def test_what_a_model_says_before_its_tool_is_a_filler_if_an_answer_follows() -> None:
    """The first sound of a response that calls a tool ends the wait only where nothing else is said."""
    for is_answered, ttft_ms in ((True, 2400), (False, 400)):
        tape = Tape().says("i1", 0, 1000).answers("r1", 1100, 1400, 1900)
        tape(1500, ev.ToolRequested, response_id="r1", call_id="t1").uses("t1", "lookup", "{}", 1600)
        if is_answered:
            tape.answers("r2", 3000, 3400, 3500)
        tape.ends(5000)
        assert (tape.one("agent_turn")["ttft_ms"], tape.one("agent_turn")["first_sound_ms"]) == (ttft_ms, 400)


def test_a_tool_that_speaks_and_asks_for_no_reply_has_answered() -> None:
    """The answer may come from the host's code within the tool."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000).speech("s1", 3100)
    tape(3200, ev.ToolStarted, call_id="t1", name="lookup", arguments="{}")
    tape.speech("s2", 3300, "host", in_tool=True, generated=False)
    tape(3310, ev.ToolEnded, call_id="t1", status="done", output=None)
    silent: dict[str, Any] = {"name": "lookup", "arguments": "{}", "output": "", "is_error": False}
    tape(3311, ev.ToolAnswered, call_id="t1", reply_required=False, **silent)
    tape.plays("s2", 3500).finishes("s1", 3550, step=2).finishes("s2", 4000).ends(5000)
    _, asked, answer = tape.all("agent_turn")
    assert (asked["ttft_ms"], answer["kind"], answer["ttft_ms"]) == (None, "reply", 500)


@pytest.mark.parametrize(("after_ms", "kind", "ttft_ms"), [(2000, "reply", 2300), (30_000, "proactive", None)])
def test_what_the_host_says_answers_what_was_said_a_moment_ago(after_ms: int, kind: str, ttft_ms: int | None) -> None:
    """A rule of the host may answer instead of a model; half a minute later it speaks by itself."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000)
    tape.speech("s1", 3000 + after_ms, "host", generated=False).plays("s1", 3300 + after_ms)
    tape.finishes("s1", 5000 + after_ms).ends(60_000)
    answer = tape.all("agent_turn")[1]
    assert (answer["kind"], answer["ttft_ms"]) == (kind, ttft_ms)


def test_what_is_said_to_a_caller_who_is_away_is_no_answer() -> None:
    """LiveKit knows how long is too long for this session."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000)
    tape(6000, ev.UserStateChanged, old="listening", new="away").speech("s1", 6001, "host").plays("s1", 6300)
    tape.finishes("s1", 8000).ends(9000)
    assert tape.all("agent_turn")[1]["kind"] == "proactive"


def test_an_apology_for_a_failure_does_not_end_ttft() -> None:
    """A speech of the host after the model failed does not answer the caller."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000).speech("s1", 3100)
    tape(3500, ev.ErrorRaised, source="llm", error_type="APIError", message=None, recoverable=False)
    tape(3510, ev.AgentSpeechFinished, speech_id="s1", interrupted=False, error_type="APIError")
    tape.speech("s2", 3600, "host", generated=False).plays("s2", 3900).finishes("s2", 5000)
    totals = tape.ends(6000)
    _, failed, apology = tape.all("agent_turn")
    assert (failed["status"], failed["ttft_ms"], failed["ended_by"]) == ("failed", None, "failed")
    assert (apology["kind"], apology["ttft_ms"], apology["first_sound_ms"]) == ("apology", None, 900)
    assert [error["error_type"] for error in totals["errors"]] == ["APIError"]


@pytest.mark.parametrize("is_early", [True, False])
def test_the_host_may_say_what_a_speech_is_for(is_early: bool) -> None:
    """A declared kind holds, whether it is declared before the speech is announced or after."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000)
    if is_early:
        tape.speech("s1", 3100, "host", generated=False, purpose="hold")
    else:
        tape.speech("s1", 3100, "host", generated=False)(3101, ev.AgentSpeechMarked, speech_id="s1", purpose="hold")
    tape.plays("s1", 3300).finishes("s1", 4000).speech("s2", 5000).plays("s2", 5500).finishes("s2", 6000).ends(7000)
    _, hold, answer = tape.all("agent_turn")
    assert (hold["kind"], hold["ttft_ms"], hold["first_sound_ms"]) == ("hold", None, 300)
    assert (answer["ttft_ms"], answer["first_sound_ms"]) == (2500, 300)


def test_an_answer_behind_another_speech_is_heard_when_its_turn_comes() -> None:
    """The provider's audio arrives while a filler is still playing: TTFT-A ends at the frame that is played."""
    tape = Tape().says("i1", 0, 1000).speech("s1", 1050, "server")
    tape(1060, ev.ResponseStarted, response_id="r1", speech_id="s1").speech("s2", 1100, "host", generated=False)
    tape.plays("s2", 1200)(1300, ev.AudioStarted, response_id="r1").finishes("s2", 2000).plays("s1", 2100)
    tape.done("r1", 2200).finishes("s1", 3000).ends(4000)
    answer = next(turn for turn in tape.all("agent_turn") if turn["kind"] == "reply")
    assert (answer["ttft_ms"], answer["first_sound_ms"]) == (1100, 200)


def test_text_without_sound_has_no_ttft() -> None:
    """No audio is null, never 0."""
    tape = pipeline().speech("s1", 1000, "host")(1010, ev.TextReceived, speech_id="s1", received_ns=0)
    tape(1500, ev.AgentSpeechPlaying, speech_id="s1", audio=False).finishes("s1", 1600).ends(2000)
    assert (tape.one("agent_turn")["ttft_ms"], tape.one("agent_turn")["ttft_start"]) == (None, "text")


# ---- interruptions ---------------------------------------------------------------------------------------------------


def test_a_caller_who_speaks_over_the_agent_overlaps_and_does_not_interrupt() -> None:
    """A turn is interrupted if LiveKit reports it so; the time in which both were heard is a figure of its own."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000).speech("s1", 3100).plays("s1", 3300)
    totals = tape.hears("u2", 4000, 4300).finishes("s1", 9000).ends(10_000)
    assert [user["overlap_ms"] for user in tape.all("user_turn")] == [0, 300]
    assert (totals["interruptions"], totals["overlaps"], totals["overlap_ms"]) == (0, 1, 300)
    assert not any(user["interrupted_agent"] for user in tape.all("user_turn"))


def test_what_livekit_interrupts_is_interrupted_also_after_the_caller_stopped() -> None:
    """A pipeline may decide by the transcript; the utterance that did it is marked."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000).speech("s1", 3100).plays("s1", 3300)
    tape.hears("u2", 4000, 4600).finishes("s1", 4900, interrupted=True).speech("s2", 5000).plays("s2", 5200)
    totals = tape.finishes("s2", 6000).ends(7000)
    assert [turn["interrupted"] for turn in tape.all("agent_turn")] == [False, True, False]
    assert [user["interrupted_agent"] for user in tape.all("user_turn")] == [False, True]
    assert (totals["interruptions"], tape.all("agent_turn")[1]["ended_by"]) == (1, "interrupted")


def test_a_host_that_interrupts_is_no_caller_who_does() -> None:
    """The agent's turn is interrupted, no utterance has done it."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000).speech("s1", 3100).plays("s1", 3300).hears("u2", 3400, 3600)
    tape.finishes("s1", 5000, interrupted=True, by_caller=False)
    assert tape.ends(6000)["interruptions"] == 1
    assert not any(user["interrupted_agent"] for user in tape.all("user_turn"))


def test_audio_that_arrived_and_was_never_played_was_not_heard() -> None:
    """A response that is cut before its first frame leaves no TTFT-A, and the caller's next turn has its own."""
    tape = Tape().says("i1", 0, 1000).speech("s1", 1050, "server")
    tape(1060, ev.ResponseStarted, response_id="r1", speech_id="s1")(1200, ev.AudioStarted, response_id="r1")
    tape(1210, ev.SpeechStarted, item_id="i2").done("r1", 1220, status="cancelled")
    tape(1230, ev.AgentSpeechFinished, speech_id="s1", interrupted=True)(2000, ev.SpeechStopped, item_id="i2")
    tape.speech("s2", 2050, "server")(2060, ev.ResponseStarted, response_id="r2", speech_id="s2")
    tape(2300, ev.AudioStarted, response_id="r2").plays("s2", 2310).done("r2", 2400).finishes("s2", 3000).ends(4000)
    cut, answer = tape.all("agent_turn")
    assert (cut["ttft_ms"], cut["first_sound_ms"], cut["interrupted"], cut["status"]) == (None, None, True, "cancelled")
    assert (answer["ttft_ms"], tape.all("user_turn")[1]["interrupted_agent"]) == (300, False)


def test_an_answer_to_an_agent_task_interrupts_nobody() -> None:
    """The tool waits for the task; what its caller answers is neither an interruption nor the tool's time."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000).speech("s1", 3100, agent="desk")
    tape(3200, ev.ToolStarted, call_id="t1", name="book", arguments="{}")
    tape(3210, ev.AgentHandedOver, old="desk", new="ask_date", call_id="t1")
    tape.speech("s2", 3220, "host", agent="ask_date").plays("s2", 3500).finishes("s2", 4500)
    tape.hears("u2", 5000, 6000).speech("s3", 6100, agent="ask_date").uses("t2", "complete", "", 6200)
    tape(6300, ev.AgentHandedOver, old="ask_date", new="desk", call_id="t1")
    tape(6310, ev.ToolEnded, call_id="t1", status="done", output="{}").finishes("s3", 6320)
    tape.plays("s1", 6700, step=2).finishes("s1", 8000, step=2)
    totals = tape.ends(9000)
    assert (totals["interruptions"], totals["handoffs"], totals["complete"]) == (0, 2, True)
    assert [(one["from_agent"], one["to_agent"]) for one in tape.all("agent_handoff")] == [
        ("desk", "ask_date"),
        ("ask_date", "desk"),
    ]
    [booking] = tape.spans("tool.book")
    heard = tape.spans("user_turn")[1]
    assert booking.fields["duration_ms"] == 20
    assert booking.end_us <= heard.place.start_us
    spoken = [(turn["agent"], turn["ttft_ms"]) for turn in tape.all("agent_turn")[1:]]
    assert spoken == [("desk", None), ("ask_date", 500), ("ask_date", None), ("desk", 700)]
    assert [user["agent"] for user in tape.all("user_turn")] == [None, "ask_date"]


# ---- reconnects and errors -------------------------------------------------------------------------------------------


def test_a_reconnect_closes_what_was_open() -> None:
    """The lost response and the lost end of speech are closed, said to be missing, and touch nothing after them."""
    tape = Tape().says("i1", 0, 1000)(1100, ev.ResponseStarted, response_id="r1")(
        1300, ev.AudioStarted, response_id="r1"
    )
    tape(1310, ev.AgentStateChanged, old="thinking", new="speaking")(2000, ev.SpeechStarted, item_id="i2")
    tape(2500, ev.Reconnected)(2600, ev.AgentStateChanged, old="speaking", new="listening")
    tape.says("i3", 5000, 6000).answers("r2", 6100, 6400, 6900)
    totals = tape.ends(9000)
    lost, answer = tape.all("agent_turn")
    assert (lost["status"], lost["ended_by"], lost["incomplete"], lost["cost_usd"]) == (
        "incomplete",
        "reconnect",
        True,
        None,
    )
    assert (lost["ttft_ms"], answer["ttft_ms"], answer["interrupted"]) == (300, 400, False)
    assert [user["ended_by"] for user in tape.all("user_turn")] == ["silence", "reconnect", "silence"]
    assert (totals["complete"], totals["missing"]) == (False, ["user_turn", "usage"])


@pytest.mark.parametrize(("reason", "outcome"), [("caller_hung_up", "informed"), ("error", "failed")])
def test_whether_an_error_failed_the_call_is_decided_by_its_end(reason: str, outcome: str) -> None:
    """An error that LiveKit survived is listed and fails neither turn nor call."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000).speech("s1", 3100)
    tape(3200, ev.ErrorRaised, source="tts", error_type="APIError", message=None, recoverable=False)
    totals = tape.plays("s1", 3500).finishes("s1", 4000).ends(5000, reason)
    assert (totals["outcome"], totals["unrecovered"]) == (outcome, outcome == "failed")
    assert len(totals["errors"]) == 1
    assert [record.status for record in tape.spans("agent_turn")] == ["ok", "ok"]


# ---- tools -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "is_error", "span", "outcome"),
    [
        ("", True, "tool.unnamed", "failed"),
        ("lookup", True, "tool.lookup", "failed"),
        ("lookup", False, "tool.lookup", "refused"),
    ],
)
def test_a_call_that_was_refused_before_it_ran_leaves_a_span(
    name: str, is_error: bool, span: str, outcome: str
) -> None:
    """An invented tool, arguments that are no JSON, a duplicate: the model was told, and so is the trace."""
    tape = Tape().says("i1", 0, 1000)(1100, ev.ResponseStarted, response_id="r1")
    tape(1150, ev.ToolRequested, response_id="r1", call_id="t1").done("r1", 1200)
    told: dict[str, Any] = {"name": name, "arguments": "{", "output": "Error parsing", "is_error": is_error}
    tape(1210, ev.ToolAnswered, call_id="t1", **told).answers("r2", 1300, 1500, 1600)
    totals = tape.ends(3000)
    assert (tape.one(span)["outcome"], totals["missing"], totals["tool_failures"]) == (outcome, [], int(is_error))
    assert tape.one("agent_turn")["tool_calls"] == 1


def test_what_livekit_answers_with_an_error_is_never_ok() -> None:
    """A tool that returned, and whose result LiveKit would not take, has failed."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000).speech("s1", 3100)
    tape.uses("t1", "lookup", '{"outcome": "ok"}', 3300)
    told: dict[str, Any] = {"name": "lookup", "arguments": "{}", "output": "invalid output", "is_error": True}
    totals = tape(3400, ev.ToolAnswered, call_id="t1", **told).ends(4000)
    assert (tape.one("tool.lookup")["outcome"], totals["tool_failures"], totals["tool_calls"]) == ("failed", 1, 1)


def test_a_progress_report_does_not_end_a_tool() -> None:
    """The model is told of it while the tool runs on; its own end counts."""
    tape = Tape().answers("r1", 0, 100, 200)(300, ev.ToolStarted, call_id="t1", name="lookup", arguments="{}")
    told: dict[str, Any] = {"name": "lookup", "arguments": "{}", "output": "still searching", "is_error": False}
    tape(400, ev.ToolAnswered, call_id="t1", **told)(2300, ev.ToolEnded, call_id="t1", status="done", output="{}")
    tape.ends(3000)
    assert tape.one("tool.lookup")["duration_ms"] == 2000


# ---- before the first word -------------------------------------------------------------------------------------------


def test_the_wait_before_the_first_word_is_whole_and_in_parts() -> None:
    """From the offer of the call to the first sound; what is not known is null."""
    parts: dict[str, Any] = {"dispatch_ms": 120.0, "process_start_ms": None, "connect_ms": 300.0}
    tape = pipeline()(50, ev.StartMeasured, since_ms=900.0, **parts)
    tape.speech("s0", 100, "host", generated=False).plays("s0", 450).finishes("s0", 1000)
    assert tape.ends(2000)["first_word"] == {"total_ms": 1300.0, **parts}
    assert pipeline()(50, ev.StartMeasured, since_ms=900.0, **parts).ends(2000)["first_word"]["total_ms"] is None


def test_an_error_of_a_speech_that_was_made_ahead_is_one_error() -> None:
    """A model may fail before its answer is known to be one: the error and the failed speech are listed once."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000)
    tape(3050, ev.ErrorRaised, source="llm", error_type="APIError", message=None, recoverable=False)
    tape.speech("s1", 3100)(3110, ev.AgentSpeechFinished, speech_id="s1", interrupted=False, error_type="APIError")
    assert [error["at_ms"] for error in tape.ends(5000)["errors"]] == [3050]
    assert [turn["status"] for turn in tape.all("agent_turn")] == ["completed", "failed"]


def test_what_a_tool_says_after_the_models_own_word_is_a_filler_too() -> None:
    """The caller heard something already: the tool's speech is neither an answer nor a word of the agent's own."""
    tape = greeted(pipeline()).hears("u1", 2000, 3000).speech("s1", 3100).plays("s1", 3300)
    tape(3400, ev.ToolStarted, call_id="t1", name="lookup", arguments="{}")
    tape.speech("s2", 3500, "host", in_tool=True, generated=False).plays("s2", 4000).finishes("s2", 4500)
    tape(5000, ev.ToolEnded, call_id="t1", status="done", output="{}").plays("s1", 5500, step=2)
    tape.finishes("s1", 6000, step=2).ends(7000)
    assert [turn["kind"] for turn in tape.all("agent_turn")] == ["greeting", "reply", "filler"]
    assert (tape.all("agent_turn")[1]["ttft_ms"], tape.all("agent_turn")[1]["first_sound_ms"]) == (2500, 300)
