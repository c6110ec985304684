"""What is installed: each distribution's files by their content, held against its RECORD.

It runs in a process of its own (`installed_child.py`) that imports nothing of what it checks, and uses the standard
library alone. A distribution's digest
is over paths and contents, without byte code and without what an installer writes anew; it is the same on every host of
one image. Files that Python can import and that no RECORD names are listed under their own name.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from medagent.attestation.checked_files import CheckedFiles, walked

NO_DISTRIBUTION = "no distribution"
"""Stands for the version of a file that no RECORD names."""
OURS = "medagent"
_WRITTEN_ANEW = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"})
_METADATA = (".dist-info", ".egg-info")
_NO_PART_OF_PYTHON = frozenset({"test", "tests", "idle_test"})
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a process imports from. `code` and `code_files` have a digest of their own; their byte code is checked.

    `site` are the directories whose .pth files are read, `binaries` the interpreter and its shared library.
    """

    site: tuple[str, ...]
    stdlib: tuple[str, ...]
    binaries: tuple[str, ...]
    version: str
    code: tuple[str, ...]
    code_files: tuple[str, ...] = ()
    cache_prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One distribution, Python itself, or a file of no distribution, with the digest of its files."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What is installed, what is wrong with it, and by directory the names of the distributions' metadata."""

    distributions: tuple[Distribution, ...]
    findings: tuple[str, ...]
    metadata: Mapping[str, tuple[str, ...]]


@dataclass(slots=True, kw_only=True)
class _Read:
    name: str
    version: str
    root: str
    metadata: str
    files: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def inventory(places: Places, files: CheckedFiles) -> Inventory:
    """Read everything that is installed in these places."""
    roots = roots_of(places)
    metadata = {root: tuple(metadata_names(root)) for root in roots}
    apart = tuple(os.path.realpath(one) for one in places.code)
    recorded: set[str] = set()
    read = [_distribution(root, name) for root in roots for name in metadata[root]]
    for one in read:
        recorded |= _read_record(one, files, places=places, apart=apart)
    found = [Distribution(name=one.name, version=one.version, sha256=digest_of(one.files)) for one in read]
    findings = [f"{one.name} {one.version}: {_some(one.wrong)}" for one in read if one.wrong]
    for root in roots:
        found += _strangers(root, files, recorded=recorded, apart=apart, is_site=root in places.site, wrong=findings)
    found.append(_python(places, files))
    for path in (*(path for one in places.code for path in walked(one)), *places.code_files):
        files.sha256(path)
        if path.endswith(".pyc") and not os.path.exists(path[:-1]):  # the digest of the code leaves byte code out
            findings.append(f"{_shown(path, roots)}: byte code without a source")
    findings += [f"{_shown(path, roots)}: byte code that is not its source's" for path in files.foreign]
    return Inventory(
        distributions=tuple(sorted(found, key=lambda one: (one.name, one.version, one.sha256))),
        findings=tuple(findings),
        metadata=metadata,
    )


def roots_of(places: Places) -> list[str]:
    """Return the directories in which distributions are: the site's own, and those that its .pth files add."""
    found = [os.path.abspath(one) for one in places.site]
    for root in [*found]:
        for name in pth_names(root):
            found += [line for line in _path_lines(f"{root}/{name}", root) if os.path.isdir(line)]
    return [one for one in dict.fromkeys(found) if os.path.isdir(one)]


def metadata_names(root: str) -> list[str]:
    """Return the names of the distributions' metadata in a directory: a changed version is another name."""
    return sorted(name for name in os.listdir(root) if name.endswith(_METADATA))


def pth_names(root: str) -> list[str]:
    """Return the names of the .pth files that Python reads in a directory of the site."""
    return sorted(name for name in os.listdir(root) if name.endswith(".pth"))


def digest_of(files: Mapping[str, str]) -> str:
    """Return the digest of files by path and SHA-256."""
    return hashlib.sha256(json.dumps(sorted(files.items()), separators=(",", ":")).encode()).hexdigest()


# ---- distributions --------------------------------------------------------------------------------------------------


def _distribution(root: str, name: str) -> _Read:
    metadata = f"{root}/{name}"
    about = _headers(metadata)
    stem = name.rpartition(".")[0]
    return _Read(
        name=re.sub(r"[-_.]+", "-", about.get("name") or stem.partition("-")[0]).lower(),
        version=about.get("version") or stem.partition("-")[2] or "unknown",
        root=root,
        metadata=name,
    )


def _headers(metadata: str) -> dict[str, str]:
    """Name and version, of the head of METADATA or PKG-INFO; empty where there is neither."""
    for path in (f"{metadata}/METADATA", f"{metadata}/PKG-INFO", metadata):
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                head = file.read(1 << 16).partition("\n\n")[0].splitlines()
            lines = [line.partition(":") for line in head if not line.startswith((" ", "\t"))]
            return {name.lower(): value.strip() for name, _, value in reversed(lines)}
    return {}


def _record(path: str) -> Iterator[tuple[str, str]]:
    """The paths of a RECORD with the digest that it writes; nothing where there is no RECORD."""
    try:
        with open(path, encoding="utf-8", newline="", errors="surrogateescape") as file:
            yield from ((row[0], row[1] if len(row) > 1 else "") for row in csv.reader(file) if row)
    except FileNotFoundError:
        return


def _read_record(one: _Read, files: CheckedFiles, *, places: Places, apart: tuple[str, ...]) -> set[str]:
    """Hash each file that a RECORD names; return the real paths of all of them."""
    named: set[str] = set()
    for path, expected in _record(f"{one.root}/{one.metadata}/RECORD"):
        place = os.path.normpath(f"{one.root}/{path}")
        named.add(files.real(place))
        folder, _, name = path.rpartition("/")
        is_metadata = folder == one.metadata
        if (name.endswith(".pyc") and folder.endswith("__pycache__")) or (is_metadata and name in _WRITTEN_ANEW):
            continue
        if one.name == OURS and (
            files.real(place).startswith(tuple(f"{each}/" for each in apart))
            or (folder.startswith(one.metadata) and name != "entry_points.txt")
        ):
            continue
        if one.name == OURS and name.endswith(".pth") and _is_our_path(place, one.root, places):
            files.sha256(place)  # in the result, for processes to compare; not in the digest, since a wheel has none
            continue
        try:
            one.files[path] = files.sha256(place)
            is_script = path.startswith("../") and folder.endswith(("/bin", "/Scripts"))
            if is_script:  # its first line names the interpreter's place
                one.files[path] = hashlib.sha256(_without_shebang(place)).hexdigest()
            elif not files.is_as_recorded(place, expected):
                one.wrong.append(f"{path} is not as RECORD has it")
            if name.endswith(".pth"):
                one.files[path] = _pth_digest(place, one.root)
        except OSError:
            one.wrong.append(f"{path} is missing")
    return named


def _without_shebang(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read()
    if content.startswith(b"#!/bin/sh\n'''exec'"):  # a place that is too long for the first line
        return content.split(b"\n", 3)[-1]
    return content.partition(b"\n")[2] if content.startswith(b"#!") else content


def _is_our_path(path: str, root: str, places: Places) -> bool:
    """Whether a .pth file of an editable install adds the directory of our own package and nothing else."""
    return _pth_lines(path) == [os.path.dirname(one) for one in places.code[:1]] and bool(_path_lines(path, root))


def _pth_lines(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return [line.strip() for line in file if line.strip() and not line.startswith("#")]


def _path_lines(path: str, root: str) -> list[str]:
    """The directories that a .pth file adds."""
    try:
        lines = _pth_lines(path)
    except OSError:
        return []
    return [
        os.path.normpath(os.path.join(root, line)) for line in lines if not line.startswith(("import ", "import\t"))
    ]


def _pth_digest(path: str, root: str) -> str:
    """The digest of a .pth file; an absolute directory in it is another on another host, and its files are listed."""
    lines = ["a directory" if os.path.isabs(line) and os.path.isdir(line) else line for line in _pth_lines(path)]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


# ---- what no RECORD names -------------------------------------------------------------------------------------------


def _strangers(
    root: str, files: CheckedFiles, *, recorded: set[str], apart: tuple[str, ...], is_site: bool, wrong: list[str]
) -> Iterator[Distribution]:
    """Yield what Python can import and no RECORD names: by its top name, by its path in a recorded directory."""
    known = {os.path.relpath(path, os.path.realpath(root)).partition("/")[0] for path in recorded}
    found: dict[str, dict[str, str]] = {}
    names = [f"{root}/{name}" for name in pth_names(root)] if is_site else []
    for path in (*names, *walked(root)):
        place = files.real(path)
        if place in recorded or place.startswith(tuple(f"{one}/" for one in apart)):
            continue
        inside = os.path.relpath(path, root)
        top = inside.partition("/")[0]
        sha256 = files.sha256(path)
        if path.endswith(".pth"):
            sha256 = _pth_digest(path, root)
        elif path.endswith(".pyc") and not os.path.exists(path[:-1]):
            wrong.append(f"{inside}: byte code without a source, of no distribution")
        found.setdefault(inside if top in known else top, {})[inside] = sha256
    for name, each in found.items():
        yield Distribution(name=name, version=NO_DISTRIBUTION, sha256=digest_of(each))


def _python(places: Places, files: CheckedFiles) -> Distribution:
    """The interpreter and its standard library, as one distribution."""
    found = {f"binary/{os.path.basename(path)}": files.sha256(path) for path in places.binaries}
    for root in places.stdlib:
        name = os.path.basename(root)
        if os.path.isfile(root):
            found[name] = files.sha256(root)
        for path in walked(root, skipped=_NO_PART_OF_PYTHON):
            found[f"{name}/{os.path.relpath(path, root)}"] = files.sha256(path)
    return Distribution(name="python", version=places.version, sha256=digest_of(found))


def _some(texts: list[str]) -> str:
    rest = len(texts) - _SHOWN
    return "; ".join(texts[:_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")


def _shown(path: str, roots: list[str]) -> str:
    """A path without the directory of the site that it is in."""
    inside = [os.path.relpath(path, root) for root in roots if path.startswith(f"{root}/")]
    return min(inside, key=len) if inside else path
