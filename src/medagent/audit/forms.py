"""The ways in which one identifier is written, said, spelled, broken in two and got wrong."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import date

from medagent.audit.english import ALPHABET, DIGITS, MONTHS, ORDINALS, TEENS, TENS
from medagent.audit.needles import LEAST_BITS, bits
from medagent.audit.readings import alnum, fold, spelled, spoken

Forms = dict[str, tuple[str, ...]]
IN_IDS = "in_ids"
"""The form of a part of a name inside an id, a class, a zone: what a model or a tool makes of it."""
_OF_IDS = re.compile("[A-HJKMNP-TV-Z]{3,4}")
_SIGNS_OF_IDS = "ABCDEFGHJKMNPQRSTVWXYZ"


def text_forms(value: str, dice: random.Random, *, parts: tuple[str, ...] = (), **more: tuple[str, ...]) -> Forms:
    """What is mostly letters: names, places, addresses; `parts` are the words that say it by themselves."""
    words = value.split()
    middle = (len(words) + 1) // 2
    said = " ".join(_say(word) for word in words)
    halves = (" ".join(words[:middle]), " ".join(words[middle:])) if len(words) > 1 else _halves(value)
    return searchable(
        {
            "written": (value,),
            "lower": (value.lower(),),
            "upper": (value.upper(),),
            "spoken": (said,) if said != value else (),
            "spelled": tuple(_spellings(parts[0] if parts else value)),
            "split": halves,
            "misspelled": tuple(value.replace(part, _slip(part, dice)) for part in parts or (value,)),
            "parts": parts,
            "possessive": tuple(f"{part}'s" for part in (value, *parts)),
            **more,
        }
    )


def code_forms(value: str, dice: random.Random, **more: tuple[str, ...]) -> Forms:
    """What is a number or a code: an account, a serial number, a plate; digits alone where they say enough."""
    signs = "".join(re.findall(r"[A-Za-z0-9]", value))
    digits = re.sub(r"\D", "", value)
    says = [" ".join(_sign(sign, zero) for sign in signs.lower()) for zero in ("zero", "oh")]
    return searchable(
        {
            "written": (value,),
            "lower": (value.lower(),) if value.lower() != value else (),
            "upper": (value.upper(),) if value.upper() != value else (),
            "spoken": (*dict.fromkeys(says), *_doubled(signs.lower())),
            "spelled": tuple(_spellings(signs)) if signs != digits else (),
            "split": _halves(value),
            "misspelled": (_slip(value, dice),),
            "digits": (digits,),
            "formats": (" ".join(signs), "-".join(_chunks(signs, 4)), ".".join(_chunks(signs, 3))),
            **more,
        }
    )


def phone_forms(area: str, line: str, dice: random.Random) -> Forms:
    """A number of North America: three digits of area, seven of line, as in `+1 (area) 555-0100`."""
    national = area + line
    shapes = ("({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "{} {} {}", "1-{}-{}-{}", "+1{}{}{}")
    forms = code_forms(
        f"+1 {area}-{line[:3]}-{line[3:]}",
        dice,
        formats=tuple(shape.format(area, line[:3], line[3:]) for shape in shapes),
        digits=(f"1{national}", national),
        split=(f"{area} {line[:3]}", line[3:]),
    )
    says = [" ".join(_sign(sign, zero) for sign in national) for zero in ("zero", "oh")]
    pairs = f"{_say(area[0])} {_pair(area[1:])} {_say(line[:3])} {_pair(line[3:5])} {_pair(line[5:])}"
    return forms | {"spoken": (*forms["spoken"], *says, *_doubled(national), pairs)}


def date_forms(day: date, dice: random.Random) -> Forms:
    """A day with its year; a day or a month without one says too little to be looked for."""
    month, ordinal = MONTHS[day.month - 1], _ordinal(day.day)
    year = f"{_pair(str(day.year)[:2])} {_pair(str(day.year)[2:])}"
    written = (
        f"{month} {day.day}, {day.year}",
        f"{day.day} {month} {day.year}",
        f"{day.day} {month[:3]} {day.year}",
        f"{month} {day.day}{_suffix(day.day)}, {day.year}",
    )
    return searchable(
        {
            "written": (day.isoformat(),),
            "lower": tuple(each.lower() for each in written),
            "upper": tuple(each.upper() for each in written),
            "spoken": (
                f"{month.lower()} {ordinal} {year}",
                f"the {ordinal} of {month.lower()} {year}",
                f"{_pair(f'{day.month:02}')} {_pair(f'{day.day:02}')} {year}",
            ),
            "split": (f"{month} {day.day}", str(day.year)),
            "misspelled": (f"{_slip(month, dice)} {day.day}, {day.year}",),
            "digits": (f"{day:%Y%m%d}", f"{day:%m%d%Y}", f"{day:%d%m%Y}"),
            "reordered": (f"{day.year}, {month} {day.day}", f"{day.year}/{day.month:02}/{day.day:02}"),
            "formats": (*written, f"{day:%m/%d/%Y}", f"{day:%d.%m.%Y}", f"{day:%d-%m-%Y}", f"{day:%Y-%m-%d}T00:00:00Z"),
        }
    )


def age_forms(age: int) -> Forms:
    """An age over 89, with the word that makes a number one."""
    rest = _pair(str(age)[-2:]).removeprefix("oh ")
    said = f"one hundred and {rest}" if age >= 100 else rest
    return searchable(
        {
            "written": (f"{age} years old",),
            "upper": (f"{age} YEARS OLD",),
            "spoken": (f"{said} years old", f"{said.replace('and ', '')} years of age"),
            "split": (f"{age}", "years old"),
            "reordered": (f"aged {age}", f"age {age}"),
            "formats": (f"{age}-year-old", f'"age": {age}', f"{age} years of age", f"{age}yo patient"),
        }
    )


def id_forms(name: str, dice: random.Random) -> Iterator[str]:
    """Yield ids that hold a part of a name: of a confirmation (six signs, a letter first), an error, a page, a zone."""
    plain = fold(name)
    if part := _OF_IDS.search(plain.upper()):
        rest = "".join(dice.choice("23456789") + dice.choice(_SIGNS_OF_IDS) for _ in range(2))
        yield f"LC-{(part.group() + rest)[:6]}"
    yield f"{plain.title()}NotFoundError"
    yield f"{plain}_not_found"
    yield f"{plain}-advice"
    yield f"America/{plain.title()}"


def searchable(forms: Forms) -> Forms:
    """Without what says too little to be looked for; the halves of `split` count together."""
    enough = {name: tuple(dict.fromkeys(each for each in texts if _enough(each))) for name, texts in forms.items()}
    halves = forms.get("split", ())
    enough["split"] = halves if all(halves) and _enough(" ".join(halves)) else ()
    return {name: texts for name, texts in enough.items() if texts}


def _enough(text: str) -> bool:
    return any(bits(alnum(read(fold(text)))) >= LEAST_BITS for read in (str, spoken, spelled))


def _halves(value: str) -> tuple[str, ...]:
    middle = (len(value) + 1) // 2
    return (value[:middle], value[middle:])


def _chunks(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _slip(text: str, dice: random.Random) -> str:
    """The text with two different neighbours in its inner part exchanged, else with a letter said twice."""
    places = [
        place
        for place in range(1, len(text) - 2)
        if text[place].isalnum() and text[place + 1].isalnum() and text[place].lower() != text[place + 1].lower()
    ]
    if not places:
        return text[:1] + text
    at = dice.choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _spellings(text: str) -> Iterator[str]:
    signs = [sign for sign in fold(text) if sign.isascii() and sign.isalnum()]
    yield " ".join(_sign(sign, "zero") if sign.isdigit() else f"{sign} as in {_word(sign)}" for sign in signs)
    yield " ".join(_sign(sign, "zero") if sign.isdigit() else _word(sign) for sign in signs)
    yield "-".join(signs).upper()


def _word(letter: str) -> str:
    return ALPHABET[ord(letter) - ord("a")]


def _sign(sign: str, zero: str) -> str:
    return sign if not sign.isdigit() else zero if sign == "0" else DIGITS[int(sign)]


def _doubled(signs: str) -> Iterator[str]:
    """`double five` for a digit that comes twice, where one does."""
    if re.search(r"(\d)\1", signs):
        groups = [match.group() for match in re.finditer(r"(\d)\1|.", signs)]
        yield " ".join(("double " if len(group) > 1 else "") + _sign(group[0], "oh") for group in groups)


def _say(word: str) -> str:
    """A word as it is read aloud: digits in pairs, an address' signs by their names."""
    word = word.replace("@", " at ").replace("://", " colon slash slash ").replace("/", " slash ").replace(".", " dot ")
    word = re.sub(r"\d+", lambda match: f" {' '.join(_sign(sign, 'oh') for sign in match.group())} ", word)
    return " ".join(word.split())


def _pair(digits: str) -> str:
    """Two digits as one number: `oh one`, `fourteen`, `eighty two`, `hundred`."""
    tens, ones = int(digits[0]), int(digits[1])
    if tens == 0:
        return f"oh {DIGITS[ones]}" if ones else "hundred"
    if tens == 1:
        return TEENS[ones]
    return TENS[tens - 2] + (f" {DIGITS[ones]}" if ones else "")


def _ordinal(day: int) -> str:
    if day <= 20:
        return ORDINALS[day - 1]
    return "thirtieth" if day == 30 else f"{TENS[day // 10 - 2]} {ORDINALS[day % 10 - 1]}"


def _suffix(day: int) -> str:
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
