"""The check of what is installed: run in a process of its own, signed with this host's key, read by each process.

`MEDAGENT_HOME/installed.json` is the signed result; beside it, in `installed/`, lie the digests of the files, under
their own digest, which the result names. Whoever has the machine's key can sign another result.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import site
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field

from medagent.attestation.binding import PACKAGE, installed_digest
from medagent.attestation.file_pins import unpacked
from medagent.attestation.installed import Places
from medagent.attestation.report import Count, InstalledDistribution, Part, Sha256
from medagent.errors import AttestationError, SignatureError
from medagent.file_access import open_to_write, read_file, replace_file
from medagent.proof import Json, SigningKey, VerifyKey, canonical
from medagent.proof.dsse import Envelope, sign, verify

RESULT = "installed.json"
ANNEXES = "installed"
INSTALLED_CHECK = "urn:medagent:installed-check:1"
LASTS = timedelta(hours=25)
"""An older result proves nothing; a new one is made every `DUE`."""
DUE = timedelta(hours=24)
REMEDY = "to check it: medagent telemetry on --audit REPORT, or start the worker anew"
_CLOCKS_DIFFER = timedelta(minutes=5)
_PATIENCE_S = 900.0
_PAUSE_S = 0.2
_KEPT_S = 3600.0
_LARGEST_ANNEX = 2**26
_PAIR_BYTES = 32
_BOOTSTRAP = """
import sys, types
for name, path in (("medagent", sys.argv[1]), ("medagent.attestation", sys.argv[1] + "/attestation")):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = [path]
from medagent.attestation.installed_child import main
main()
"""
"""Our packages by their directories alone: the path stays that of the standard library, and no `__init__.py` runs."""

OnProgress = Callable[[int], object]
"""Called with the number of files that were read so far."""


class InstalledResult(Part):
    """What a check found, as this host signs it; `metadata` are the names of the metadata by directory."""

    at: AwareDatetime
    distributions: tuple[InstalledDistribution, ...]
    findings: tuple[str, ...]
    metadata: dict[str, tuple[str, ...]]
    files_sha256: Sha256
    contents_sha256: Sha256
    pairs_sha256: Sha256
    count: Count
    compiled: Count
    seconds: Annotated[float, Field(ge=0)]

    @property
    def sha256(self) -> str:
        """Return the digest of the distributions, as a report is bound to it."""
        return installed_digest(self.distributions)

    def problem(self) -> str | None:
        """Return what is wrong with what is installed, whatever a report says; None where nothing is."""
        return None if not self.findings else "; ".join(self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the checking process found, with the three annexes."""

    result: InstalledResult
    files: bytes
    contents: bytes
    pairs: bytes


def places_here(code: Sequence[Path], code_files: Sequence[Path] = ()) -> Places:
    """Return where this interpreter imports from; `code` are our own packages, which have a digest of their own."""
    sites = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    base = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    library = Path(sysconfig.get_config_var("LIBDIR") or "/") / (sysconfig.get_config_var("LDLIBRARY") or "")
    shared = [os.path.realpath(library)] if sysconfig.get_config_var("Py_ENABLE_SHARED") and library.is_file() else []
    stdlib = sysconfig.get_path("stdlib")
    extensions = sysconfig.get_config_var("DESTSHARED") or f"{stdlib}/lib-dynload"
    return Places(
        site=tuple(dict.fromkeys(str(Path(one).absolute()) for one in sites if Path(one).is_dir())),
        stdlib=tuple(dict.fromkeys(one for one in (stdlib, extensions, *_archives()) if Path(one).exists())),
        binaries=(base, *shared),
        version=sys.version.partition(" ")[0],
        code=tuple(str(one) for one in code),
        code_files=tuple(str(one) for one in code_files),
        cache_prefix=sys.pycache_prefix,
    )


def _archives() -> list[str]:
    """The archive of the standard library, which Python looks into first."""
    return [f"{sys.base_prefix}/lib/python{sys.version_info[0]}{sys.version_info[1]}.zip"]


def run_check(
    places: Places,
    *,
    known: bytes = b"",
    environment: Mapping[str, str],
    on_progress: OnProgress = lambda _: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Answer:
    """Check everything in a process of its own, which imports nothing that it checks.

    Args:
        places: Where the checked process imports from.
        known: Pairs of source and byte code that an earlier signed result found equal, one behind another.
        environment: The environment of the process.
        on_progress: Called with the number of files read so far.
        is_stopping: Asked between two reports of progress; the check is given up where it is true.

    Raises:
        AttestationError: The process ended without an answer.
    """
    began = time.monotonic()
    request = {"places": asdict(places), "pairs": base64.b64encode(known).decode()}
    with tempfile.TemporaryDirectory(prefix="medagent-check-") as empty, tempfile.TemporaryFile() as given:
        given.write(json.dumps(request).encode())
        given.seek(0)
        options = ["-I", "-S", "-B", "-X", f"pycache_prefix={empty}", "-c", _BOOTSTRAP]
        with tempfile.TemporaryFile() as answered:
            process = subprocess.Popen(  # noqa: S603  # our own interpreter, no word of anybody else's
                [sys.executable, *options, str(PACKAGE)],
                stdin=given,
                stdout=answered,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd=empty,
            )
            last = _followed(process, on_progress, is_stopping)
            answered.seek(0)
            content = answered.read()
    if process.returncode != 0:
        raise AttestationError(
            f"installed code: the check ended without a result (exit code {process.returncode}{last})",
            hint="run it again: medagent telemetry on --audit REPORT",
        )
    return _answer(json.loads(content), seconds=time.monotonic() - began)


def _followed(process: subprocess.Popen[bytes], on_progress: OnProgress, is_stopping: Callable[[], bool]) -> str:
    """Follow the process to its end; the class of its last error, where it ended by one."""
    last = ""
    with process:
        for line in process.stderr or ():
            text = line.decode(errors="replace").strip()
            if text.isdigit():
                on_progress(int(text))
            elif text[:1].isalpha():
                last = f", {text.partition(':')[0]}"
            if is_stopping():
                process.terminate()
    return last


def _answer(found: dict[str, object], *, seconds: float) -> Answer:
    files, contents, pairs = (base64.b64decode(str(found.pop(name))) for name in ("files", "contents", "pairs"))
    result = InstalledResult.model_validate(
        {
            **found,
            "at": datetime.now(UTC),
            "seconds": round(seconds, 3),
            "files_sha256": hashlib.sha256(files).hexdigest(),
            "contents_sha256": hashlib.sha256(contents).hexdigest(),
            "pairs_sha256": hashlib.sha256(pairs).hexdigest(),
        }
    )
    return Answer(result=result, files=files, contents=contents, pairs=pairs)


# ---- on the disk ----------------------------------------------------------------------------------------------------


class ResultStore:
    """The signed result of one host and its annexes; any number of processes may read while one writes."""

    def __init__(self, home: Path) -> None:
        self._path = home / RESULT
        self._annexes = home / ANNEXES

    def stamp(self) -> tuple[int, ...] | None:
        """Return what changes whenever a result is written; None where there is none."""
        try:
            status = self._path.stat(follow_symlinks=False)
        except OSError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def write(self, answer: Answer, key: SigningKey) -> None:
        """Write annexes, then the result, which names them; then delete annexes of over an hour ago.

        Raises:
            AttestationError: It cannot be written; an earlier result still holds.
        """
        result = answer.result
        annexes = {
            result.files_sha256: answer.files,
            result.contents_sha256: answer.contents,
            result.pairs_sha256: answer.pairs,
        }
        document = json.dumps(_signed(result, key).document()).encode()
        try:
            self._annexes.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, content in annexes.items():
                replace_file(self._annexes / name, content)
            replace_file(self._path, document)
            for old in self._annexes.iterdir():
                is_read = time.time() - old.stat().st_mtime < _KEPT_S  # by a process that has the earlier result
                if old.name not in annexes and old.name != "lock" and not is_read:
                    old.unlink(missing_ok=True)
        except OSError as error:
            raise AttestationError(
                f"installed code: the result cannot be written ({type(error).__name__})",
                hint=f"check space and mode of {self._path.parent}",
            ) from None

    def read(self, keys: Sequence[VerifyKey]) -> InstalledResult:
        """Return the result that this host signed, of any age.

        Raises:
            AttestationError: There is none, or it is not what one of the keys signed.
        """
        try:
            content = read_file(self._path)
        except FileNotFoundError:
            raise AttestationError(f"installed code: never checked on this host ({REMEDY})", hint=REMEDY) from None
        except OSError as error:
            raise AttestationError(
                f"installed code: the result cannot be read ({type(error).__name__}) ({REMEDY})", hint=REMEDY
            ) from None
        try:
            return _read(Envelope.parse(content), keys)
        except (SignatureError, KeyError, TypeError, ValueError):
            raise AttestationError(
                f"installed code: the result is not signed by this host ({REMEDY})", hint=REMEDY
            ) from None

    def pins(self, sha256: str) -> frozenset[bytes]:
        """Return the digests of an annex; raises `AttestationError` where it is not the one that was signed."""
        return unpacked(self.annex(sha256))

    def annex(self, sha256: str) -> bytes:
        """Return the content of an annex; raises as `pins` does."""
        try:
            content = read_file(self._annexes / sha256, limit=_LARGEST_ANNEX)
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != sha256:
            raise AttestationError(f"installed code: the result is not whole ({REMEDY})", hint=REMEDY)
        return content

    def known_pairs(self, keys: Sequence[VerifyKey]) -> bytes:
        """Return the pairs of an earlier signed result, none where there is none."""
        try:
            return self.annex(self.read(keys).pairs_sha256)
        except AttestationError:
            return b""

    @contextmanager
    def locked(self, *, waits: bool) -> Iterator[bool]:
        """Hold the lock of the check, gone with its process; false where another process holds it.

        Raises:
            AttestationError: It was waited for and not had within 15 minutes, or cannot be made.
        """
        deadline = time.monotonic() + _PATIENCE_S
        try:
            self._annexes.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = open_to_write(self._annexes / "lock")
        except OSError as error:
            raise AttestationError(f"installed code: the lock cannot be made ({type(error).__name__})") from None
        try:
            while not (is_held := _locked(descriptor)) and waits:
                if time.monotonic() > deadline:
                    raise AttestationError(
                        "installed code: another process checks it for over 15 minutes",
                        hint=f"see who holds {self._annexes / 'lock'}",
                    )
                time.sleep(_PAUSE_S)
            yield is_held
        finally:
            os.close(descriptor)


def age_problem(result: InstalledResult, now: datetime) -> str | None:
    """Return why a result proves nothing now, by its time; None where it does."""
    if result.at > now + _CLOCKS_DIFFER:
        return f"installed code: checked in the future, at {result.at.isoformat(timespec='seconds')} ({REMEDY})"
    if now - result.at > LASTS:
        return (
            f"installed code: last checked at {result.at.isoformat(timespec='seconds')}, expected within "
            f"{LASTS.total_seconds() / 3600:g} h ({REMEDY})"
        )
    return None


def _locked(descriptor: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _signed(result: InstalledResult, key: SigningKey) -> Envelope:
    return sign(_statement(result), key)


def _statement(result: InstalledResult) -> dict[str, Json]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "installed", "digest": {"sha256": result.sha256}}],
        "predicateType": INSTALLED_CHECK,
        "predicate": result.model_dump(mode="json"),
    }


def _read(envelope: Envelope, keys: Sequence[VerifyKey]) -> InstalledResult:
    statement = verify(envelope, keys, 1).statement
    result = InstalledResult.model_validate_json(canonical(statement["predicate"]))
    if canonical(_statement(result)) != envelope.payload:
        raise ValueError("another statement")
    return result
