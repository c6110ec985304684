"""First record of a spool file: its call, and what its process ran."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from medagent.telemetry.spool.records import SpoolRecord

_FORMAT = 1
_HEADER = "header"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Digests (SHA-256) of the code, the policy and the settings of a process.

    `service` names the export service inside the same process, where there is one; other processes do not read its
    files while it lives.
    """

    code: str
    policy: str
    settings: str
    service: str | None = None

    def runs_like(self, other: Identity) -> bool:
        """Return whether code, policy and settings are the same."""
        return (self.code, self.policy, self.settings) == (other.code, other.policy, other.settings)

    def header(self, trace_id: str) -> SpoolRecord:
        """Return the header of a call's file."""
        return SpoolRecord(_HEADER, {"format": _FORMAT, "trace_id": trace_id, **asdict(self)})

    @classmethod
    def read(cls, record: SpoolRecord) -> Identity | None:
        """Return what a header states; None where it is of another format."""
        about = record.arguments
        if record.operation != _HEADER or about.get("format") != _FORMAT:
            return None
        service = about.get("service")
        return cls(
            code=str(about.get("code")),
            policy=str(about.get("policy")),
            settings=str(about.get("settings")),
            service=None if service is None else str(service),
        )
