"""May telemetry run here? Yes where a filed report is a GO for exactly what runs here; every doubt is a no."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from medagent.attestation.binding import Binding
from medagent.attestation.bundle import BUNDLE, Bundle, annexes
from medagent.attestation.officers import Officers
from medagent.attestation.verify import VerifiedReport, moment, verify
from medagent.errors import AttestationError
from medagent.file_access import replace_file
from medagent.proof import VerifyKey

_SHA256 = re.compile(r"[0-9a-f]{64}")


def allowed(verified: VerifiedReport, *, binding: Binding, env: Literal["dev", "prod"]) -> datetime:
    """When the audit began, where it allows telemetry here; raises `AttestationError` with every reason against it."""
    against = [*verified.signed.why] if verified.signed.conclusion != "GO" else []
    if verified.signed.conclusion != "GO":
        against.insert(0, f"the report says {verified.signed.conclusion}")
    if verified.report.run.env != env:
        against.append(f"the audit was of {verified.report.run.env}, this is {env}")
    against += binding.differences(verified.report.system)
    if against:
        raise AttestationError("this report does not allow telemetry: " + "; ".join(against))
    return moment(verified.report.run.started_at)


def file_report(path: Path, *, audits: Path, officers: Officers, machine_keys: Sequence[VerifyKey]) -> VerifiedReport:
    """Verify a bundle with its annexes and keep a copy under its statement's digest; raises as `verify` does."""
    bundle, directory = Bundle.load(path)
    verified = verify(bundle, officers=officers, machine_keys=machine_keys, directory=directory)
    place = audits / verified.sha256
    try:
        audits.mkdir(mode=0o700, parents=True, exist_ok=True)
        for annex, content in annexes(verified.report, directory):
            kept = place / annex.name
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(kept, content)
        bundle.write(place)
    except OSError as error:
        raise AttestationError(f"the report cannot be kept at {place} ({type(error).__name__})") from None
    return verified


def filed(sha256: str, *, audits: Path, officers: Officers, machine_keys: Sequence[VerifyKey]) -> VerifiedReport:
    """Verify a report that was filed, its annexes left aside; raises `AttestationError` where it is not that one."""
    if not _SHA256.fullmatch(sha256):
        raise AttestationError("this is not a report's digest")
    bundle, _ = Bundle.load(audits / sha256 / BUNDLE)
    if bundle.report_sha256 != sha256:
        raise AttestationError("the report that is filed is another one")
    return verify(bundle, officers=officers, machine_keys=machine_keys, directory=None)
