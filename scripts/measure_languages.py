"""Measure which texts are withheld for their language: `python -m scripts.measure_languages DIR`.

DIR holds files `NAME.CODE.txt` of one text a line, CODE being the language's, such as `ntrex.es.txt`. Texts of fewer
than five words (of Chinese and Japanese: five signs) are left out. `bare` is the text as speech recognition prints it:
in lower case, without accents, tones and signs.
"""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections import Counter
from pathlib import Path

from medagent.redaction.text import KnownValues, scrub

_FEWEST = 5
_SPACELESS = ("zh", "ja")
_NOBODY = KnownValues()


def main() -> None:
    """Print for each file how many texts were withheld, and for which languages."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--most", type=int, default=500, help="texts of each file, from its beginning")
    options = parser.parse_args()
    for path in sorted(options.directory.glob("*.*.txt")):
        code = path.name.split(".")[-2]
        texts = [line for line in path.read_text("utf-8").splitlines() if _is_long(line, code)][: options.most]
        for form, change in (("written", str), ("bare", bare)):
            found = Counter(_language(change(text)) for text in texts)
            share = 1 - found[""] / len(texts) if texts else 0
            named = ", ".join(f"{language} {times}" for language, times in found.most_common(3) if language)
            print(f"{path.name:28} {form:8} {len(texts):5} texts, withheld {share:.4f}  {named}")  # noqa: T201  # a command tells what it did


def bare(text: str) -> str:
    """Return a text as speech recognition prints it."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("đ", "d"))
    return " ".join(re.sub(r"[^\w'\s-]", " ", "".join(c for c in plain if not unicodedata.combining(c))).split())


def _language(text: str) -> str:
    return next(iter(scrub(text, _NOBODY).withheld), "")


def _is_long(text: str, code: str) -> bool:
    return len(text) >= _FEWEST if code in _SPACELESS else len(text.split()) >= _FEWEST


if __name__ == "__main__":
    main()
