from __future__ import annotations

import math
import re
import unicodedata
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_record import DOCTOR, KEY

from medagent.redaction import REDACTED, Category
from medagent.redaction.actions import ELLIPSIS, bucket, keep, pseudonym, truncate
from medagent.redaction.linear_pattern import LinearPattern
from medagent.redaction.policy import Bucket
from medagent.redaction.shapes import PLAIN, Boolean, ListMember, Member, Moment, Number, OneOf, Pattern, Setting, Shape

ROSTERS = {"doctors": frozenset({DOCTOR})}
ANY_SCALAR = st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.binary(), st.dates())
SHAPES: list[Shape] = [
    *PLAIN.values(),
    Pattern(regex=LinearPattern("[a-c]{2}")),
    Number(min=0, max=10, integer=True),
    OneOf(values=frozenset({"a", "b"})),
    Member(roster="doctors"),
    ListMember(name="error_types", added=frozenset({"MyError"})),
    Setting(regex=LinearPattern("[a-c]{2}")),
]


@given(value=ANY_SCALAR, shape=st.sampled_from(SHAPES))
def test_keep_gives_the_value_or_nothing_of_it(value: object, shape: Shape) -> None:
    """KEEP leaves a value as it is where it has the shape, and `<REDACTED>` where it has not."""
    kept = keep(value, shape, ROSTERS)
    assert kept == (value if shape.fits(value, ROSTERS) else REDACTED)
    assert kept == REDACTED or type(kept) is type(value)
    assert keep(value, None, ROSTERS) == REDACTED


def test_every_shape_is_tried() -> None:
    """No kind of shape is missing from these tests."""
    assert {type(shape) for shape in SHAPES} == set(get_args(Shape))


@pytest.mark.parametrize(
    ("shape", "fits", "does_not"),
    [
        (
            Moment(),
            ["2026-05-04T09:30", "2026-05-04 09:30:00", "2026-05-04T09:30:00Z", "2026-05-04T09:30:00-05:00"],
            [
                "1982-03-14T00:00",
                "2026-05-04",
                "2026-13-04T09:30",
                "2026-05-04T09:30:00.555014",
                "٢٠٢٦-05-04T09:30",
                "",
            ],
        ),
        (Moment(or_date=True), ["2026-05-04", "2026-05-04T09:30"], ["1982-03-14", "20260504", "2026-02-30", 2026]),
        (
            PLAIN["timestamp"],
            ["2026-05-04T09:30:00.123+00:00", "2026-05-04T09:30:00Z"],
            ["2026-05-04T09:30:00.1234Z", "2026-05-04T09:30.123", "2026-05-04T09:30:00.123+00:00:00.123"],
        ),
        (Number(min=0, max=5, integer=True), [0, 5], [True, 1.0, 6, -1, "1", math.nan, None]),
        (Number(min=0, max=5, integer=False), [0, 2.5], [math.nan, math.inf, -math.inf, 5.01, False]),
        (Boolean(), [True, False], [1, 0, "true", None]),
        (OneOf(values=frozenset({"ok"})), ["ok"], ["OK", "ok ", ["ok"]]),
        (Member(roster="doctors"), [DOCTOR], ["Okafor", f"{DOCTOR}\n", DOCTOR.lower()]),
        (Member(roster="locations"), [], [DOCTOR, ""]),
        (Pattern(regex=LinearPattern("[a-z]+")), ["ab"], ["ab\n", "a" * 257, "ab1", 7]),
        (Pattern(regex=LinearPattern("[a-z]+"), max_length=3), ["abc"], ["abcd"]),
        (PLAIN["uuid"], ["0c8f8a2e-0000-4000-8000-0123456789ab"], ["0c8f8a2e", "0C8F8A2E-0000-4000-8000-0123456789AB"]),
        (PLAIN["sha256"], ["0" * 64], ["0" * 63, "g" * 64]),
    ],
)
def test_shapes(shape: Shape, fits: list[object], does_not: list[object]) -> None:
    """Each shape takes its own and nothing that only looks like it."""
    assert [value for value in fits if not shape.fits(value, ROSTERS)] == []
    assert [value for value in does_not if shape.fits(value, ROSTERS)] == []


@given(value=st.one_of(st.text(), st.integers()), other=st.text())
def test_pseudonyms(value: str | int, other: str) -> None:
    """The same value has the same pseudonym, another value or category another one, and none holds the value."""
    made = pseudonym(value, Category.NAME, KEY)
    assert made == pseudonym(value, Category.NAME, KEY)
    assert re.fullmatch(r"psn_[0-9a-f]{8}_[0-9a-f]{32}", made) or made == REDACTED
    assert made != pseudonym(value, Category.PHONE, KEY)
    assert (made == pseudonym(other, Category.NAME, KEY)) == (str(value) == other)
    assert pseudonym(value, Category.NAME, None) == REDACTED


@pytest.mark.parametrize(
    ("value", "size", "left"),
    [
        ("2026-05-04T09:30:00-05:00", Bucket.YEAR, "2026"),
        ("1982-03-14", Bucket.YEAR, "1982"),
        ("2026", Bucket.YEAR, "2026"),
        ("2026-02-30", Bucket.YEAR, REDACTED),
        ("2026-05-04 for Jane", Bucket.YEAR, REDACTED),
        ("next May", Bucket.YEAR, REDACTED),
        (2026, Bucket.YEAR, REDACTED),
        (42, Bucket.AGE, 42),
        ("42", Bucket.AGE, 42),
        (89, Bucket.AGE, 89),
        (90, Bucket.AGE, "90+"),
        ("104", Bucket.AGE, "90+"),
        ("90+", Bucket.AGE, "90+"),
        (151, Bucket.AGE, REDACTED),
        (-1, Bucket.AGE, REDACTED),
        (True, Bucket.AGE, REDACTED),
        (42.5, Bucket.AGE, REDACTED),
        (42, None, REDACTED),
    ],
)
def test_buckets(value: object, size: Bucket | None, left: object) -> None:
    """A date leaves its year, an age itself up to 89, and what is neither leaves nothing."""
    assert bucket(value, size) == left


WORDS = st.lists(st.one_of(st.just(REDACTED), st.text(min_size=1, max_size=60)), max_size=12).map(" ".join)


@given(text=WORDS, limit=st.integers(12, 50))
def test_truncation_laws(text: str, limit: int) -> None:
    """Never over the limit, a beginning of the text with an ellipsis, and no `<REDACTED>` is cut in two."""
    cut = truncate(text, limit)
    assert len(cut) <= limit
    if len(text) <= limit:
        assert cut == text
    else:
        assert cut.endswith(ELLIPSIS)
        stem = cut.removesuffix(ELLIPSIS)
        assert text.startswith(stem)
        ends = [match.span() for match in re.finditer(REDACTED, text)]
        assert not [1 for start, end in ends if start < len(stem) < end]
    assert truncate(cut, limit) == cut


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a sore throat and a cough", "a sore…"),
        ("coughing <REDACTED> again", "coughing…"),
        ("<REDACTED><REDACTED>", "<REDACTED>…"),
        ("e\u0301" * 12, "e\u0301" * 5 + ELLIPSIS),
        ("👩\u200d👩\u200d👧" * 4, "👩\u200d👩\u200d👧" * 2 + ELLIPSIS),
        ("🇨🇭" * 8, "🇨🇭" * 5 + ELLIPSIS),
        ("👍🏽" * 8, "👍🏽" * 5 + ELLIPSIS),
        ("a" + "\u0301" * 40, ELLIPSIS),
    ],
)
def test_truncation_examples(text: str, left: str) -> None:
    """The cut is behind a word, or where a word is too long, between two signs as a reader sees them."""
    assert truncate(text, 12) == left


@given(st.text(min_size=51))
def test_a_cut_word_keeps_its_marks(text: str) -> None:
    """No cut leaves a sign without the marks that belong to it."""
    stem = truncate(text, 50).removesuffix(ELLIPSIS)
    rest = text[len(stem) :]
    assert not stem or stem[-1] != "\u200d"
    assert not stem or unicodedata.category(rest[0]) not in ("Mn", "Me", "Mc") or text[len(stem) - 1].isspace()
