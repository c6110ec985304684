"""Byte code is its source's or it is not: whatever its header says, and however it was written."""

from __future__ import annotations

import importlib.util
import marshal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.attestation import byte_code

SOURCE = """
import os
def f(a, /, b, *, c=1):
    'text'
    x = {1, 2.5, 'a', b'b', (None, ...)} & {3}
    return [a for a in (1, True, 0.0, -0.0, 1e309) if a in {'x', 'y', 'z'}], lambda: f'{os.sep}{x}'
class C:
    z: int = 3
    def g(self):
        try:
            yield self
        except ValueError as error:
            raise error
"""
HEADER = importlib.util.MAGIC_NUMBER + b"\0" * 12


def made(source: str, *, name: str = "m.py", version: int = marshal.version, level: int = 0) -> bytes:
    return HEADER + marshal.dumps(compile(source, name, "exec", dont_inherit=True, optimize=level), version)


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_belongs_accepts_an_equal_compilation(version: int, level: int) -> None:
    """With other references between its objects, and of another file's name."""
    content = made(SOURCE, name="elsewhere.py", version=version, level=level)
    assert byte_code.belongs(content, SOURCE.encode(), path="m.py", level=level)


EDITS = [
    ("c=1", "c=2"),
    ("'text'", "'other'"),
    ("2.5", "2.25"),
    ("-0.0", "0.00"),
    ("(1, True,", "(1, 1   ,"),
    ("z: int = 3", "z: int =  3"),
    ("'x', 'y'", "'x', 'w'"),
    ("(None, ...)", "(..., None)"),
    ("os.sep", "os.nam"),
    ("z: int", "y: int"),
    ("raise error", "pass"),
    ("def g(self):", "def g(selv):"),
    ("\nclass C", "\n\nclass C"),
    ("import os", "import ot"),
]


@pytest.mark.parametrize(("old", "new"), EDITS)
def test_belongs_refuses_another_source(old: str, new: str) -> None:
    """A constant that Python counts as equal, a name, a line, a column: each alone."""
    other = SOURCE.replace(old, new, 1)
    assert other != SOURCE
    assert not byte_code.belongs(made(other), SOURCE.encode(), path="m.py", level=0)


@given(content=st.binary(max_size=60))
def test_belongs_refuses_what_is_no_code(content: bytes) -> None:
    """Whatever follows the header."""
    assert not byte_code.belongs(HEADER + marshal.dumps(content), SOURCE.encode(), path="m.py", level=0)


def test_belongs_refuses_byte_code_of_a_source_that_cannot_be_compiled() -> None:
    """Python would run it without looking at the source."""
    assert not byte_code.belongs(made(SOURCE), b"def (", path="m.py", level=0)
    assert not byte_code.belongs(HEADER, SOURCE.encode(), path="m.py", level=0)


@given(time=st.integers(0, 2**32 - 1), size=st.integers(0, 2**32 - 1), flags=st.integers(0, 5))
def test_is_ignored_is_what_python_does(
    time: int, size: int, flags: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of another magic number, flags, time or size; byte code that names a hash is never ignored."""
    source = tmp_path_factory.getbasetemp() / "is_ignored.py"
    source.write_text("x = 1\n")
    status = source.stat()
    fits = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little")
    own = int(status.st_mtime).to_bytes(4, "little") + status.st_size.to_bytes(4, "little")
    other = time.to_bytes(4, "little") + size.to_bytes(4, "little")
    assert byte_code.is_ignored(fits + own, status) is (flags > 3)
    assert byte_code.is_ignored(fits + other, status) is (flags > 3 or (flags in (0, 2) and other != own))
    assert byte_code.is_ignored(b"\0\0\r\n" + fits[4:] + own, status)
    assert byte_code.is_ignored((fits + own)[:15], status)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("m.cpython-311.pyc", 0),
        ("m.n.cpython-311.opt-1.pyc", 1),
        ("m.cpython-311.opt-2.pyc", 2),
        ("m.cpython-310.pyc", None),
        ("m.cpython-311-pytest-9.2.0.pyc", None),
        ("m.pyc", None),
    ],
)
def test_level_of_knows_the_files_of_this_interpreter(
    name: str, level: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of other interpreters and of other tools it is none."""
    monkeypatch.setattr("sys.implementation.cache_tag", "cpython-311")
    assert byte_code.level_of(name) == level


def test_cached_is_where_python_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the source, or under a prefix."""
    for prefix in (None, str(tmp_path / "prefix")):
        monkeypatch.setattr("sys.pycache_prefix", prefix)
        expected = importlib.util.cache_from_source(str(tmp_path / "m.py"))
        assert byte_code.cache_directory(str(tmp_path), prefix) == str(Path(expected).parent)
