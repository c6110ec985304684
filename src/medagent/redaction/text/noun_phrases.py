"""Nouns and verbs that are also names, with the words that are said with them: `have faith`, `ice chips`."""

from __future__ import annotations

from medagent.redaction.text.cues import FUNCTION, words
from medagent.redaction.text.reading import Reading

_BEFORE_NOUN = {
    "faith": words("have had has having lost lose little good some more any much no bad great your my his her"),
    "grace": words("little some saving any good say said more show no"),
    "joy": words("a such pure much some any no"),
    "hope": words("some little any no there's lose lost have has had give gives more false only good"),
    "mercy": words("some little any no have has had beg"),
    "patience": words("your some more little any no my have lost losing much"),
    "chance": words("by any no a the second little good slim last one some off fat every"),
    "love": words("much sending true lots"),
    "peace": words("some any inner little in"),
    "rice": words("eat eats ate eating some brown white plain cooked boiled fried with of the only and no wild any"),
    "beans": words("eat eats ate eating some green baked black of the and or kidney coffee no"),
    "bean": words("a soy green black coffee kidney"),
    "ice": words("have some on with of the dry crushed put use using apply applied and heat any no"),
    "blood": words("drew draw drawn of the my in some any no coughing high low your his her fresh clotted more"),
    "rose": words("a the red wild"),
    "sun": words("the too direct midday hot some any"),
    "rain": words("the heavy some any"),
    "snow": words("the heavy deep some any"),
    "case": words("in a the just my his her this that any no worst"),
    "page": words("a the next last first front one this that home web last full"),
    "price": words("the a fair full good what half high low same any at"),
    "art": words("modern fine some"),
    "dawn": words("before"),
    "eve": words("christmas year's"),
    "will": words("free iron"),
    "bill": words("a the my this phone hospital medical last electric pay paid doctor's no any one"),
    "mark": words("a the red bruise stretch bite any no brown dark question"),
    "ginger": words("some fresh ground"),
    "honey": words("some raw"),
    "guy": words("the a this that nice other old same some"),
    "judge": words("the a"),
    "angel": words("an absolute"),
    "sugar": words("blood my his her of the no low high some your"),
    "aura": words("an with without the any no visual"),
    "heart": words("my his her the your a"),
    "cook": words("the a"),
    "noon": words("at by around before after until till past said about this 12 since from"),
    "fee": words("show late cancellation a the booking facility any no copay visit extra same"),
    "bay": words("disabled loading parking sick bike ambulance the a"),
    "peg": words("a the his her my new"),
    "leg": words("my his her left right the a"),
    "march": words("quick"),
}
"""Nouns that are also names, with the words that may be right before them as nouns."""
_AMOUNTS = words(
    "chance bit lot lots ray sense lack loss amount sign full kind leap bundle plenty ounce glass cup bowl bag out"
)
_BEHIND_NOUN = {
    "faith": words("in"),
    "grace": words("period"),
    "joy": words("of to in"),
    "hope": words("you i it they he she we that this to for in so not everything"),
    "mercy": words("on of"),
    "ice": words("or and chips pack packs cream cubes water bath it"),
    "rose": words("up from to too quickly again water petals"),
    "drew": words("blood up my his her it some two three back labs"),
    "park": words("in at on my the bench outside there here across"),
    "bay": words(". , 1 2 3 4 5 6 window leaf"),
    "chase": words("it up them this that him after down"),
    "march": words("on up down around in out with through past"),
    "sun": words("may gave is was has on in hurts burns makes made exposure block screen rash"),
    "winter": words("coat months is was and , . it my"),
    "chance": words("of to that do you i for is"),
    "cook": words("gave was is for my the dinner and at it food meals"),
    "price": words("of is was for and went list range"),
    "rice": words("and or with is was cakes krispies for in"),
    "beans": words("and on for with ."),
    "will": words("power"),
    "may": words("need be have not"),
    "sugar": words("level levels free is was pills in and low high"),
    "rain": words("so today tomorrow later all in on"),
    "sing": words("in at to the with along and for"),
    "faithful": words("to"),
}
"""Words behind those nouns, and behind some verbs, with which they are no names."""
_NEEDS_SUBJECT = words("rose drew chase park cook sing")
"""Verbs among them with which no sentence begins."""
_BEFORE_PEOPLE = words("is was call ask tell with see this that's it's i'm am name for to from dr mr mrs ms miss")


def is_said_with(reading: Reading, at: int, before: str, after: str) -> bool:
    """Return whether a word is beside it with which only the noun is said."""
    norm = reading.norms[at]
    if before in _BEFORE_NOUN.get(norm, ()):
        return True
    if before == "of" and norm in _BEFORE_NOUN:
        return at > 1 and reading.norms[at - 2] in _AMOUNTS
    if before in ("is", "was", "be") and norm in _BEFORE_NOUN and at > 1 and reading.norms[at - 2] == "there":
        return True
    if after in _BEHIND_NOUN.get(norm, ()):
        if norm in _NEEDS_SUBJECT and (not at or before in ".?!,"):
            return False
        return not is_behind_first_name(reading, at) and before not in _BEFORE_PEOPLE
    return False


def is_behind_first_name(reading: Reading, at: int) -> bool:
    """Return whether the word before one may be a first name that is not hidden."""
    return at > 0 and "f" in reading.borne[at - 1] and reading.norms[at - 1] not in FUNCTION
