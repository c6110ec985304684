"""A call's timeline as lines of a terminal: no line longer than the width, ASCII where the output holds no more."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from medagent.cli.call_rows import CallRows, Row, Wait, number, seconds
from medagent.proof import Json

SHOWN_SILENCE_MS = 1000.0
"""A silence from this length on has a row of its own; `--json` has all."""

_NARROWEST, _WIDEST = 60, 140
_PLAIN = str.maketrans({"–": "-", "…": "...", "·": ".", "“": '"', "”": '"', "’": "'", "—": "-", "é": "e"})
_MOST_PARTS = 3
_UNBROKEN = "\x00"
_FIGURE = re.compile(r"(\d) (s|ms|%)(?=\W|$)")
_MEDIA = (("rtt_ms", "round trip", " ms"), ("jitter_ms", "jitter", " ms"), ("packet_loss", "loss", " %"))
_STYLES = {"caller": "magenta", "agent": "cyan", "tool": "green", "silence": "yellow", "line": "red", "error": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The characters of the bars."""

    agent: str
    wait: str
    caller: str
    tool: str
    idle: str
    moment: str


ASCII = Marks(agent="#", wait=".", caller="=", tool="+", idle="-", moment="|")
BLOCKS = Marks(agent="█", wait="░", caller="▒", tool="■", idle="─", moment="│")


def print_timeline(call: CallRows, *, to: Console) -> None:
    """Print a call: its worst wait, its figures, a line for each thing that happened, the media connection."""
    marks = marks_for(to.encoding)
    for line in timeline(call, width=max(_NARROWEST, min(_WIDEST, to.width)), marks=marks):
        line.plain = encodable(line.plain, to.encoding)
        to.print(line, soft_wrap=True)


def marks_for(encoding: str) -> Marks:
    """Return the blocks where an encoding has them, else ASCII."""
    try:
        "".join((BLOCKS.agent, BLOCKS.wait, BLOCKS.caller, BLOCKS.tool, BLOCKS.idle, BLOCKS.moment)).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS


def encodable(text: str, encoding: str) -> str:
    """Return a text with nothing that an encoding cannot hold."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    except LookupError:
        return text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")
    return text


def timeline(call: CallRows, *, width: int, marks: Marks) -> Iterator[Text]:
    """Yield the lines, none of them longer than `width`."""
    yield from _wrapped(slowest_line(call), width, style="bold" if call.slowest else "yellow")
    yield from _wrapped(_about(call), width)
    yield from _gaps(call, width)
    yield Text("")
    bar = max(10, min(40, (width - 47) // 2))
    scale = clock(call.duration_ms)[:-2]
    yield Text(f" offset 0{scale:>{bar - 1}}   took who", style="bright_black")
    for row in call.rows:
        if row.who != "silence" or (row.duration_ms or 0.0) >= SHOWN_SILENCE_MS or _is_slowest(row, call.slowest):
            yield from _lines(row, call, bar=bar, width=width, marks=marks)
    yield Text("")
    named = {
        marks.caller: "caller speaks",
        marks.wait: "caller waits",
        marks.agent: "agent heard",
        marks.tool: "tool",
        marks.idle: "agent waits",
        marks.moment: "moment",
    }
    legend = "  ".join(f"{mark} {said}".replace(" ", _UNBROKEN) for mark, said in named.items())
    yield from _wrapped(legend, width, style="bright_black")
    yield from _wrapped(_media(call.session.get("quality")), width)


def slowest_line(call: CallRows) -> str:
    """Return the worst wait in a sentence: how long, where, before which turn, and why."""
    wait = call.slowest
    if wait is None:
        return "Slowest: no wait was measured: the trace has no first sound of the agent"
    if wait.turn is None:
        where = "until the caller spoke again" if wait.is_cut_by_caller else "unanswered when the call ended"
    else:
        kind = f" ({wait.turn_kind})" if wait.turn_kind not in (None, "reply", "None") else ""
        where = f"before agent turn {wait.turn}{kind}"
    parts = [f"{name} {seconds(value)}" for name, value in list(wait.parts.items())[:_MOST_PARTS]]
    parts += ["the model's server reconnected"] if wait.has_reconnect else []
    parts += wait.errors
    why = ", ".join(parts) or "its parts were not seen"
    return f"Slowest: {seconds(wait.duration_ms)} at {clock(wait.at_ms)[:-2]} {where}: {why}"


def clock(at_ms: float) -> str:
    """Write a moment as minutes, seconds and tenths."""
    tenths = round(at_ms / 100)
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _about(call: CallRows) -> str:
    end = call.end
    names = ("dead_air_ms", "dead_air_longest_ms", "caller_silence_ms")
    dead, longest, silent = (seconds(number(end.get(name))) for name in names)
    said = [
        f"Call {call.trace_id[:8]}: {end.get('outcome') or '–'}, {end.get('reason') or 'no end in the trace'}",
        seconds(call.duration_ms),
        f"dead air {dead} (longest {longest})",
        f"caller silence {silent}",
    ]
    for name in ("interruptions", "reconnects"):
        count = number(end.get(name))
        said.append(f"{name} {'–' if count is None else round(count)}")
    return ", ".join(said)


def _gaps(call: CallRows, width: int) -> Iterator[Text]:
    """Say what the trace does not have."""
    missing = call.end.get("missing")
    if isinstance(missing, list) and missing:
        names = ", ".join(str(name) for name in missing)
        yield from _wrapped(f"Incomplete: the trace has no, or not all of: {names}", width, style="red")
    if call.consent == "refused":
        said = "The caller did not consent: turns, tools and totals were deleted or never stored"
        yield from _wrapped(said, width, style="yellow")
    elif not call.end:
        yield from _wrapped("The trace has no session.end: its totals are unknown (–)", width, style="red")
    elif call.end.get("dead_air_ms") is None or call.end.get("caller_silence_ms") is None:
        said = "Silence is unknown (–) where its bounds were not seen: lost events, unheard speech, or a text channel"
        yield from _wrapped(said, width, style="yellow")


def _lines(row: Row, call: CallRows, *, bar: int, width: int, marks: Marks) -> Iterator[Text]:
    spoken_ms = row.duration_ms
    if row.kind == "agent_turn" and spoken_ms is not None:
        spoken_ms = None if row.sound_ms is None else row.at_ms + spoken_ms - row.sound_ms
    is_moment = row.duration_ms is None or row.kind == "agent_handoff"
    took = "" if is_moment else seconds(spoken_ms)
    head = f"{clock(row.shown_ms):>7} {_bar(row, call, bar, marks)} {took:>6} {row.who:<7} "
    notes = [*row.notes, *(["not heard"] if took == "–" else [])]
    for place, piece in enumerate(_pieces(notes, width - len(head))):
        line = Text()
        if place == 0:
            line.append(head[:8], style="bright_black")
            line.append(head[8 : 8 + bar], style=_STYLES[row.who])
            line.append(head[8 + bar : 16 + bar])
            line.append(head[16 + bar :], style=_STYLES[row.who])
        else:
            line.append(" " * len(head))
        line.append(piece, style="red" if row.is_bad else "")
        yield line


def _pieces(notes: list[str], width: int) -> list[str]:
    """The notes in lines; a note is broken only where it is longer than a line."""
    lines: list[str] = []
    for note in notes:
        joined = f"{lines[-1]}; {note}" if lines else note
        if lines and len(joined) <= width:
            lines[-1] = joined
        else:
            lines += _broken(note, width) or [""]
    return lines or [""]


def _bar(row: Row, call: CallRows, width: int, marks: Marks) -> str:
    cells = [" "] * width

    def fill(start_ms: float, end_ms: float, mark: str) -> None:
        whole = max(call.duration_ms, 1.0)
        first = min(width - 1, int(start_ms / whole * width))
        last = min(width - 1, max(first, int((end_ms / whole) * width - 0.0001)))
        cells[first : last + 1] = mark * (last + 1 - first)

    end_ms = row.at_ms + (row.duration_ms or 0.0)
    if row.duration_ms is None or row.kind == "agent_handoff":
        fill(row.at_ms, row.at_ms, marks.moment)
    elif row.who == "agent":
        heard_ms = end_ms if row.sound_ms is None else row.sound_ms
        fill(row.at_ms, heard_ms, marks.wait)
        if row.sound_ms is not None:
            fill(heard_ms, end_ms, marks.agent)
    else:
        mark = {"caller": marks.caller, "tool": marks.tool}.get(row.who, marks.idle)
        fill(row.at_ms, end_ms, marks.wait if row.kind == "dead_air" else mark)
    return "".join(cells)


def _is_slowest(row: Row, wait: Wait | None) -> bool:
    return wait is not None and row.kind == "dead_air" and abs(row.at_ms - wait.at_ms) < 1.0


def _media(quality: Json) -> str:
    if not isinstance(quality, Mapping) or not number(quality.get("samples")):
        return "Media quality: not seen (no sample of the connection)"
    said = []
    for name, title, unit in _MEDIA:
        summary = quality.get(name)
        known = summary if isinstance(summary, Mapping) else {}
        factor = 100 if name == "packet_loss" else 1
        values = [number(known.get(figure)) for figure in ("p50", "max")]
        p50, most = (("–" if value is None else f"{value * factor:.3g}{unit}") for value in values)
        said.append(f"{title} p50 {p50}, max {most}{_worst_at(quality, name)}")
    return f"Media quality ({quality.get('samples')} samples): " + "; ".join(said)


def _worst_at(quality: Mapping[str, Json], name: str) -> str:
    series = quality.get("series")
    looks = [one for one in series if isinstance(one, Mapping)] if isinstance(series, list) else []
    pairs = [(number(one.get(name)), number(one.get("at_ms"))) for one in looks]
    known = [(value, at_ms) for value, at_ms in pairs if value is not None and at_ms is not None]
    return f" at {clock(max(known)[1])[:-2]}" if known else ""


def _wrapped(text: str, width: int, *, style: str = "") -> Iterator[Text]:
    for line in _broken(text, width, indent="  "):
        yield Text(line, style=style)


def _broken(text: str, width: int, *, indent: str = "") -> list[str]:
    """Lines of a text; no figure is parted from its unit."""
    kept = _FIGURE.sub(rf"\1{_UNBROKEN}\2", text)
    lines = textwrap.wrap(kept, width, subsequent_indent=indent, break_long_words=True, break_on_hyphens=False)
    return [line.replace(_UNBROKEN, " ") for line in lines]
