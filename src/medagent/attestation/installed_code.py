"""This host's installed code as its processes see it: checked, signed, read, compared with what they have loaded."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from medagent.attestation.installed import Places
from medagent.attestation.installed_check import (
    DUE,
    InstalledResult,
    OnProgress,
    ResultStore,
    age_problem,
    run_check,
)
from medagent.attestation.process_check import ProcessCheck, check_findings
from medagent.errors import AttestationError
from medagent.proof import SigningKey, VerifyKey

_AGAIN_S = 3600.0
"""For so long what was found wrong with a process is not looked at again."""


@dataclass(kw_only=True)
class InstalledCode:
    """The installed code of one host; safe from any thread.

    `modules` are those that this process has loaded (None: `sys.modules`), `agent` the files that are bound apart.
    """

    home: Path
    places: Callable[[], Places]
    environment: Mapping[str, str]
    trusted: Callable[[], Sequence[VerifyKey]]
    key: Callable[[], SigningKey]
    agent: Sequence[Path] = ()
    modules: Mapping[str, ModuleType] | None = None
    _read: tuple[object, InstalledResult] | None = None
    _check: tuple[object, ProcessCheck] | None = None
    _judged: tuple[object, float, str | None] | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def check(
        self, *, on_progress: OnProgress = lambda _: None, is_stopping: Callable[[], bool] = lambda: False
    ) -> InstalledResult:
        """Check everything now, waiting for another process that does, and sign the result.

        The result may have findings. Raises `AttestationError` where there is no result.
        """
        with self._store.locked(waits=True):
            return self._checked(on_progress, is_stopping)

    def check_if_due(self, *, since: datetime | None = None, is_stopping: Callable[[], bool]) -> InstalledResult | None:
        """Check where the result is older than a day, or than `since`, and no other process does; None elsewhere."""
        if not self.is_due(since=since):
            return None
        with self._store.locked(waits=False) as is_held:
            if not is_held or not self.is_due(since=since):
                return None
            return self._checked(lambda _: None, is_stopping)

    def is_due(self, *, since: datetime | None = None) -> bool:
        """Return whether there is no result of the last 24 hours, and none from after `since`."""
        try:
            at = self._store.read(self.trusted()).at
        except AttestationError:
            return True
        now = datetime.now(UTC)
        return now - at >= DUE or at > now or (since is not None and at < since)

    def result(self) -> InstalledResult:
        """Return the signed result.

        Raises:
            AttestationError: There is none of the last 25 hours, or it has findings.
        """
        with self._lock:
            stamp = self.stamp()
            if self._read is None or self._read[0] != stamp:
                self._read = (stamp, self._store.read(self.trusted()))
            result = self._read[1]
        if (old := age_problem(result, datetime.now(UTC))) is not None:
            raise AttestationError(old)
        check_findings(result.problem())
        return result

    def stamp(self) -> object:
        """Return what changes whenever another result is written."""
        return self._store.stamp()

    def problem(self) -> str | None:
        """Return why the code of this process is not what was checked, in words; None where it is.

        Modules that were loaded since the last call are looked at.
        """
        try:
            result = self.result()
            with self._lock:
                check = self._process(result)
                case, now = (result.at, check.loaded()), time.monotonic()
                if self._judged is None or self._judged[0] != case or now - self._judged[1] > _AGAIN_S:
                    self._judged = (case, now, check.problem())
                said = self._judged[2]
        except AttestationError as error:
            return str(error)
        return None if said is None else f"installed code: {said}"

    @property
    def _store(self) -> ResultStore:
        return ResultStore(self.home)

    def _process(self, result: InstalledResult) -> ProcessCheck:
        if self._check is None or self._check[0] != result.at:
            store = self._store
            made = ProcessCheck(
                metadata=result.metadata,
                files=store.pins(result.files_sha256),
                contents=functools.cache(lambda: store.pins(result.contents_sha256)),
                apart=self.agent,
                modules=self.modules,
            )
            self._check = (result.at, made)
        return self._check[1]

    def _checked(self, on_progress: OnProgress, is_stopping: Callable[[], bool]) -> InstalledResult:
        store = self._store
        answer = run_check(
            self.places(),
            known=store.known_pairs(self.trusted()),
            environment=self.environment,
            on_progress=on_progress,
            is_stopping=is_stopping,
        )
        store.write(answer, self.key())
        return answer.result
