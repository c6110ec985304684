"""The form between the report and its pages: every word and figure stands here once, HTML and PDF only set it.

All texts are plain; a renderer escapes them or hands them on as data, never as markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Tone: TypeAlias = Literal["plain", "good", "bad", "quiet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A text and how it is meant; `code` is for what a machine wrote, `detail` is a quieter second line."""

    text: str
    tone: Tone = "plain"
    code: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's head; `weight` is its share of the width, a numeric one is set to the right."""

    title: str
    weight: float = 1.0
    numeric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Running text."""

    text: str
    tone: Tone = "plain"
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    """Sentences that do not follow from each other; numbered where one cites them by number."""

    items: tuple[str, ...]
    numbered: bool = False
    kind: Literal["bullets"] = "bullets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names and their values, one a line."""

    pairs: tuple[tuple[str, Cell], ...]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of as many cells as there are columns; `caption` says what they count, `total` that the last row sums up."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: bool = False
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart as SVG; `alt` says in words what it shows."""

    caption: str
    alt: str
    svg: str
    kind: Literal["figure"] = "figure"


Block: TypeAlias = Paragraph | Bullets | Facts | Table | Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A numbered part under its title; a `fresh` one begins a page of its own on paper."""

    anchor: str
    number: str
    title: str
    fresh: bool
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """Page one: what a reader in a hurry must not miss; a rehearsal's conclusion must not look like an audit's."""

    conclusion: str
    rehearsal: bool
    tone: Tone
    meaning: str
    launch: str
    scripted: str
    why: tuple[str, ...]
    signatures: tuple[Cell, ...]
    audited: Facts
    criteria: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The whole of it; `date` is the day on which the audit ended, `mark` is at the foot of every page.

    `example` is printed across every page; empty where the report is no example.
    """

    title: str
    subtitle: str
    date: str
    mark: str
    example: str
    cover: Cover
    sections: tuple[Section, ...]
