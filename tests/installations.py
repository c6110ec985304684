"""A small installation: a site with two distributions, and the installed code of a host that has no more than that.

The whole environment of the tests takes a minute to read: `conftest.py` and `forker.py` have
the runtime check this one.
"""

from __future__ import annotations

import atexit
import base64
import functools
import hashlib
import importlib.util
import json
import os
import py_compile
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from medagent.attestation.installed import Places
from medagent.attestation.installed_code import InstalledCode
from medagent.runtime import host, installed
from medagent.settings import Settings, make_home

DISTRIBUTIONS = {"parcel": "1.2.0", "wrapper": "0.3.1"}
# Byte code belongs to its source by whole seconds and size: a test that writes a source of the same size in the second
# of its installation would find byte code that is not its source's, and only then.
INSTALLED_AT = 1_700_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A directory that stands for a Python installation: its site-packages, its standard library, our own package."""

    root: Path

    @property
    def packages(self) -> Path:
        return self.root / "site-packages"

    def places(self, **changes: Any) -> Places:
        about: dict[str, Any] = {
            "site": (str(self.packages),),
            "stdlib": (str(self.root / "stdlib"),),
            "binaries": (str(self.root / "python"),),
            "version": "3.11.9",
            "code": (str(self.root / "ours" / "medagent"),),
        }
        return Places(**(about | changes))

    def code(self, home: Path, **changes: Any) -> InstalledCode:
        """The installed code of a host with this site, whose process has loaded nothing of it."""
        about: dict[str, Any] = {
            "home": make_home(home),
            "places": self.places,
            "environment": {},
            "modules": dict[str, ModuleType](),
        }
        return InstalledCode(**(about | changes))

    def install(self, name: str, version: str, files: Mapping[str, str]) -> None:
        """Write a distribution's files, their byte code, and a RECORD of them."""
        metadata = f"{name}-{version}.dist-info"
        about = {f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nText.\n"}
        rows = []
        for path, text in {**files, **about}.items():
            place = self.packages / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            os.utime(place, (INSTALLED_AT, INSTALLED_AT))
            rows.append(f"{path},{recorded(place)},{len(text)}")
            if path.endswith(".py"):
                compiled(place)
        (self.packages / metadata / "INSTALLER").write_text("pip\n")
        (self.packages / metadata / "RECORD").write_text("\n".join([*rows, f"{metadata}/RECORD,,"]) + "\n")

    def remove(self, name: str) -> None:
        """Remove a distribution as an installer does."""
        [metadata] = self.packages.glob(f"{name}-*.dist-info")
        shutil.rmtree(metadata)
        shutil.rmtree(self.packages / name)


def loaded(file: Path, name: str = "loaded") -> ModuleType:
    """A module as an import of a file leaves it."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    return importlib.util.module_from_spec(spec)


def recorded(path: Path) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()


def compiled(source: Path, *, as_source: str | None = None, into: Path | None = None) -> Path:
    """Compile a source as an installer does; with `as_source` the byte code is another text's, the header is not."""
    other = source
    if as_source is not None:
        other = Path(tempfile.mkdtemp()) / source.name
        other.write_text(as_source)
    cache = into or source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(str(other), cfile=str(cache), dfile=str(source), doraise=True)
    if as_source is not None:
        content, status = bytearray(cache.read_bytes()), source.stat()
        content[8:12] = int(status.st_mtime).to_bytes(4, "little")
        content[12:16] = status.st_size.to_bytes(4, "little")
        cache.write_bytes(content)
        shutil.rmtree(other.parent)
    return cache


def small_site(root: Path) -> Site:
    """Two distributions, one of them with a package in a package, a standard library of one module, our own package."""
    made = Site(root=root)
    for path in ("stdlib", "site-packages", "ours/medagent"):
        (root / path).mkdir(parents=True)
    (root / "python").write_bytes(b"\x7fELF")
    (root / "stdlib" / "posture.py").write_text("STANDS = 1\n")
    (root / "ours" / "medagent" / "__init__.py").write_text("NAME = 'medagent'\n")
    made.install(
        "parcel",
        DISTRIBUTIONS["parcel"],
        {
            "parcel/__init__.py": "def weigh(box):\n    return box * 2 if box else {0, 1.5, 'none'}\n",
            "parcel/inner/__init__.py": "",
            "parcel/inner/label.py": "NAME = ('a', 1, True, 2.0)\n\n\nclass Label:\n    text: str = 'x'\n",
            "parcel/data.json": "{}",
        },
    )
    made.install("wrapper", DISTRIBUTIONS["wrapper"], {"wrapper/__init__.py": "import os\n\nSIZE = len(os.sep)\n"})
    return made


@functools.cache
def _shared() -> Site:
    root = Path(tempfile.mkdtemp(prefix="medagent-site-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return small_site(root / "small")


def check_a_small_installation(site: Site | None = None, *modules: ModuleType) -> None:
    """Have `medagent.runtime` take a small installation for that of this host, and these modules for what is loaded."""

    def installed_code(settings: Settings) -> InstalledCode:
        return (site or _shared()).code(
            settings.home,
            trusted=functools.partial(host.machine_keys, settings),
            key=host.key_ring(settings).signing_key,
            modules={one.__name__: one for one in modules},
        )

    installed.installed_code = installed_code


def ledger_entries(home: Path) -> list[dict[str, Any]]:
    """The checks that a host's ledger records."""
    lines = (home / "ledger" / "ledger.jsonl").read_text().splitlines()
    return [each["content"] for each in map(json.loads, lines) if each["kind"] == "installed_checked"]
