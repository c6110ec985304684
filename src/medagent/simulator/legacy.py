"""The beta's wire: what we say, told in its names and flat shapes, and what a client says in them, told in ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from medagent.simulator.protocol import Event

_PARTS = {"output_audio": "audio", "output_text": "text"}
_NAMES = {
    **{
        f"response.output_{part}.{stage}": f"response.{part}.{stage}"
        for part in ("audio", "audio_transcript", "text")
        for stage in ("delta", "done")
    },
    "conversation.item.added": "conversation.item.created",
}
_UNKNOWN = frozenset({"conversation.item.done", "input_audio_buffer.timeout_triggered"})
_SAME_IN_SESSION = ("id", "object", "expires_at", "instructions", "tools", "tracing")
_MODEL = "gpt-realtime"


def to_legacy(event: Event) -> Event | None:
    """A server event of ours as the beta sends it; None for one that it does not have."""
    if event["type"] in _UNKNOWN:
        return None
    told = {**event, "type": _NAMES.get(event["type"], event["type"])}
    for name, tell in _TELLS.items():
        if isinstance(told.get(name), dict):
            told[name] = tell(told[name])
    if told["type"] == "response.function_call_arguments.done":
        del told["name"]
    return told


def from_legacy(event: Event) -> Event:
    """A client event of the beta in our names and shapes."""
    heard = dict(event)
    if event["type"] == "session.update":
        heard["session"] = _heard_session(event["session"])
    if isinstance(event.get("response"), dict):
        heard["response"] = _heard_response(event["response"])
    if isinstance(event.get("item"), dict) and "content" in event["item"]:
        back = {old: new for new, old in _PARTS.items()}
        heard["item"] = {**event["item"], "content": [_renamed(part, back) for part in event["item"]["content"]]}
    return heard


def _told_session(session: Event) -> Event:
    heard, said = session["audio"]["input"], session["audio"]["output"]
    detection = heard["turn_detection"]
    choice = session["tool_choice"]
    return {
        **{name: session[name] for name in _SAME_IN_SESSION},
        "model": _MODEL,
        "modalities": _told_modalities(session["output_modalities"]),
        "tool_choice": choice if isinstance(choice, str) else str(choice.get("name")),
        "max_response_output_tokens": session["max_output_tokens"],
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": heard["transcription"],
        "input_audio_noise_reduction": heard["noise_reduction"],
        "turn_detection": detection and {name: it for name, it in detection.items() if name != "idle_timeout_ms"},
        "voice": said["voice"],
        "speed": said["speed"],
    }


def _told_response(response: Event) -> Event:
    told = {name: it for name, it in response.items() if name not in ("audio", "output_modalities")}
    told["modalities"] = _told_modalities(response["output_modalities"])
    told["voice"] = response["audio"]["output"]["voice"]
    told["output_audio_format"] = "pcm16"
    told["max_output_tokens"] = response["max_output_tokens"]
    told["output"] = [_told_item(item) for item in response["output"]]
    if response["usage"] is not None:
        taken = response["usage"]["input_token_details"]
        kept = {name: taken[name] for name in ("text_tokens", "audio_tokens", "cached_tokens")}
        told["usage"] = {**response["usage"], "input_token_details": kept}
    return told


def _told_item(item: Event) -> Event:
    return {**item, "content": [_renamed(part, _PARTS) for part in item["content"]]} if "content" in item else item


def _told_modalities(modalities: list[str]) -> list[str]:
    return ["audio", "text"] if "audio" in modalities else modalities


def _renamed(part: Event, names: Mapping[str, str]) -> Event:
    return {**part, "type": names.get(part["type"], part["type"])}


def _heard_session(session: Event) -> Event:
    heard: Event = {"type": "realtime", **_given(session, instructions="instructions", tools="tools")}
    heard |= _given(
        session, tool_choice="tool_choice", tracing="tracing", max_response_output_tokens="max_output_tokens"
    )
    if "modalities" in session:
        heard["output_modalities"] = ["audio"] if "audio" in session["modalities"] else ["text"]
    said = _given(session, voice="voice", speed="speed")
    taken = _given(
        session,
        turn_detection="turn_detection",
        input_audio_transcription="transcription",
        input_audio_noise_reduction="noise_reduction",
    )
    heard["audio"] = {"input": taken, "output": said}
    return heard


def _heard_response(response: Event) -> Event:
    heard = _given(response, metadata="metadata", instructions="instructions", conversation="conversation")
    if "modalities" in response:
        heard["output_modalities"] = ["audio"] if "audio" in response["modalities"] else ["text"]
    return heard


def _given(source: Event, **names: str) -> Event:
    return {new: source[old] for old, new in names.items() if old in source}


_TELLS: Mapping[str, Callable[[Any], Any]] = {
    "session": _told_session,
    "response": _told_response,
    "item": _told_item,
}
