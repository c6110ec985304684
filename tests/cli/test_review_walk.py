"""A sheet at the terminal: free texts first and one at a time, the rest in pages, each answer timed and kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer

from attestation.audits import POLICY
from medagent.audit.review import Worksheet, worksheet
from medagent.cli import review_walk
from medagent.cli.review_walk import PAGE, Progress, Sheet, walk
from spans import call

SHEET = Sheet(sha256="ab" * 32, content=worksheet(call(), POLICY))
PAGES = -(-len(SHEET.others) // PAGE)


class Reviewer:
    """Answers from a list, and takes the given seconds for each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: list[str], seconds: float = 3.0) -> None:
        self.asked: list[str] = []
        self._answers: Iterator[str] = iter(answers)
        self._seconds = seconds
        self._now = 0.0
        monkeypatch.setattr(review_walk.typer, "prompt", self._answer)

    def _answer(self, question: str, **_: object) -> str:
        self.asked.append(question.split("?", maxsplit=1)[0])
        self._now += self._seconds
        return next(self._answers)

    def clock(self) -> float:
        return self._now


def test_free_texts_come_first_and_each_is_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    free = [text for _, text in SHEET.free]
    assert [text.text for text in free] == ["a cough …"]
    reviewer = Reviewer(monkeypatch, ["y", "2", *[""] * (PAGES - 1)], seconds=10.0)
    [found] = walk([SHEET], {}, lambda _: None, clock=reviewer.clock).values()
    assert reviewer.asked == ["Leak", *["Leaks"] * PAGES]
    assert found.paths == (free[0].path, SHEET.others[1][1].path)
    assert found.free_text_ms == (10_000,)
    assert len(found.other_ms) == len(SHEET.others)
    assert set(found.other_ms[:PAGE]) == {10_000 // PAGE}
    shown = capsys.readouterr().out
    assert shown.index("a cough …") < shown.index(SHEET.others[0][1].text)


def test_an_answer_is_kept_at_once_and_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Progress] = {}
    reviewer = Reviewer(monkeypatch, ["", "1", "q"])
    with pytest.raises(typer.Exit):
        walk([SHEET], {}, kept.update, clock=reviewer.clock)
    again = Reviewer(monkeypatch, [""] * (PAGES - 1))
    [found] = walk([SHEET], kept, kept.update, clock=again.clock).values()
    assert again.asked == ["Leaks"] * (PAGES - 1)
    assert found.paths == (SHEET.others[0][1].path,)
    assert (len(found.free_text_ms), len(found.other_ms)) == (1, len(SHEET.others))


def test_a_sheet_counts_its_free_texts() -> None:
    sheet: Worksheet = SHEET.content
    assert (sheet.count(free=True), sheet.count(free=False)) == (1, len(SHEET.others))
    assert len(SHEET.others) > PAGE
