"""Planted values looked for in all that left: every reading of the text under every wrapping, nested as they come.

A value that is wrapped more than `DEPTH` times, encrypted, drawn in an image or spoken in a sound is not found.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from medagent.audit import wrappings
from medagent.audit.needles import Needles, Place
from medagent.audit.planted import Planted
from medagent.audit.readings import NOT_ALNUM, NOT_DIGITS, NOT_LETTERS, fold, spelled, spoken

READINGS = ("plain", "fold", "letters", "digits", "spoken", "spelled")
WRAPPINGS = (*wrappings.OF_TEXT, *wrappings.OF_BYTES)
ALL = (*READINGS, *WRAPPINGS)
"""What a search can read; each finds something that no other does."""

DEPTH = 5
_OF_NOISE = ("hex", "base64")
"""What may make anything of a digest: the digits of so much noise, all joined, would be every date there is."""
_MOST = 256 << 20
_AROUND = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A planted value outside: which, in which of its forms, under which encoding (`base64>gzip>fold`), where."""

    planted_id: str
    letter: str
    form: str
    encoding: str
    channel: str
    path: str
    around: str = field(default="", repr=False, compare=False)
    """The text that it stands in, as it was read."""


@dataclass(frozen=True, slots=True)
class _Owner:
    planted: Planted
    form: str


class Search:
    """Looks for planted values; `encodings` is for proving that each of `ALL` is needed (`ValueError` for another)."""

    def __init__(self, planted: Iterable[Planted], *, encodings: Iterable[str] = ALL) -> None:
        self._encodings = frozenset(encodings)
        if unknown := self._encodings - frozenset(ALL):
            raise ValueError(f"not an encoding: {', '.join(sorted(unknown))}")
        self._owners: list[_Owner] = []
        exact: dict[bytes, list[int]] = {}
        alnum: dict[bytes, list[int]] = {}
        for value in planted:
            for form, texts in value.forms.items():
                self._owners.append(_Owner(value, form))
                for text in _misread(("".join(texts), " ".join(texts)) if form == "split" else texts):
                    owner = len(self._owners) - 1
                    for needle in _bytes_of(text):
                        exact.setdefault(needle, []).append(owner)
                    if form != "bytes":
                        for needle in self._read(text):
                            alnum.setdefault(needle, []).append(owner)
        self._exact, self._alnum = Needles(exact), Needles(alnum)
        self._letters = Needles({text: owners for text, owners in alnum.items() if text.isalpha()})
        self._digits = Needles({text: owners for text, owners in alnum.items() if text.isdigit()})

    @property
    def chance(self) -> float:
        """Hits to be expected by chance at each byte of random letters and digits: an upper bound."""
        return self._exact.chance + 3 * (self._alnum.chance + self._letters.chance + self._digits.chance)

    def look(self, data: bytes, *, channel: str, path: str) -> list[Hit]:
        """Each planted value and form in `data`, once, under the first encoding that shows it.

        Raises `TooMuchError` where `data` grows so much when it is inflated that it cannot be searched to its end.
        """
        found: dict[tuple[str, str], Hit] = {}
        for chain, layer in self._layers(data):
            for reading, read, places in self._readings(
                layer, apart=bool(chain) and chain[-1] in _OF_NOISE and not _is_text(layer)
            ):
                for place in places:
                    value, form = self._owners[place.owner].planted, self._owners[place.owner].form
                    if (value.planted_id, form) not in found:
                        found[value.planted_id, form] = Hit(
                            planted_id=value.planted_id,
                            letter=value.letter,
                            form=form,
                            encoding=">".join((*chain, reading)),
                            channel=channel,
                            path=path,
                            around=_around(read, place),
                        )
        return list(found.values())

    def look_fields(self, fields: Sequence[tuple[str, str]], *, channel: str, path: str) -> list[Hit]:
        """What runs across the borders of fields (path, text): neighbours, and fields of one name in their order."""
        series: dict[str, list[str]] = {}
        for where, text in fields:
            name = where.rstrip("[]0123456789.").replace("/", ".").rpartition(".")[2]
            series.setdefault(name, []).append(text)
        hits = self.look("\n".join(text for _, text in fields).encode("utf-8", "replace"), channel=channel, path=path)
        seen = {(hit.planted_id, hit.form) for hit in hits}
        for name, texts in series.items():
            if 1 < len(texts) < len(fields):
                joined = "\n".join(texts).encode("utf-8", "replace")
                for hit in self.look(joined, channel=channel, path=f"{path}:{name}"):
                    if (hit.planted_id, hit.form) not in seen:
                        seen.add((hit.planted_id, hit.form))
                        hits.append(hit)
        return hits

    def _read(self, text: str) -> set[bytes]:
        """A form's letters and digits in each way in which a haystack may be read."""
        folded = fold(text)
        return {
            read.encode("utf-8", "replace").translate(None, NOT_ALNUM)
            for read in (folded, spoken(folded), spelled(folded), spelled(spoken(folded)))
        }

    def _layers(self, data: bytes) -> Iterator[tuple[tuple[str, ...], bytes]]:
        """The data, and all that comes out of it, outermost first, each content once."""
        waiting: deque[tuple[tuple[str, ...], bytes]] = deque([((), data)])
        seen: set[bytes] = set()
        size = 0
        while waiting:
            chain, layer = waiting.popleft()
            digest = hashlib.blake2b(layer, digest_size=16).digest()
            if digest in seen:
                continue
            seen.add(digest)
            size += len(layer)
            if size > max(_MOST, 20 * len(data)):
                raise wrappings.TooMuchError(f"more than {size >> 20} MiB come out of a document")
            yield chain, layer
            if len(chain) == DEPTH:
                continue
            text = wrappings.readable(layer)
            for kinds, source in ((wrappings.OF_TEXT, text), (wrappings.OF_BYTES, layer)):
                for name, unwrap in kinds.items():
                    if name in self._encodings:
                        waiting.extend(((*chain, name), inner) for inner in unwrap(source))

    def _readings(self, layer: bytes, *, apart: bool) -> Iterator[tuple[str, bytes, Iterator[Place]]]:
        """Each reading of a layer and what is found in it; `apart` joins no digits or letters over what is no text."""
        not_alnum, not_letters, not_digits = (
            dropped.replace(b"\n", b"") if apart else dropped for dropped in (NOT_ALNUM, NOT_LETTERS, NOT_DIGITS)
        )
        if "plain" in self._encodings:
            yield "plain", layer, self._exact.places(layer, layer, b"")
        folded = fold(wrappings.readable(layer).decode("utf-8", "replace"))
        if "fold" in self._encodings:
            yield self._in("fold", folded, not_alnum, self._alnum)
        if "letters" in self._encodings:
            yield self._in("letters", folded, not_letters, self._letters)
        if "digits" in self._encodings:
            yield self._in("digits", folded, not_digits, self._digits)
        said = spoken(folded) if "spoken" in self._encodings else folded
        if said != folded:
            yield self._in("spoken", said, not_alnum, self._alnum)
            yield self._in("spoken", said, not_digits, self._digits)
        letters = spelled(said) if "spelled" in self._encodings else said
        if letters != said:
            yield self._in("spelled", letters, not_alnum, self._alnum)
            yield self._in("spelled", letters, not_letters, self._letters)

    @staticmethod
    def _in(reading: str, text: str, dropped: bytes, needles: Needles) -> tuple[str, bytes, Iterator[Place]]:
        raw = text.encode("utf-8", "replace")
        return reading, raw, needles.places(raw.translate(None, dropped), raw, dropped)


def _around(read: bytes, place: Place) -> str:
    return read[max(0, place.start - _AROUND) : place.stop + _AROUND].decode("utf-8", "backslashreplace")


def _is_text(layer: bytes) -> bool:
    try:
        layer.decode()
    except UnicodeDecodeError:
        return False
    return True


def _misread(texts: Iterable[str]) -> Iterator[str]:
    """Each text, and what becomes of its accents where somebody takes UTF-8 for Latin-1."""
    for text in texts:
        yield from dict.fromkeys((text, text.encode().decode("latin-1")))


def _bytes_of(text: str) -> set[bytes]:
    """The text in UTF-8, and in Latin-1 where it has all its signs."""
    try:
        return {text.encode(), text.encode("latin-1")}
    except UnicodeEncodeError:
        return {text.encode()}
