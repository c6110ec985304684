"""Builds the names of the audit's second reader, offline: `python -m scripts.build_second_names`.

Needs the packages `faker` and `english-words`, which the redactor's lists are not made of; what each is under is in
`src/medagent/audit/SOURCES.md`. The same sources give the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from english_words import get_english_words_set
from faker.providers import person

OUT = Path(__file__).parent.parent / "src" / "medagent" / "audit" / "data" / "names.txt.gz"
_NAME = re.compile(r"[^\W\d_]{2,}(?:['’-][^\W\d_]+)*")
_ENDINGS = ("s", "es", "d", "ed", "ing", "er", "ers", "ly")
_ALSO_WORDS = {  # of clinics and of our time, or written with a capital in the dictionary
    *("cis", "del", "english", "french", "macho", "magna", "metro", "muslim", "nicu", "okey", "parkinson", "plana"),
    *("tia", "vena", "von"),
}
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff'’-]+")


def names() -> set[str]:
    """Every first and last name of every language of Faker that is written in Latin letters, in lower case."""
    found: set[str] = set()
    for module in pkgutil.iter_modules(person.__path__):
        provider = importlib.import_module(f"{person.__name__}.{module.name}").Provider
        lists = (getattr(provider, name) for name in dir(provider) if "first_name" in name or "last_name" in name)
        for each in lists:
            if isinstance(each, tuple | list | dict):
                found |= set(_words(each))
    return found


def _words(texts: Iterable[object]) -> Iterator[str]:
    for text in texts:
        if isinstance(text, str) and _LATIN.fullmatch(text.replace(" ", "")):
            yield from (word.lower().replace("’", "'") for word in _NAME.findall(text))


def is_word(name: str, english: set[str]) -> bool:
    """Whether it is a word of English too, as it stands or without an ending; so are those of two letters."""
    stems = {name.removesuffix(ending) + more for ending in _ENDINGS if name.endswith(ending) for more in ("", "e")}
    stems |= {name[:-3] + "y"} if name.endswith("ies") else set()
    return (
        len(name) == 2
        or name in _ALSO_WORDS
        or name in english
        or any(len(stem) > 2 and stem in english for stem in stems)
    )


def main() -> None:
    """Write the list: a name a line, `?` behind one that is a word."""
    english = {word for word in get_english_words_set(["web2"]) if word.islower()}
    lines = [name + ("?" if is_word(name, english) else "") for name in sorted(names())]
    text = "".join(f"{line}\n" for line in lines)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(len(lines), "names,", sum(line.endswith("?") for line in lines), "of them words")  # noqa: T201  # its output
    print("SHA-256, unpacked:", hashlib.sha256(text.encode()).hexdigest())  # noqa: T201  # its output


if __name__ == "__main__":
    main()
