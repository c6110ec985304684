"""The sheets of an audit at a terminal: free texts first, one at a time, then the rest in pages; each is timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import typer
from pydantic import BaseModel, ConfigDict, Field
from rich.text import Text

from medagent.attestation.statements import TraceRead
from medagent.audit.review import SheetSpan, SheetText, Worksheet
from medagent.cli.output import console
from medagent.errors import AttestationError

PAGE = 20
"""Texts on one page that are not free."""
_QUIET = "bright_black"
_LATER = "q"
_TOGETHER = "\N{NO-BREAK SPACE}"

Clock = Callable[[], float]
"""Seconds of a monotonic clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A worksheet with the digest by which the report names it."""

    sha256: str
    content: Worksheet

    @property
    def free(self) -> list[tuple[SheetSpan, SheetText]]:
        """The free texts with their spans, in the order of the sheet."""
        return [(span, text) for span in self.content.spans for text in span.texts if text.free]

    @property
    def others(self) -> list[tuple[SheetSpan, SheetText]]:
        """The other texts with their spans, in the order of the sheet."""
        return [(span, text) for span in self.content.spans for text in span.texts if not text.free]


def answered(sheet: Sheet, paths: Sequence[str], free_text_ms: Sequence[int], other_ms: Sequence[int]) -> TraceRead:
    """Return the answer for one sheet; raises `AttestationError` for a path that it does not have."""
    unknown = set(paths) - set(sheet.content.paths)
    if unknown:
        raise AttestationError(f"trace {sheet.content.trace_id} has no text at {min(unknown)}")
    return TraceRead(
        trace_id=sheet.content.trace_id,
        worksheet_sha256=sheet.sha256,
        verdict="leak" if paths else "clean",
        paths=tuple(dict.fromkeys(paths)),
        seconds=(sum(free_text_ms) + sum(other_ms)) // 1000,
        free_text_ms=tuple(free_text_ms),
        other_ms=tuple(other_ms),
    )


class Progress(BaseModel):
    """How far one sheet is read: leaks so far, and the milliseconds for each text that was read, in their order."""

    model_config = ConfigDict(extra="forbid")

    sha256: str
    leaks: list[str] = Field(default_factory=list)
    free_text_ms: list[int] = Field(default_factory=list)
    other_ms: list[int] = Field(default_factory=list)


def walk(
    sheets: Sequence[Sheet],
    read: Mapping[str, Progress],
    keep: Callable[[Mapping[str, Progress]], None],
    *,
    clock: Clock = time.monotonic,
) -> dict[str, TraceRead]:
    """Ask for each text that is not answered yet, and keep each answer at once.

    Raises `typer.Exit` where the reviewer wants to go on later.
    """
    done = dict(read)
    for number, sheet in enumerate(sheets, 1):
        at = done.setdefault(sheet.content.trace_id, Progress(sha256=sheet.sha256))
        free, others = sheet.free, sheet.others
        if (len(at.free_text_ms), len(at.other_ms)) != (len(free), len(others)):
            console().rule(f"call {number} of {len(sheets)}: {len(free)} free texts, {len(others)} others")
        while len(at.free_text_ms) < len(free):
            _free_text(free, at, clock)
            keep(done)
        while len(at.other_ms) < len(others):
            _page(others[len(at.other_ms) :][:PAGE], at, clock)
            keep(done)
    return {
        sheet.content.trace_id: answered(sheet, at.leaks, at.free_text_ms, at.other_ms)
        for sheet in sheets
        for at in (done[sheet.content.trace_id],)
    }


def _free_text(texts: Sequence[tuple[SheetSpan, SheetText]], at: Progress, clock: Clock) -> None:
    number = len(at.free_text_ms)
    span, text = texts[number]
    console().print(_span(span))
    console().print(_text(f"[{number + 1}/{len(texts)}]", span, text))
    began = clock()
    said = _asked("Leak? y, Enter for none", lambda word: word in ("", "n", "y"), "y, or nothing")
    at.free_text_ms.append(_ms(began, clock))
    if said == "y":
        at.leaks.append(text.path)


def _page(page: Sequence[tuple[SheetSpan, SheetText]], at: Progress, clock: Clock) -> None:
    """A page's time is parted among its texts alike."""
    last: SheetSpan | None = None
    for number, (span, text) in enumerate(page, 1):
        if span is not last:
            console().print(_span(span))
            last = span
        console().print(_text(f"[{number}]", span, text))
    began = clock()
    said = _asked("Leaks? their numbers, Enter for none", _numbers(len(page)), f"numbers from 1 to {len(page)}")
    at.other_ms += [_ms(began, clock) // len(page)] * len(page)
    at.leaks += [page[int(each) - 1][1].path for each in said.replace(",", " ").split()]


def _numbers(most: int) -> Callable[[str], bool]:
    def fits(said: str) -> bool:
        return all(each.isdecimal() and 1 <= int(each) <= most for each in said.replace(",", " ").split())

    return fits


def _asked(question: str, fits: Callable[[str], bool], expected: str) -> str:
    """An answer that fits; leaves the program where the reviewer wants to go on later."""
    while True:
        said = str(typer.prompt(f"{question}, {_LATER} to go on later", default="", show_default=False)).strip().lower()
        if said == _LATER:
            console().print("kept: the same command goes on from here")
            raise typer.Exit(3)
        if fits(said):
            return said
        console().print(f"answer: expected {expected}", style="red")


def _span(span: SheetSpan) -> Text:
    style = "bold red" if span.status == "error" else "bold"
    times = f"  at {span.start_ms / 1000:,.2f} s, {span.duration_ms:,.0f} ms"
    return Text.assemble("  " * span.depth, (span.name, style), (times, _QUIET))


def _text(number: str, span: SheetSpan, text: SheetText) -> Text:
    short = text.path.split(span.name, 1)[-1].lstrip(".")
    return Text.assemble(
        "  " * (span.depth + 1), (f"{number}{_TOGETHER}{short}{_TOGETHER}", _QUIET), _visible(text.text)
    )


def _visible(text: str) -> str:
    """The text with what a terminal would obey written out."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _ms(began: float, clock: Clock) -> int:
    return int((clock() - began) * 1000)
