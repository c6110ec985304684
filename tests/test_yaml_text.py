from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medagent.errors import ConfigFileError, PolicyError
from medagent.redaction.yaml_tree import read_yaml, read_yaml_file
from medagent.yaml_text import LARGEST_FILE, check, read_text

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MARY = "Mary Quillon 555-0142"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: " + "[" * 10_000, "p.yaml:1: nested too deeply, expected at most 12 levels"),
        ("a: " + "{b: " * 10_000, "p.yaml:1: nested too deeply"),
        ("\n".join(" " * n + "- - - -" for n in range(0, 40, 8)), "p.yaml:4: nested too deeply"),
        ("\n".join(f"{' ' * n}k:" for n in range(30)), "p.yaml:13: nested too deeply"),
        (LAUGHS, "p.yaml:5: too many values, expected at most 20000"),
        ("a: &a {b: *a}", "p.yaml:1: an alias stands inside of its own anchor"),
        ("- a\n" * 30_000, "p.yaml:20000: too many values"),
        (f"a: '{'x' * 9_000}'", "p.yaml:1: a text is too long"),
        ("# remark\n" * 70_000, "p.yaml:1: the text is too large, expected at most 512 KiB"),
        (f"a: &a {'x' * 8_000}\nb: [{','.join(['*a'] * 400)}]", "p.yaml:2: too many values"),
        (f"a: 1\n\t{MARY}: 2", "p.yaml:2: not YAML: a tab, expected spaces"),
        (f"a: 1\n--- \nb: {MARY}", "p.yaml:2: a second document begins, expected one document"),
        (f"a: 1\n{MARY}: {MARY}\n{MARY}: 2", "p.yaml:3: the key 'Mary Quillon 555-0142' stands twice"),
        (f"{'k' * 41}: 1\n{'k' * 41}: 2", "p.yaml:2: the key of 41 characters stands twice"),
        ("a: 1\nb:\u00a0c", "p.yaml:2: not YAML: the invisible character U+00A0, expected a plain space"),
        ("a: b\n\u200bc d", "p.yaml:2: not YAML: the invisible character U+200B"),
        (f"a: !!python/object/apply:os.system ['{MARY}']", "p.yaml:1: a tag is no part of the policy language"),
        (f"a: !!str {MARY}", "p.yaml:1: a tag is no part of the policy language"),
        (f"a: &b {{c: {MARY}}}\nd:\n  <<: *b", "p.yaml:3: a merge key '<<' is not supported"),
        (f"a: *{MARY.split(maxsplit=1)[0]}", "p.yaml:1: an alias without its anchor"),
        (f"? [{MARY}]\n: 1", "p.yaml:1: a key is not a word"),
        (f"a: '{MARY}", "p.yaml:1: not YAML: a quote or a bracket is not closed"),
        (f"a: [{MARY}", "p.yaml:1: not YAML: brackets are not closed"),
        (f"a: {MARY}: 1", "p.yaml:1: not YAML: a ':' where no value can begin"),
        (f"a: 1\n b: {MARY}", "p.yaml:2: not YAML: a ':' where no value can begin"),
        (f"a:\n  - 1\n {MARY}", "p.yaml:3: not YAML: the indentation is wrong"),
        ("a: 1\n\0", "p.yaml:2: not YAML: a control character"),
        ("", "p.yaml:1: the file is empty, expected keys and values"),
        ("# a remark\n", "p.yaml:1: the file is empty"),
    ],
)
def test_what_is_no_plain_yaml_is_one_line(text: str, says: str) -> None:
    """Too deep, too large, twice or no YAML: one line that says where, and quotes no more than a short key."""
    with pytest.raises(PolicyError) as caught:
        read_yaml(text, "p.yaml")
    message = str(caught.value)
    assert message.startswith(says)
    assert "\n" not in message
    assert len(message) < 140
    assert MARY not in message.replace(f"the key '{MARY}'", "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAUGHS, "p.yaml:5: too many values"),
        ("a: &a [*a]", "p.yaml:1: an alias stands inside of its own anchor"),
        ("a: " + "[" * 10_000, "p.yaml:1: nested too deeply, expected at most 24 levels"),
        ("#" * LARGEST_FILE + "\n", "p.yaml:1: the text is too large"),
    ],
)
def test_what_pyyaml_would_build_is_bounded_before(text: str, says: str) -> None:
    """Price lists, officers and scenarios are checked first; an alias counts as what it stands for."""
    with pytest.raises(ConfigFileError, match=f"^{says}"):
        check(text, "p.yaml")
    check("a: &a {b: [1, 2]}\nc: [*a, *a]\nd: {e: *a}\n", "p.yaml")


def test_reading_stops_at_the_first_bound() -> None:
    """Hostile text costs about what is read of it before a bound: ten times the brackets take no longer."""

    def seconds(count: int) -> float:
        begun = time.thread_time()
        with pytest.raises(ConfigFileError):
            check("a: " + "[" * count, "p.yaml")
        return time.thread_time() - begun

    short = min(seconds(10_000) for _ in range(3))
    assert min(seconds(100_000) for _ in range(3)) < 5 * short


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("a: b".encode("utf-16"), "p.yaml:1: the file is in UTF-16 or UTF-32, expected UTF-8"),
        ("a: b".encode("utf-16-le"), "p.yaml:1: the file is in UTF-16 or UTF-32"),
        ("a: b".encode("utf-32"), "p.yaml:1: the file is in UTF-16 or UTF-32"),
        (b"a: b\nc: \xff\n", "p.yaml:2: a byte that is not UTF-8, expected UTF-8"),
        (b"#" * (LARGEST_FILE + 1), "p.yaml:1: the file is too large, expected at most 512 KiB"),
    ],
)
def test_a_file_that_is_no_utf_8_is_one_line(tmp_path: Path, raw: bytes, says: str) -> None:
    """Another encoding and a large file are told before anything is parsed."""
    path = tmp_path / "p.yaml"
    path.write_bytes(raw)
    with pytest.raises(PolicyError, match=says):
        read_yaml_file(path)


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    """Of a file of many megabytes no more than the bound is read."""
    path = tmp_path / "p.yaml"
    with path.open("wb") as file:
        file.truncate(2**36)
    with pytest.raises(ConfigFileError, match="too large"):
        read_text(path)


def test_windows_files_and_words_read_as_they_are_written(tmp_path: Path) -> None:
    """A byte order mark and CRLF change nothing, and `no`, `on` and 010 are words."""
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: no\r\nb: [on, 010, 0o7, 12:30:00, 1e3, ~, true, -5, 1.5]\r\n")
    assert read_yaml_file(path).plain() == {
        "a": "no",
        "b": ["on", "010", "0o7", "12:30:00", "1e3", None, True, -5, 1.5],
    }
    assert read_yaml(f"a: {'9' * 5000}", "p").plain() == {"a": "9" * 5000}


def test_an_alias_is_what_its_anchor_is() -> None:
    """A rule that is declared once and named twice is the same, on the line where it is named."""
    tree = read_yaml("a: &x {b: [1, &y two]}\nc: *x\nd: *y\n", "p.yaml")
    assert tree.plain() == {"a": {"b": [1, "two"]}, "c": {"b": [1, "two"]}, "d": "two"}
    assert isinstance(tree.value, dict)
    assert [item.line for item in tree.value.values()] == [1, 2, 3]


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet="ab:-[]{}&*!|>'\"#%?,\n\t \u00a0\0~<1", max_size=60))
def test_any_text_is_read_or_is_one_line(text: str) -> None:
    """Whatever stands in a file, it is read or is a `PolicyError` of one line with its place."""
    said = "p.yaml: read"
    try:
        read_yaml(text, "p.yaml")
    except PolicyError as error:
        said = str(error)
    assert said.startswith("p.yaml:")
    assert "\n" not in said
