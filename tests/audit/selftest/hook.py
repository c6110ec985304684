"""Alters modules right after their import, in the process that a sabotage is meant for and in no other."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from tests.audit.selftest.sabotage import Sabotage, is_process
from tests.audit.selftest.sabotages import load

SITE = """import sys
sys.path.insert(0, {root!r})
from tests.audit.selftest.hook import arm
arm({name!r}, {witness!r})
sys.path.remove({root!r})
"""
"""The `sitecustomize` that every interpreter started beneath the audit runs, the auditor's own too."""


def arm(name: str, witness: str) -> None:
    """Put the sabotage in wait, if this is its process; each alteration that took place is a line of the witness."""
    sabotage = load()[name]
    if is_process(sabotage.process, sys.orig_argv):
        sys.meta_path.insert(0, _Finder(sabotage, Path(witness)))


class _Finder(MetaPathFinder):
    def __init__(self, sabotage: Sabotage, witness: Path) -> None:
        self._sabotage = sabotage
        self._witness = witness
        self._looking: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec with a loader around its own."""
        if fullname not in self._sabotage.alterations or fullname in self._looking:
            return None
        self._looking.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._looking.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)
        return spec

    def altered(self, module: ModuleType) -> None:
        self._sabotage.alterations[module.__name__](module)
        with self._witness.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {module.__name__}\n")


class _Loader(Loader):
    def __init__(self, own: Loader, finder: _Finder) -> None:
        self._own = own
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._own.exec_module(module)
        self._finder.altered(module)

    def __getattr__(self, name: str) -> object:
        return getattr(self._own, name)  # `importlib.resources` and others ask a loader for more
