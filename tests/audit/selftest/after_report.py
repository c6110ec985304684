"""Sabotages that come after the report: each must be refused by `telemetry on` and by the next start, and be named.

`tests/audit/test_selftest_after_report.py` plays them on a host in prod whose telemetry a signed GO switched on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Forge = Callable[[Any], Any]
"""A report as the machine made it → the report that the machine's key signs instead."""
Amend = Callable[[Any, Any], tuple[Any, str]]
"""Function of a valid amendment and the new binding; returns the statement and its signer."""
Harm = Callable[[Path, Path], None]
"""Done on the host after telemetry is on: its MEDAGENT_HOME, its list of officers."""


Alter = Callable[[Any], None]
"""Done to what is installed on the host (`tests/installations.py`, a `Site`) after telemetry is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterReport:
    """One way to keep or forge a GO. `says`: a pattern that the refusal must contain."""

    name: str
    breaks: str
    says: str
    forge: Forge | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    harm: Harm | None = None
    drops_vote: bool = False
    amends: Amend | None = None
    """Function that makes the amendment for the new secret in `environment`."""
    drops_amendment: bool = False
    """Whether the ledger has the amendment and the bundle lacks it."""
    alter: Alter | None = None


def _part(name: str, **changes: Any) -> Forge:
    return lambda report: report.model_copy(update={name: getattr(report, name).model_copy(update=changes)})


def _failed(name: str) -> Forge:
    def forge(report: Any) -> Any:
        criteria = (one.model_copy(update={"passed": one.name != name and one.passed}) for one in report.criteria)
        return report.model_copy(update={"criteria": tuple(criteria)})

    return forge


def _another_host(statement: Any, here: Any) -> tuple[Any, str]:
    """Return an amendment whose digest belongs to a system with another collector."""
    from medagent.attestation.binding import destinations_digest  # nothing here is imported by the auditor

    moved = [
        one.model_copy(update={"host": "evil.example"}) if one.name == "otlp" else one for one in here.destinations
    ]
    after = destinations_digest(moved, here.settings)
    return statement.model_copy(update={"destinations_after": after}), "Ines Calder"


def _ledger(home: Path) -> Path:
    return home / "ledger" / "ledger.jsonl"


def _cut(home: Path, _: Path) -> None:
    lines = _ledger(home).read_bytes().splitlines(keepends=True)
    _ledger(home).write_bytes(b"".join(lines[:-1]))


def _ahead(home: Path, _: Path) -> None:
    from medagent.proof import SigningKey  # nothing here is imported by the auditor
    from medagent.telemetry.ledger import Entry  # the same

    last = Entry.parse(_ledger(home).read_bytes().splitlines()[-1])
    later = Entry.make(
        "checkpoint",
        {"by": "duty"},
        sequence=last.sequence + 1,
        previous=last.hash,
        at=(datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="microseconds"),
        key=SigningKey.from_seed(b"h" * 32),
    )
    with _ledger(home).open("ab") as file:
        file.write(later.line() + b"\n")


def _remove(name: str) -> Harm:
    def harm(_: Path, officers: Path) -> None:
        [file] = [one for one in officers.glob("*.json") if name in one.read_text()]
        file.unlink()

    return harm


def _revoke(_: Path, officers: Path) -> None:
    from medagent.attestation.officers import Officers  # nothing here is imported by the auditor

    key_id = Officers.load(officers).all[0].key.key_id
    text = f"revoked:\n  - key_id: {key_id}\n    revoked_on: 2026-11-01\n    reason: the laptop was stolen\n"
    (officers / "revoked.yaml").write_text(text)


def _upgraded(site: Any) -> None:
    site.remove("parcel")
    site.install("parcel", "99.0.0", {"parcel/__init__.py": "SENDS = True\n"})


def _altered(site: Any) -> None:
    file = site.packages / "parcel" / "__init__.py"
    status = file.stat()
    file.write_text(file.read_text().replace("2", "3"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _forged_byte_code(path: str) -> Alter:
    def alter(site: Any) -> None:
        from installations import compiled  # nothing here is imported by the auditor

        compiled(site.root / path, as_source="REDACTS = False\n")

    return alter


def _added(site: Any) -> None:
    (site.packages / "zz_start.pth").write_text("import os\n")


AFTER_REPORT = {
    one.name: one
    for one in (
        AfterReport(
            name="forged_rehearsal",
            breaks="a rehearsal, signed by the machine's key, says GO",
            says="a rehearsal is GO",
            forge=_part("run", rehearsal=True, pace=20.0),
        ),
        AfterReport(
            name="forged_criterion",
            breaks="a criterion failed, and the verdict is GO",
            says="criterion leaks failed",
            forge=_failed("leaks"),
        ),
        AfterReport(
            name="forged_measure",
            breaks="every criterion passed, and the numbers beside it say otherwise",
            says="spans or more were lost",
            forge=_part("delivery", drop_rate=0.5),
        ),
        AfterReport(
            name="weak_protocol",
            breaks="a protocol of one's own asks for one signature",
            says="not pinned",
            forge=lambda report: _part("run", protocol_sha256="ab" * 32)(
                report.model_copy(update={"required_roles": {"sign_off": 1}})
            ),
        ),
        AfterReport(
            name="dropped_vote",
            breaks="a NO-GO that this host saw is taken out of the bundle",
            says="the ledger knows it: sign_off NO-GO",
            drops_vote=True,
        ),
        AfterReport(
            name="http_destination",
            breaks="the collector is spoken to without encryption",
            says="MEDAGENT_OTLP_ENDPOINT: http to another host",
            environment={"MEDAGENT_OTLP_ENDPOINT": "http://collector.clinic.example/a"},
        ),
        AfterReport(
            name="other_tenant",
            breaks="a header sends to another tenant",
            says="otlp: account",
            environment={"MEDAGENT_OTLP_HEADERS": "x-scope-orgid=other"},
        ),
        AfterReport(
            name="other_account",
            breaks="another key sends to another account",
            says="langsmith: account",
            environment={"LANGSMITH_API_KEY": "lsv2_other"},
        ),
        AfterReport(
            name="other_pseudonym_key",
            breaks="pseudonyms are made by another key",
            says="MEDAGENT_PSEUDONYM_KEY",
            environment={"MEDAGENT_PSEUDONYM_KEY": "ef" * 32},
        ),
        AfterReport(
            name="forged_amendment",
            breaks="another account's secret, amended by the machine's key",
            says="amendment 1: signed by no sign-off key",
            environment={"LANGSMITH_API_KEY": "lsv2_other"},
            amends=lambda statement, _: (statement, "machine"),
        ),
        AfterReport(
            name="amended_host",
            breaks="an amendment of a secret names another host too",
            says="amendment 1: another part is changed too",
            environment={"LANGSMITH_API_KEY": "lsv2_other"},
            amends=_another_host,
        ),
        AfterReport(
            name="dropped_amendment",
            breaks="an amendment that this host made is taken out, so that the old secret is used again",
            says="the ledger knows it: amendment destination_account",
            environment={"LANGSMITH_API_KEY": "lsv2_other"},
            amends=lambda statement, _: (statement, "Ines Calder"),
            drops_amendment=True,
        ),
        AfterReport(
            name="other_contracts",
            breaks="the contracts of processors.yaml are others",
            says="MEDAGENT_PROCESSORS",
            environment={"MEDAGENT_PROCESSORS": "policies/processors.yaml"},
        ),
        AfterReport(
            name="plain_websocket",
            breaks="calls are spoken without encryption",
            says="LIVEKIT_URL: ws to another host",
            environment={"LIVEKIT_URL": "ws://livekit.clinic.example"},
        ),
        AfterReport(
            name="open_exit",
            breaks="a way out of LiveKit's own is opened",
            says="MEDAGENT_LIVEKIT_OPEN is set",
            environment={"MEDAGENT_LIVEKIT_OPEN": "text"},
        ),
        AfterReport(
            name="expired_go",
            breaks="the audit is older than its GO lasts",
            says="the GO ended on",
            environment={"MEDAGENT_GO_DAYS": "1"},
        ),
        AfterReport(
            name="removed_officer",
            breaks="who signed is taken off the list",
            says="nobody on the pinned list",
            harm=_remove("Ines Calder"),
        ),
        AfterReport(
            name="revoked_officer", breaks="a key that signed is revoked", says="revoked on 2026-11-01", harm=_revoke
        ),
        AfterReport(
            name="clock_set_back",
            breaks="the clock is an hour earlier than the ledger",
            says="the clock is more than 5 minutes earlier",
            harm=_ahead,
        ),
        AfterReport(
            name="rolled_back_ledger",
            breaks="the ledger lost its last entry",
            says="the ledger was rolled back or deleted|does not record",
            harm=_cut,
        ),
        AfterReport(
            name="deleted_ledger",
            breaks="the ledger is gone",
            says="the ledger was rolled back or deleted",
            harm=lambda home, _: _ledger(home).unlink(),
        ),
        AfterReport(
            name="upgraded_library",
            breaks="a library is another version, whole and with a RECORD of its own",
            says=r"parcel 1\.2\.0: not what was audited \(99\.0\.0 here\)",
            alter=_upgraded,
        ),
        AfterReport(
            name="altered_library",
            breaks="one digit of a library's file is another, its size and time are not",
            says="parcel/__init__.py(: changed since| is not as RECORD has it)",
            alter=_altered,
        ),
        AfterReport(
            name="foreign_byte_code",
            breaks="byte code of another source, with the time and size of a library's file",
            says="parcel/__pycache__/.*: byte code that is not its source's",
            alter=_forged_byte_code("site-packages/parcel/__init__.py"),
        ),
        AfterReport(
            name="foreign_byte_code_of_ours",
            breaks="the same for our own package, whose digest leaves byte code out",
            says="medagent/__pycache__/.*: byte code that is not its source's",
            alter=_forged_byte_code("ours/medagent/__init__.py"),
        ),
        AfterReport(
            name="added_start_file",
            breaks="a .pth file of no distribution runs code at each start of Python",
            says=r"zz_start\.pth: (changed or added|new)",
            alter=_added,
        ),
    )
}
"""All of them by their names."""
