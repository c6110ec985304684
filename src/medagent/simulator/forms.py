"""The forms in which people, and models that wrote them down, give one identifier."""

from __future__ import annotations

import re

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def forms(value: str) -> tuple[str, ...]:
    """The value as it is and in every other form that it has, each once."""
    words = re.findall(r"\w+", value)
    digits = re.sub(r"\D", "", value)
    found = [value, value.upper(), value.lower(), " ".join(words), f"The caller said {value}, please note it."]
    if len(digits) >= 4:
        spoken = [_DIGITS[int(digit)] for digit in digits]
        found += [digits, ".".join(digits), " ".join(spoken), " ".join(spoken).replace("zero", "oh")]
    if not digits and len(words) > 1:
        found += [f"{words[-1]}, {' '.join(words[:-1])}", words[-1], words[0]]
    if not digits:
        found += ["-".join("".join(words).upper()), " ".join("".join(words).lower())]
    if "@" in value:
        found.append(value.replace("@", " at ").replace(".", " dot "))
    return tuple(dict.fromkeys(found))
