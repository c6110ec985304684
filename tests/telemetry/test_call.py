"""A call as a table of transitions: whatever comes, in whatever order, it adds up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings

from medagent.pricing import Usage
from medagent.telemetry import events as ev
from medagent.telemetry import transitions as module
from medagent.telemetry.call import Call
from medagent.telemetry.record import Record
from medagent.telemetry.span import SpanKind
from medagent.telemetry.transitions import TRANSITIONS, Committed, Floor, Settled
from strategies import WALL_US, event_streams, modes, started
from tape import COST, USAGE, Tape, new_call

# ---- the table -------------------------------------------------------------------------------------------------------


def test_the_table_in_the_docstring_is_the_table() -> None:
    """What one reads in the module's docstring is what is done."""
    block = (module.__doc__ or "").split("```")[1].strip("\n").splitlines()
    causes: dict[str, type] = {"Committed": Committed, "Settled": Settled}
    causes |= {
        kind.__name__: kind
        for kind in (
            ev.SpeechStarted,
            ev.SpeechStopped,
            ev.ResponseStarted,
            ev.AgentSpeechCreated,
            ev.Reconnected,
        )
    }
    columns = [causes[word] for word in block[0].split()]
    written = {
        (Floor[row.split()[0]], cause): Floor[floor]
        for row in block[1:]
        for cause, floor in zip(columns, row.split()[1:], strict=True)
        if floor != "–"
    }
    written |= {(floor, ev.CallEnded): Floor.ENDED for floor in Floor if floor is not Floor.ENDED}
    assert written == {key: floor for key, (_, floor) in TRANSITIONS.items()}


def test_every_action_of_the_table_is_there() -> None:
    """No transition names an action that nobody wrote."""
    actions = {action for actions, _ in TRANSITIONS.values() for action in actions}
    assert actions
    assert all(callable(getattr(Call, f"_{action}")) for action in actions)


# ---- anything may happen ---------------------------------------------------------------------------------------------


def _taken(stream: list[ev.CallEvent]) -> list[ev.CallEvent]:
    """What counts of a stream: each number once, nothing after the end."""
    seen, taken = {0}, []
    for event in stream:
        if event.seq not in seen:
            seen.add(event.seq)
            taken.append(event)
        if isinstance(taken[-1] if taken else None, ev.CallEnded):
            break
    return taken


@settings(max_examples=4 * settings().max_examples)
@given(mode=modes, stream=event_streams())
def test_whatever_comes_adds_up(mode: str, stream: list[ev.CallEvent]) -> None:  # noqa: PLR0915  # one call, one sum
    """In any order, twice, with holes, with time going back: nothing raises, nothing is counted twice or lost."""
    call = new_call(started(mode=mode))
    records: list[Record] = []
    for event in [started(mode=mode), *stream]:
        records += call.feed(event)
        stored = {record.place.key for record in records}
        assert all(parent.key in stored for record in records for parent in record.parents)  # a kill leaves no orphan
    assert call.ended
    assert [r for event in [*stream, ev.CallEnded(seq=99, at_ns=0, reason="error")] for r in call.feed(event)] == []

    final = [record for record in records if record.final]
    names = Counter(record.name for record in final)
    assert (names["session.start"], names["session.end"], names["voice_session"]) == (1, 1, 1)
    early = [record.place.key for record in records if not record.final]
    assert early[0] == "voice_session"
    assert len(set(early)) == len(early)
    assert set(early[1:]) <= {parent.key for record in final for parent in record.parents[1:]}
    assert len({record.place.key for record in final}) == len(final)

    places = {record.place.key: record.place for record in final}
    for record in final:
        assert record.place.start_us <= record.end_us
        assert record.place.start_us >= WALL_US
        for parent in record.parents:
            assert places[parent.key] == parent
            assert parent.start_us <= record.place.start_us

    taken = _taken(stream)
    totals = next(record.fields for record in final if record.name == "session.end")
    turns = [record.fields for record in final if record.name == "agent_turn"]
    assert totals["user_turns"] + totals["uncommitted_turns"] == names["user_turn"]
    heard_of = (ev.SpeechStarted, ev.SpeechStopped, ev.SpeechTranscribed, ev.TextReceived)
    heard_of = (*heard_of, ev.UserTurnCommitted, ev.AgentSpeechCreated)
    assert names["user_turn"] <= sum(isinstance(e, heard_of) for e in taken)
    assert totals["agent_turns"] == len(turns)
    assert totals["interruptions"] == sum(turn["interrupted"] for turn in turns)
    spoken_of = (ev.ResponseStarted, ev.AudioStarted, ev.ToolRequested, ev.ResponseFinished)
    assert sum(turn["responses"] for turn in turns) >= len({e.response_id for e in taken if isinstance(e, spoken_of)})
    for turn in turns:
        assert (turn["ttft_ms"] is None) or (turn["kind"] == "reply" and turn["ttft_start"] is not None)
        if turn["ttft_ms"] is not None and turn["first_sound_ms"] is not None:
            assert 0 <= turn["first_sound_ms"] <= turn["ttft_ms"]
    tools = [record for record in final if record.name.startswith("tool.")]
    assert totals["tool_calls"] == len(tools) >= sum(isinstance(e, ev.ToolStarted) for e in taken)
    assert sum(isinstance(e, ev.ToolStarted | ev.ToolAnswered) for e in taken) >= len(tools)
    handed_over = sum(isinstance(e, ev.AgentHandedOver) and e.old is not None for e in taken)
    assert totals["handoffs"] == names["agent_handoff"] == handed_over

    finished: dict[str, ev.ResponseFinished] = {}
    requests: dict[tuple[str, str], ev.StageMeasured] = {}
    for event in taken:
        if isinstance(event, ev.ResponseFinished):
            finished.setdefault(event.response_id, event)
        if isinstance(event, ev.StageMeasured):
            requests.setdefault((event.stage, event.key), event)
    stages = [record for record in final if record.kind in (SpanKind.STT, SpanKind.LLM, SpanKind.TTS)]
    assert len(stages) == len(requests)
    of_models = [request for request in requests.values() if request.stage == "llm"]
    counted = [*of_models, *(finished.values() if mode == "realtime" else ())]
    usage = sum((event.usage for event in counted if event.usage is not None), Usage())
    assert totals["usage"] == usage.fields() | {
        "stt_audio_seconds": _total([one.audio_duration for one in requests.values() if one.stage == "stt"]),
        "tts_audio_seconds": _total([one.audio_duration for one in requests.values() if one.stage == "tts"]),
        "tts_characters": _total([one.characters for one in requests.values() if one.stage == "tts"]),
    }
    assert totals["complete"] == (not totals["missing"])
    assert len(totals["tools"]) == min(20, totals["tool_calls"])

    exchanges = [record for record in final if record.name == "conversation_turn"]
    assert (not exchanges) if mode == "realtime" else len(exchanges) >= min(1, len(turns) + totals["user_turns"])
    for turn in final:
        if turn.name in ("user_turn", "agent_turn"):
            under = [parent.key.partition(".")[0] for parent in turn.parents]
            assert under == ["voice_session"] + ["conversation_turn"] * (mode == "pipeline")
    for exchange in exchanges:
        own = [one for one in stages if exchange.place in one.parents and one.kind is SpanKind.LLM]
        spent = exchange.fields["output_tokens"]
        assert spent is None or spent <= sum(one.fields["output_tokens"] or 0 for one in own)


def _total(parts: list[Any]) -> Any:
    known = [part for part in parts if part is not None]
    return pytest.approx(sum(known), abs=1e-6) if known else None


@given(stream=event_streams())
def test_what_a_call_was_told_stands_in_no_repr(stream: list[ev.CallEvent]) -> None:
    """Neither a record nor a call shows a raw value."""
    call = new_call()
    shown = repr([call.feed(event) for event in [started(room="call-5550100142"), *stream]]) + repr(call)
    assert "cough" not in shown
    assert "5550100142" not in shown
    assert "busy" not in shown


# ---- examples --------------------------------------------------------------------------------------------------------


def test_with_a_tool_in_between_the_wait_ends_at_the_first_sound() -> None:
    """TTFT-A runs from the end of speech over a silent response and its tool to the turn's first audio."""
    tape = Tape()(0, ev.TurnDetectionSet, silence_ms=500).says("i1", 1000, 3000)
    tape(3100, ev.ResponseStarted, response_id="r1")(3200, ev.ToolRequested, response_id="r1", call_id="t1")
    tape.done("r1", 3250).uses("t1", "check_availability", '{"outcome": "ok"}', 3300)
    tape.answers("r2", 3400, 3812.5, 4000)
    totals = tape.ends(9000)
    turn = tape.one("agent_turn")
    assert (turn["kind"], turn["ttft_ms"], turn["perceived_ms"], turn["slow"]) == ("reply", 812.5, 1312.5, False)
    assert (turn["responses"], turn["tool_calls"], turn["status"]) == (2, 1, "completed")
    assert turn["input_tokens"] == 600
    assert turn["cost_usd"] == pytest.approx(2 * COST) == totals["cost_usd"]
    tool, agent = tape.record("tool.check_availability"), tape.record("agent_turn")
    assert [parent.key for parent in tool.parents] == ["voice_session", agent.place.key]
    assert tape.one("user_turn")["audio_ms"] == 2000
    assert (totals["complete"], totals["missing"], totals["outcome"]) == (True, [], "informed")
    assert totals["duration_ms"] == 9000


def test_a_server_that_waits_for_no_fixed_silence_leaves_perceived_unknown() -> None:
    """With semantic turn detection `perceived_ms` is null while TTFT-A is not."""
    tape = Tape()(0, ev.TurnDetectionSet, silence_ms=None).says("i1", 0, 1000).answers("r1", 1100, 3000, 3100)
    tape.ends(5000)
    turn = tape.one("agent_turn")
    assert (turn["ttft_ms"], turn["perceived_ms"], turn["slow"]) == (2000, None, True)


def test_a_greeting_has_no_latency() -> None:
    """Before the caller has spoken there is nothing to wait from."""
    tape = Tape().answers("r1", 100, 400, 900)
    tape.ends(2000)
    turn = tape.one("agent_turn")
    assert (turn["kind"], turn["ttft_ms"], turn["perceived_ms"], turn["slow"]) == ("greeting", None, None, None)


def test_a_barge_in_marks_both_sides_and_is_billed() -> None:
    """Who interrupts, who is interrupted, and what the cut response cost are all there."""
    tape = Tape().says("i1", 0, 1000).__call__(1100, ev.ResponseStarted, response_id="r1")
    tape(1500, ev.AudioStarted, response_id="r1")(1600, ev.AgentStateChanged, old="thinking", new="speaking")
    tape(2500, ev.SpeechStarted, item_id="i2").done("r1", 2550, status="cancelled")
    tape(2600, ev.AgentStateChanged, old="speaking", new="listening")
    tape(3000, ev.SpeechStopped, item_id="i2").answers("r2", 3100, 3300, 3400)
    totals = tape.ends(6000)
    cut, answer = tape.all("agent_turn")
    assert (cut["interrupted"], cut["cancelled_responses"], cut["status"]) == (True, 1, "cancelled")
    assert cut["cost_usd"] == pytest.approx(COST)
    assert (answer["interrupted"], answer["ttft_ms"]) == (False, 300)
    assert [turn["interrupted_agent"] for turn in tape.all("user_turn")] == [False, True]
    assert (totals["interruptions"], totals["interruption_rate"]) == (1, 0.5)
    assert totals["usage"]["total_tokens"] == 800


def test_no_answer_leaves_the_caller_alone() -> None:
    """A caller whom nobody answers has abandoned; the trace says that there was no agent's turn."""
    totals = Tape().says("i1", 0, 1000).ends(20_000)
    assert (totals["outcome"], totals["agent_turns"], totals["interruption_rate"]) == ("abandoned", 0, None)
    assert (totals["complete"], totals["missing"], totals["cost_usd"]) == (False, ["agent_turn"], None)


def test_a_hang_up_in_the_middle_of_a_tool_closes_all() -> None:
    """The tool is cancelled, its turn is incomplete, what the unfinished response costs is unknown."""
    tape = Tape().says("i1", 0, 1000)(1100, ev.ResponseStarted, response_id="r1")
    tape(1200, ev.ToolRequested, response_id="r1", call_id="t1")
    tape(1300, ev.ToolStarted, call_id="t1", name="book_appointment", arguments='{"patient_name": "Jane Doe"}')
    totals = tape.ends(1500)
    tool, turn = tape.one("tool.book_appointment"), tape.one("agent_turn")
    assert (tool["outcome"], tool["incomplete"], tool["duration_ms"]) == ("cancelled", True, 200)
    assert tool["arguments"] == {"patient_name": "Jane Doe"}
    assert (turn["incomplete"], turn["cost_usd"], totals["cost_usd"]) == (True, None, None)
    assert "tool" not in totals["missing"]


def test_a_tool_without_a_span_is_missing() -> None:
    """A tool that was asked for and never ran is what `missing` is for."""
    tape = Tape().answers("r1", 0, 100, 200)(150, ev.ToolRequested, response_id="r1", call_id="t1")
    assert tape.ends(900)["missing"] == ["tool"]


def test_a_response_whose_beginning_was_lost_still_counts() -> None:
    """Its first trace opens the turn, incomplete, and its usage is billed."""
    tape = Tape().says("i1", 0, 1000)(1500, ev.AudioStarted, response_id="r1").done("r1", 1600)
    totals = tape.ends(3000)
    turn = tape.one("agent_turn")
    assert (turn["responses"], turn["ttft_ms"], turn["incomplete"]) == (1, 500, True)
    assert totals["cost_usd"] == pytest.approx(COST)


def test_a_response_that_ends_after_its_turn_is_billed_to_the_call() -> None:
    """A turn that was closed by the next one does not take its last tokens with it."""
    tape = Tape().says("i1", 0, 1000)(1100, ev.ResponseStarted, response_id="r1")
    tape.says("i2", 1200, 1300).answers("r2", 1400, 1500, 1600).done("r1", 1700)
    totals = tape.ends(3000)
    assert totals["usage"]["total_tokens"] == 800
    assert totals["cost_usd"] == pytest.approx(2 * COST)
    assert tape.all("agent_turn")[0]["cost_usd"] is None


def test_what_is_replayed_after_a_reconnect_counts_once() -> None:
    """Old items under new numbers change no count."""
    tape = Tape().says("i1", 0, 1000).answers("r1", 1100, 1200, 1300)(1400, ev.Reconnected)
    tape.says("i1", 1500, 1600).answers("r1", 1700, 1800, 1900)
    totals = tape.ends(3000)
    assert (totals["user_turns"], totals["agent_turns"], totals["reconnects"]) == (1, 1, 1)
    assert totals["usage"]["total_tokens"] == 400


def test_a_tool_call_whose_id_comes_again_is_a_second_run() -> None:
    """Each start is a run with a span and an outcome of its own, also before the first has ended."""
    tape = Tape().uses("t1", "book_appointment", '{"outcome": "ok"}', 100)
    tape.uses("t1", "book_appointment", '{"outcome": "failed"}', 200)
    assert tape.ends(900)["tool_calls"] == 2
    assert [run["outcome"] for run in tape.all("tool.book_appointment")] == ["ok", "failed"]

    tape = Tape()
    for at_ms in (100, 200):
        tape(at_ms, ev.ToolStarted, call_id="t1", name="book_appointment", arguments="{}")
    for at_ms in (300, 500):
        tape(at_ms, ev.ToolEnded, call_id="t1", status="done", output="{}")
    tape.ends(900)
    assert [run["duration_ms"] for run in tape.all("tool.book_appointment")] == [200, 300]


def test_an_utterance_that_was_cut_does_not_end_the_next() -> None:
    """A caller who starts twice before stopping has two turns, the first of them incomplete, and no third."""
    tape = Tape()(0, ev.SpeechStarted, item_id="i1")(1000, ev.SpeechStarted, item_id="i2")
    tape(1500, ev.SpeechStopped, item_id="i1")(3000, ev.SpeechStopped, item_id="i2")
    assert tape.ends(4000)["user_turns"] == 2
    first, second = tape.all("user_turn")
    assert (first["audio_ms"], first["incomplete"]) == (1000, True)
    assert (second["audio_ms"], second["incomplete"]) == (2000, False)


def test_time_that_goes_back_stands_still() -> None:
    """A tool that says to have begun before its turn begins with it: no span starts before its parent or lasts < 0."""
    tape = Tape().says("i1", 1000, 3000)(3100, ev.ResponseStarted, response_id="r1")
    tape(3200, ev.ToolRequested, response_id="r1", call_id="t1").uses("t1", "book_appointment", "{}", 500)
    tape.ends(100)
    tool, turn = tape.record("tool.book_appointment"), tape.record("agent_turn")
    assert tool.place.start_us == tool.end_us == WALL_US + 3_200_000
    assert tool.place.start_us > turn.place.start_us
    assert tape.one("session.end")["duration_ms"] == 3200


def test_a_response_that_never_ended_makes_the_cost_unknown() -> None:
    """What a call has cost is not known while a part of it was never billed."""
    tape = Tape().says("i1", 0, 100).answers("r1", 200, 300, 400).says("i2", 500, 600)
    totals = tape(700, ev.ResponseStarted, response_id="r2").ends(900)
    assert [turn["cost_usd"] for turn in tape.all("agent_turn")] == [pytest.approx(COST), None]
    assert (totals["cost_usd"], totals["usage"]["total_tokens"]) == (None, 400)


def test_an_unknown_price_is_null_for_the_turn_and_the_call() -> None:
    """Tokens are counted, dollars are not guessed."""
    tape = Tape(model="nobody-knows").answers("r1", 0, 100, 200)
    totals = tape.ends(900)
    assert (tape.one("agent_turn")["cost_usd"], totals["cost_usd"]) == (None, None)
    assert totals["usage"]["total_tokens"] == 400


def test_a_response_without_usage_makes_the_cost_unknown_unless_it_failed() -> None:
    """A provider that counts nothing for a finished response leaves a hole; a failed one is not billed."""
    assert Tape().answers("r1", 0, 100, 200).done("r2", 300, usage=None).ends(900)["cost_usd"] is None
    failed = Tape().answers("r1", 0, 100, 200).done("r2", 300, status="failed", usage=None)
    assert failed.ends(900)["cost_usd"] == pytest.approx(COST)
    assert failed.one("agent_turn")["error_type"] == "response_failed"


@pytest.mark.parametrize(
    ("tools", "fatal", "reason", "outcome"),
    [
        ([("check_availability", "ok"), ("book_appointment", "ok")], False, "caller_hung_up", "booked"),
        ([("book_appointment", "ok"), ("reschedule_appointment", "ok")], True, "error", "rescheduled"),
        ([("cancel_appointment", "ok"), ("get_opening_hours", "ok")], False, "agent_ended", "cancelled"),
        ([("a_stranger_s", "ok")], False, "agent_ended", "informed"),
        ([("book_appointment", "failed"), ("book_appointment", "ok")], False, "caller_hung_up", "booked"),
        ([("book_appointment", "ok"), ("get_opening_hours", "failed")], False, "caller_hung_up", "booked"),
        ([("book_appointment", "ok"), ("cancel_appointment", "failed")], False, "caller_hung_up", "failed"),
        ([("book_appointment", "ok"), ("book_appointment", "refused")], False, "caller_hung_up", "booked"),
        ([("book_appointment", "refused"), ("get_opening_hours", "failed")], False, "caller_hung_up", "failed"),
        ([("get_opening_hours", "ok"), ("check_availability", "timeout")], False, "caller_hung_up", "failed"),
        ([("get_opening_hours", "failed"), ("check_availability", "ok")], False, "caller_hung_up", "informed"),
        ([("book_appointment", "gone")], False, "caller_hung_up", "failed"),
        ([("get_opening_hours", "ok")], False, "caller_hung_up", "informed"),
        ([("check_availability", "ok")], True, "error", "failed"),
        ([("book_appointment", "refused")], False, "caller_hung_up", "refused"),
        ([("book_appointment", "failed")], False, "caller_hung_up", "failed"),
        ([("check_availability", "ok"), ("book_appointment", "timeout")], False, "caller_hung_up", "failed"),
        ([("book_appointment", "refused"), ("get_opening_hours", "ok")], False, "caller_hung_up", "refused"),
        ([("get_opening_hours", "cancelled")], False, "caller_hung_up", "informed"),
        ([], False, "process_lost", "failed"),
        ([], False, "limit", "informed"),
    ],
)
def test_the_outcome_is_what_the_caller_got(
    tools: list[tuple[str, str]], fatal: bool, reason: str, outcome: str
) -> None:
    """The last change counts, else how the last attempt at one ended, else what the caller was told."""
    tape = Tape().says("i1", 0, 100).answers("r1", 200, 300, 400)
    for number, (tool, said) in enumerate(tools):
        tape.uses(f"t{number}", tool, f'{{"outcome": "{said}"}}', 500 + number)
    if fatal:
        tape(700, ev.ErrorRaised, source="realtime", error_type="APIError", message="Jane Doe", recoverable=False)
    assert tape.ends(900, reason)["outcome"] == outcome
    assert tape.record("voice_session").status == ("error" if outcome == "failed" else "ok")


def test_an_error_stands_in_the_turn_and_in_the_call() -> None:
    """It has class, source and time; the turn that it met is marked."""
    tape = Tape().says("i1", 0, 100)(200, ev.ResponseStarted, response_id="r1")
    tape(250, ev.ErrorRaised, source="llm", error_type="APIError", message="slow", recoverable=True)
    totals = tape.ends(900)
    expected = {"error_type": "APIError", "error_message": "slow", "error_source": "llm", "error_recoverable": True}
    assert totals["errors"] == [{**expected, "at_ms": 250.0}]
    assert expected.items() <= tape.one("agent_turn").items()
    assert tape.record("agent_turn").status == "error"


@pytest.mark.parametrize("order", ["none", "before", "after", "long before"])
def test_a_response_that_failed_is_one_error(order: str) -> None:
    """Whether an error was raised of it or not, before or after it was seen to fail: it is listed once."""
    raised: dict[str, Any] = {"source": "realtime", "error_type": "APIError", "message": None, "recoverable": True}
    tape = Tape()
    if order == "long before":
        tape(50, ev.ErrorRaised, **raised)
    tape.says("i1", 100, 200)
    if order == "before":
        tape(250, ev.ErrorRaised, **raised)
    tape(300, ev.ResponseStarted, response_id="r1").done("r1", 400, status="failed", usage=None)
    if order == "after":
        tape(450, ev.ErrorRaised, **raised)
    errors = tape.ends(900)["errors"]
    assert [(one["error_type"], one["at_ms"]) for one in errors] == {
        "none": [("response_failed", 400.0)],
        "before": [("APIError", 250.0)],
        "after": [("APIError", 450.0)],
        "long before": [("APIError", 50.0), ("response_failed", 400.0)],
    }[order]
    assert tape.record("agent_turn").status == "error"


@pytest.mark.parametrize(
    ("status", "output", "outcome", "span_status"),
    [
        ("done", '{"outcome": "ok"}', "ok", "ok"),
        ("done", '{"outcome": "refused", "error_type": "slot_taken"}', "refused", "ok"),
        ("done", '{"outcome": "timeout"}', "timeout", "error"),
        ("done", "not json", "ok", "ok"),
        ("error", "it broke", "failed", "error"),
        ("cancelled", None, "cancelled", "ok"),
    ],
)
def test_a_refusal_is_no_failure(status: str, output: str, outcome: str, span_status: str) -> None:
    """A tool's span is an error only where the tool failed or took too long."""
    tape = Tape().answers("r1", 0, 100, 200).uses("t1", "book_appointment", output, 300, status=status)
    totals = tape.ends(900)
    assert (tape.one("tool.book_appointment")["outcome"], tape.record("tool.book_appointment").status) == (
        outcome,
        span_status,
    )
    assert totals["tool_failures"] == (span_status == "error")


def test_a_tool_whose_name_is_none_is_unnamed() -> None:
    """What the model invents as a tool's name becomes no span's name."""
    tape = Tape().uses("t1", "Jane Doe 555-0142", "{}", 100)
    tape.ends(900)
    assert tape.record("tool.unnamed").fields["outcome"] == "ok"


def test_the_callers_states_and_the_time_in_each() -> None:
    """Every change is there, and every millisecond of the call belongs to one state."""
    tape = Tape()(1000, ev.UserStateChanged, old="listening", new="speaking")
    tape(3000, ev.UserStateChanged, old="speaking", new="away")
    totals = tape.ends(10_000)
    assert totals["user_states"] == [
        {"from": "listening", "to": "speaking", "at_ms": 1000.0},
        {"from": "speaking", "to": "away", "at_ms": 3000.0},
    ]
    assert totals["time_in_state_ms"] == {"listening": 1000.0, "speaking": 2000.0, "away": 7000.0}


def test_a_gap_marks_what_is_open() -> None:
    """Told or seen in the numbers, a loss makes open turns and the call incomplete."""
    tape = Tape()(0, ev.SpeechStarted, item_id="i1")(100, ev.Gap, lost=3)(200, ev.SpeechStopped, item_id="i1")
    totals = tape.answers("r1", 300, 400, 500).ends(900)
    assert (totals["events_lost"], totals["missing"], totals["complete"]) == (3, ["events"], False)
    assert (tape.one("user_turn")["incomplete"], tape.one("agent_turn")["incomplete"]) == (True, False)

    tape = Tape()(0, ev.SpeechStarted, item_id="i1")(100, ev.SpeechStopped, item_id="i1", seq=5)
    totals = tape.answers("r1", 300, 400, 500).ends(900)
    assert (totals["events_lost"], tape.one("user_turn")["incomplete"]) == (3, True)


def test_an_utterance_that_was_never_heard_to_begin_has_no_length() -> None:
    """A stop without a start is a turn of unknown length, never of none."""
    tape = Tape()(500, ev.SpeechStopped, item_id="i1", audio_ms=500)(600, ev.SpeechStarted, item_id="i1")
    totals = tape.ends(900)
    assert (tape.one("user_turn")["audio_ms"], tape.one("user_turn")["incomplete"]) == (None, True)
    assert (totals["user_turns"], totals["missing"]) == (1, ["agent_turn", "user_turn"])


def test_a_long_call_keeps_its_summary_whole_and_its_series_short() -> None:
    """The series is spread over the call in as many samples as a policy lets through; the summary knows them all."""
    tape = Tape()
    for number in range(250):
        tape(10_000 * number, ev.QualitySampled, rtt_ms=float(number), jitter_ms=None, packet_loss=0.0)
    tape.ends(2_500_000)
    quality = tape.one("voice_session")["quality"]
    assert (quality["samples"], quality["rtt_ms"]) == (250, {"p50": 124.0, "max": 249.0})
    assert quality["jitter_ms"] == {"p50": None, "max": None}
    assert len(quality["series"]) <= 100
    assert (quality["series"][0]["at_ms"], quality["series"][-1]["at_ms"]) == (0.0, 2_490_000.0)


# ---- a pipeline ------------------------------------------------------------------------------------------------------


def pipeline_tape() -> Tape:
    return Tape(mode="pipeline", model="gpt-4o-mini", provider="openai", participant="sip_1")


def test_an_exchange_adds_its_stages_up() -> None:
    """Waits are the first request's, lengths and tokens are sums, and the latency is the sum of the three waits."""
    tape = pipeline_tape().says("i1", 100, 900)
    measured = {"end_of_utterance_delay": 0.5, "transcription_delay": None, "on_user_turn_completed_delay": 0.001}
    tape(1400, ev.UtteranceMeasured, **measured)
    tape(1405, ev.StageMeasured, stage="stt", key="1", audio_duration=0.8, streamed=True)
    tape(1410, ev.ResponseStarted, response_id="s1")
    about: dict[str, Any] = {"stage": "llm", "model": "gpt-4o-mini", "response_id": "s1", "usage": USAGE}
    tape(1900, ev.StageMeasured, **about, key="1", duration=0.45, first=0.3)
    tape(2500, ev.StageMeasured, **about, key="2", duration=0.55, first=0.7)
    tape(2800, ev.AudioStarted, response_id="s1")
    spoken: dict[str, Any] = {"stage": "tts", "response_id": "s1", "streamed": False}
    tape(2900, ev.StageMeasured, **spoken, key="1", duration=0.4, first=0.25, audio_duration=2.0, characters=30)
    tape(2950, ev.StageMeasured, **spoken, key="2", duration=0.2, first=0.1, audio_duration=1.0, characters=12)
    totals = tape.done("s1", 4000, usage=None).ends(5000)
    exchange = tape.one("conversation_turn")
    assert exchange["eou"] == measured
    assert exchange["stt"] == {"duration": None, "audio_duration": 0.8, "streamed": True}
    assert exchange["llm"] == {"ttft": 0.3, "duration": 1.0, "tokens_per_second": 200.0, "prompt_cached_tokens": 100}
    assert exchange["tts"] == {
        "ttfb": 0.25,
        "duration": 0.6,
        "audio_duration": 3.0,
        "characters": 42,
        "streamed": False,
    }
    assert (exchange["total_latency_ms"], exchange["slow"], exchange["incomplete"]) == (1050.0, False, False)
    assert (exchange["input_tokens"], exchange["output_tokens"], exchange["cost_usd"]) == (600, 200, None)
    assert (totals["usage"]["tts_characters"], totals["usage"]["tts_audio_seconds"]) == (42, 3.0)
    assert tape.one("agent_turn")["ttft_ms"] == 1900.0
    generation = next(record for record in tape.records if record.name == "llm_generation")
    assert (generation.end_us - generation.place.start_us, generation.end_us - WALL_US) == (450_000, 1_900_000)


def test_over_a_second_and_a_half_an_exchange_is_slow() -> None:
    """The latency of a pipeline is judged as a realtime model's: over 1.5 s the turn carries a warning."""
    for ttft, slow in ((0.7, False), (0.9, True)):
        tape = pipeline_tape().says("i1", 100, 900)
        delays = dict.fromkeys(("transcription_delay", "on_user_turn_completed_delay"))
        tape(1400, ev.UtteranceMeasured, end_of_utterance_delay=0.5, **delays)
        tape(1410, ev.ResponseStarted, response_id="s1")
        tape(2400, ev.StageMeasured, stage="llm", key="1", first=ttft)
        tape(2900, ev.StageMeasured, stage="tts", key="1", first=0.2)
        tape.ends(5000)
        assert tape.one("conversation_turn")["slow"] is slow


def test_a_part_that_is_not_known_makes_the_latency_unknown() -> None:
    """Without one of its three waits an exchange has no latency: it is null, never the sum of the rest."""
    tape = pipeline_tape().says("i1", 100, 900)
    tape(1410, ev.ResponseStarted, response_id="s1")(1900, ev.StageMeasured, stage="llm", key="1", first=0.3)
    tape.ends(5000)
    exchange = tape.one("conversation_turn")
    assert (exchange["total_latency_ms"], exchange["slow"], exchange["tts"]["ttfb"]) == (None, None, None)


def test_what_comes_late_stands_where_it_belongs_and_counts_once() -> None:
    """A request of an answer that is over stands under its exchange and counts in the call alone."""
    tape = pipeline_tape().says("i1", 100, 900)
    tape(1000, ev.ResponseStarted, response_id="s1")(1500, ev.SpeechStarted, item_id="i2")
    tape.done("s1", 1600, status="cancelled", usage=None)
    late: dict[str, Any] = {"stage": "tts", "key": "1", "response_id": "s1", "characters": 30}
    tape(1700, ev.StageMeasured, **late)(1750, ev.StageMeasured, **late)
    totals = tape.ends(5000)
    first, second = sorted(tape.all("conversation_turn"), key=lambda one: one["index"])
    assert (first["interrupted"], first["tts"]["characters"], second["status"]) == (True, None, "no_response")
    spoken = tape.record("tts_synthesis")
    assert [parent.key for parent in spoken.parents] == ["voice_session", "conversation_turn.0"]
    assert totals["usage"]["tts_characters"] == 30


def test_every_span_says_who_is_on_the_line_once_that_is_known() -> None:
    """Whoever comes stands on all spans from there on, the session's own among them."""
    tape = Tape()(10, ev.CallerIdentified, participant="sip_1").says("i1", 100, 200).answers("r1", 300, 400, 500)
    tape.uses("t1", "book_appointment", "{}", 600).ends(900)
    with_caller = {record.name for record in tape.records if record.fields.get("participant_id") == "sip_1"}
    assert with_caller == {"user_turn", "agent_turn", "tool.book_appointment", "session.end", "voice_session"}


def test_a_calls_end_lists_its_first_twenty_tools() -> None:
    """Each with name, outcome and time; how many there were in all stands beside, and so does what nobody mended."""
    tape = Tape().answers("r1", 0, 100, 200)
    for number in range(25):
        tape.uses(f"t{number}", "book_appointment", '{"outcome": "timeout"}', 300 + 20 * number)
    totals = tape.ends(900)
    assert totals["tools"] == [{"name": "book_appointment", "outcome": "timeout", "duration_ms": 10.0}] * 20
    assert (totals["tool_calls"], totals["unrecovered"]) == (25, True)
