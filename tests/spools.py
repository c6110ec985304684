"""A host for tests of the spool: a folder, jobs that write to it, services that read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medagent.telemetry.gates import ExportGate
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.spool.directory import SpoolDirectory
from medagent.telemetry.spool.header import Identity
from medagent.telemetry.spool.importer import SpoolImporter
from medagent.telemetry.spool.spool import Spool
from medagent.telemetry.switch import Switch

IDENTITY = Identity(code="c0de", policy="p0", settings="5e")


@dataclass(slots=True, kw_only=True)
class SpoolHost:
    """Jobs and services of one home."""

    home: Path
    url: str | None = None
    owner: str = "service"
    forced: str | None = None
    ended: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.home / "spool"

    def job(self, **changes: Any) -> Spool:
        about: dict[str, Any] = {"identity": IDENTITY}
        return Spool(self.folder, **(about | changes))

    def outbox(self, **changes: Any) -> Outbox:
        about: dict[str, Any] = {"destinations": ["archive"], "owner": self.owner}
        return Outbox(self.url or f"sqlite:///{self.home / 'outbox.db'}", **(about | changes))

    def service(
        self,
        outbox: Outbox,
        *,
        identity: Identity = IDENTITY,
        service: str | None = None,
        reads_living: bool = True,
        end_dead: Callable[[str], bool] | None = None,
    ) -> SpoolImporter:
        def end(trace_id: str) -> bool:
            self.dead.append(trace_id)
            return True

        return SpoolImporter(
            SpoolDirectory(self.folder),
            outbox=outbox,
            identity=replace(identity, service=service),
            gate=ExportGate(Switch(self.home, forced=self.forced, env="dev")),
            reads_living=lambda: reads_living,
            end_dead=end_dead or end,
            on_ended=self.ended.append,
        )

    def names(self) -> list[str]:
        """Return the names of the spool files that readers look for."""
        return sorted(file.name for file in SpoolDirectory(self.folder).files())

    def on_disk(self) -> bytes:
        """Return all that is in the folder."""
        return b"".join(path.read_bytes() for path in self.folder.rglob("*") if path.is_file())
