from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medagent.errors import PolicyError
from medagent.redaction import find_policy, load_policy
from medagent.redaction.linear_pattern import LONGEST_PATTERN, LinearPattern, PatternError
from medagent.redaction.loading import parse_policy
from medagent.redaction.policy import leaves
from medagent.redaction.shapes import Pattern, Setting

SHAPES = [
    (leaf.path, leaf.rule.shape)
    for name in ("clinic", "safe-harbor")
    for tree in load_policy(find_policy(name)).spans.values()
    for leaf in leaves(tree)
    if isinstance(leaf.rule.shape, Pattern | Setting)
]
PACKAGED = sorted({shape.regex.pattern for _, shape in SHAPES})
MODEL = next(shape for path, shape in SHAPES if path == "model")
OLD_MODEL = re.compile(r"(?!.*[0-9]{5})[a-z][a-z0-9._/-]{0,60}", re.ASCII)
NEAR = st.text(alphabet="aAzLC-0159._/ é٣\n\v\0K\ud800", max_size=80)


@pytest.mark.parametrize("pattern", PACKAGED)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_packaged_pattern_means_the_same_to_python(pattern: str, data: st.DataObject) -> None:
    """RE2 and Python's `re` in ASCII mode take the same values, among those that match and those that nearly do."""
    python = re.compile(pattern, re.ASCII)
    value = data.draw(st.from_regex(python) | st.from_regex(python, fullmatch=True) | NEAR | st.text(max_size=70))
    assert LinearPattern(pattern).fits(value) == (python.fullmatch(value) is not None)


MODELS = st.from_regex(OLD_MODEL, fullmatch=True) | st.text(alphabet="az09./_-", max_size=70) | NEAR
PARTS = st.lists(st.sampled_from(["gpt", "-", "4", "2025", "12345", "0" * 5, "/", ".", "a" * 30]), max_size=9)


@settings(max_examples=200, deadline=None)
@given(name=MODELS | PARTS.map("".join))
def test_the_model_pattern_kept_its_language(name: str) -> None:
    """Without look-ahead a model's name is what it was: no five digits in a row, at most 61 signs."""
    assert MODEL.fits(name, {}) == (OLD_MODEL.fullmatch(name) is not None)


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "([A-Za-z]+ ?)+x", "(a|a)*b", "(.*a){12}b", "([A-Z]+-?)+x", "(a?){64}a{64}"]
)
def test_a_nested_repetition_takes_linear_time(pattern: str) -> None:
    """A pattern that Python could not finish in a lifetime gives its answer for the longest value."""
    assert not LinearPattern(pattern).fits("a" * 256 if pattern[-1] != "}" else "a" * 255 + "b")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(?=a)a", "look-around is not supported"),
        ("(?!a)b", "look-around is not supported"),
        ("(?<=a)b", "look-around is not supported"),
        ("(?<!a)b", "look-around is not supported"),
        (r"(a)\1", "a back-reference is not supported"),
        ("(?P<n>a)(?P=n)", "a back-reference is not supported"),
        ("(?>a)b", "not supported by RE2"),
        ("a++b", "not supported by RE2"),
        (r"a\Z", "not supported by RE2"),
        (r"\p{L}+", "not a regular expression"),
        ("[a", "not a regular expression"),
        ("[[:alpha:]]", "a '[' inside of a set is ambiguous"),
        ("a{,3}b", "'{,n}' means something else to RE2"),
        ("a{1001}", "the pattern is too large"),
        ("((a{1,100}){1,100}){1,100}", "the pattern is too large"),
        (f"[{'ab' * LONGEST_PATTERN}]", "the pattern is too long"),
        ("(" * 500, "not a regular expression"),
    ],
)
def test_what_is_no_linear_pattern_is_refused(pattern: str, says: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What RE2 cannot run, or reads otherwise than Python, does not load: one sentence that quotes nothing."""
    with pytest.raises(PatternError, match=f"^{re.escape(says)}.*, expected ") as caught:
        LinearPattern(pattern)
    assert len(str(caught.value)) < 120
    rule = f"{{action: KEEP, category: machine, why: x, shape: {{pattern: '{pattern}'}}}}"
    text = f"name: p\nversion: 1.0.0\nfields:\n  code: {rule}\n"
    with pytest.raises(PolicyError, match=rf"^p\.yaml:4: fields\.code\.shape: {re.escape(says)}"):
        parse_policy(f"{text}spans: {{}}\n", file="p.yaml")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        (r"\d+", ["123"], ["١٢٣", "1\n", "", "1\0"]),
        (r"\w+", ["a_1"], ["é", "a-", "a\n"]),
        (".", ["a", "é", "\0", "😀"], ["\n", "ab", ""]),
        ("a$", ["a"], ["a\n"]),
        ("[^<]+", ["a\nb", "a\0b"], ["<", "\ud800"]),
        ("(?i)k", ["k", "K"], ["\u212a"]),
        ("(?:a|b)+", ["abba"], ["c"]),
    ],
)
def test_classes_are_of_ascii_and_a_value_is_matched_whole(pattern: str, fits: list[str], does_not: list[str]) -> None:
    """Digits, words and cases are ASCII's, the end is the end, and NUL is a sign like others."""
    made = LinearPattern(pattern)
    assert [value for value in fits if not made.fits(value)] == []
    assert [value for value in does_not if made.fits(value)] == []


def test_patterns_are_equal_by_their_text() -> None:
    """A policy that is read twice is one policy."""
    assert LinearPattern("[a-z]") == LinearPattern("[a-z]") != LinearPattern("[a-y]")
    assert repr(LinearPattern("[a-z]")) == "LinearPattern(pattern='[a-z]')"
