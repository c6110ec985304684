"""The files of the modules that a process has loaded, held against the signed result of the check of what is installed.

A file whose size, inode and times are those of the result needs no reading. Where they differ (an image that was
unpacked anew), its content decides. Byte code that the result does not know is compared with a compilation of its
source in this process, unless Python ignored it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from medagent.attestation import byte_code
from medagent.attestation.file_pins import content_pin, real, status_pin
from medagent.attestation.installed import metadata_names, pth_names
from medagent.errors import AttestationError

_SHOWN = 5


class ProcessCheck:
    """Checks this process against one result; what was checked once is not looked at again."""

    def __init__(
        self,
        *,
        metadata: Mapping[str, tuple[str, ...]],
        files: frozenset[bytes],
        contents: Callable[[], frozenset[bytes]],
        apart: Sequence[Path] = (),
        modules: Mapping[str, ModuleType] | None = None,
    ) -> None:
        """`apart` are the files of the agent, whose sources a report binds by another digest."""
        self._metadata = metadata
        self._files = files
        self._contents = contents
        self._apart = frozenset(str(one) for one in apart)
        self._modules = sys.modules if modules is None else modules
        self._directories: dict[str, str] = {}
        self._seen: set[str] = set()
        self._are_distributions_known = False

    def loaded(self) -> int:
        """Return how many modules are loaded: with another number, others may be among them."""
        return len(self._modules)

    def problem(self) -> str | None:
        """Return what was changed, added or removed since the result, in words; None where nothing was."""
        changed = [] if self._are_distributions_known else [*self._changed_distributions()]
        self._are_distributions_known = not changed
        found = list(dict.fromkeys((*changed, *self._changed_modules())))
        rest = len(found) - _SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        return "; ".join(found[:_SHOWN]) + more if found else None

    # ---- distributions ----------------------------------------------------------------------------------------------

    def _changed_distributions(self) -> Iterator[str]:
        """Distributions by the names of their metadata, and .pth files: Python runs those whatever is imported."""
        for root, audited in self._metadata.items():
            try:
                here = metadata_names(root)
                paths = [f"{root}/{name}" for name in pth_names(root)]
            except OSError:
                yield f"{root}: cannot be read"
                continue
            yield from _renamed(audited, here)
            yield from (f"{self._shown(path)}: changed or added" for path in paths if not self._is_known(path))

    # ---- modules ----------------------------------------------------------------------------------------------------

    def _changed_modules(self) -> Iterator[str]:
        for name, module in [*self._modules.items()]:
            if name in self._seen:
                continue
            place = _place_of(module)
            problem = None if place is None else self._changed(name, *place)
            if problem is None:
                self._seen.add(name)
            else:
                yield problem

    def _changed(self, name: str, source: str, cached: str | None) -> str | None:
        if not os.path.isabs(source):
            return f"module {name}: loaded from a relative path, expected one that was checked"
        if source not in self._apart and not self._is_known(source):
            return f"{self._shown(source)}: changed since it was checked, or loaded from a place that was not"
        if cached is not None and source.endswith(".py") and not self._is_own_byte_code(source, cached):
            return f"{self._shown(cached)}: byte code that is not its source's"
        return None

    def _is_known(self, path: str) -> bool:
        try:
            status = os.stat(path)
            if status_pin(path, status) in self._files:
                return True
            place = real(path, self._directories)
            if status_pin(place, status) in self._files:
                return True
            with open(path, "rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").digest()
        except OSError:
            return False
        return content_pin(place, sha256) in self._contents()

    def _is_own_byte_code(self, source: str, cached: str) -> bool:
        try:
            if status_pin(cached, os.stat(cached)) in self._files:
                return True
        except OSError:
            return True  # Python keeps none here
        if self._is_known(cached):
            return True
        level = byte_code.level_of(cached.rpartition("/")[2])
        try:
            with open(source, "rb") as file:
                status, content = os.fstat(file.fileno()), file.read()
            with open(cached, "rb") as file:
                made = file.read()
        except OSError:
            return False
        if byte_code.is_ignored(made, status):
            return True
        return level is not None and byte_code.belongs(made, content, path=source, level=level)

    def _shown(self, path: str) -> str:
        """A path without the directory of the site, or of `sys.path`, that it is in."""
        roots = sorted((one for one in (*self._metadata, *sys.path) if one), key=len, reverse=True)
        root = next((one for one in roots if path.startswith(f"{one}/")), None)
        return path if root is None else os.path.relpath(path, root)


def check_findings(problem: str | None) -> None:
    """Raise `AttestationError` where what is installed is not as it should be."""
    if problem is not None:
        raise AttestationError(
            f"installed code: {problem}", hint="install what was audited, then: medagent telemetry on --audit REPORT"
        )


def _place_of(module: object) -> tuple[str, str | None] | None:
    """File and byte code of a module that was loaded from a file; nothing is asked of the module itself.

    None where it is built in, frozen, the program that was started, or made by code that was loaded from a file.
    """
    try:
        inside = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return None
    spec = inside.get("__spec__")
    if spec is None or not getattr(spec, "has_location", False) or not spec.origin:
        return None
    return spec.origin, spec.cached


def _renamed(audited: Iterable[str], here: Iterable[str]) -> Iterator[str]:
    """Name each distribution that is there in another version, or only in one of the two."""
    before, now = ({one.partition("-")[0]: _version(one) for one in names} for names in (audited, here))
    for name in sorted({*before, *now}):
        if name not in now:
            yield f"{name} {before[name]}: not what was audited (not installed here)"
        elif name not in before:
            yield f"{name} {now[name]}: not what was audited (new here)"
        elif before[name] != now[name]:
            yield f"{name} {before[name]}: not what was audited ({now[name]} here)"


def _version(metadata: str) -> str:
    return metadata.rpartition(".")[0].partition("-")[2] or "unknown"
