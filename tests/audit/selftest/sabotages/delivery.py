"""What is lost, sent twice, altered or kept although somebody said no."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

from tests.audit.selftest.sabotage import sabotage


@sabotage(
    "error_swallowed",
    breaks="a handler that catches everything leaves tools' spans out and says nothing",
    causes="calls: .*tools were called",
    of="medagent.telemetry.session",
)
def error_swallowed(session: ModuleType) -> None:
    attempt = session.Session._attempt

    def silent(self: Any, record: Any, **options: Any) -> Any:
        return [] if record.name.startswith("tool.") else attempt(self, record, **options)

    session.Session._attempt = silent


@sabotage(
    "drop_hidden",
    breaks="a shipper says delivered and sends every second batch only",
    causes="drop: .*lost",
    of="medagent.telemetry.exporters.otlp",
)
def drop_hidden(otlp: ModuleType) -> None:
    export = otlp.OtlpExporter.export
    counted: list[str] = []

    def lazy(self: Any, batch: Any) -> None:
        counted.append(self.name)
        if self.name != "langfuse" or counted.count(self.name) % 2:
            export(self, batch)

    otlp.OtlpExporter.export = lazy


@sabotage(
    "sent_twice",
    breaks="a destination gets each batch twice",
    causes="drop: .*[1-9][0-9]* twice",
    of="medagent.telemetry.exporters.otlp",
)
def sent_twice(otlp: ModuleType) -> None:
    export = otlp.OtlpExporter.export

    def twice(self: Any, batch: Any) -> None:
        export(self, batch)
        export(self, batch)

    otlp.OtlpExporter.export = twice


@sabotage(
    "span_altered",
    breaks="the archive changes a span that was sealed",
    causes="seals: 0 of",
    of="medagent.telemetry.exporters.archive",
)
def span_altered(archive: ModuleType) -> None:
    from dataclasses import replace  # the interpreter is only just starting

    export = archive.Archive.export
    archive.Archive.export = lambda self, batch: export(self, [replace(span, end_us=span.end_us + 1) for span in batch])


@sabotage(
    "chain_broken",
    breaks="spans are sealed without the one before them",
    causes="seals: 0 of",
    of="medagent.telemetry.outbox.transaction",
)
def chain_broken(transaction: ModuleType) -> None:
    seal = transaction.Seal

    class Loose:
        @staticmethod
        def over(*, sequence: int, previous: str, span_digest: str) -> Any:
            return seal.over(sequence=sequence, previous=transaction.GENESIS, span_digest=span_digest)

    transaction.Seal = Loose


@sabotage(
    "ledger_rewritten",
    breaks="an entry of the ledger is changed after it was written",
    causes="seals: .* 0 entries",
    of="medagent.telemetry.ledger.ledger",
)
def ledger_rewritten(ledger: ModuleType) -> None:
    append = ledger.Ledger.append

    def rewriting(self: Any, kind: str, content: Any) -> Any:
        entry = append(self, kind, content)
        lines = self._path.read_bytes().splitlines(keepends=True)
        if len(lines) > 2:
            first = json.loads(lines[0])
            first["at"] = first["at"].replace("20", "21", 1)
            lines[0] = json.dumps(first, separators=(",", ":"), sort_keys=True).encode() + b"\n"
            self._path.write_bytes(b"".join(lines))
        return entry

    ledger.Ledger.append = rewriting
    ledger.Ledger.append_once = rewriting


@sabotage(
    "ledger_not_told",
    breaks="the ledger keeps nothing of calls",
    causes="seals: 0 of",
    of="medagent.telemetry.ledger.ledger",
)
def ledger_not_told(ledger: ModuleType) -> None:
    for name in ("append", "append_once"):
        own = getattr(ledger.Ledger, name)

        def forgetful(self: Any, kind: str, content: Any, own: Any = own) -> Any:
            return None if kind == "guardrail" else own(self, kind, content)

        setattr(ledger.Ledger, name, forgetful)


@sabotage(
    "consent_ignored",
    breaks="a caller says no and is traced all the same",
    causes="calls: .*consent was refused",
    of="medagent.telemetry.session",
    scenarios=("book", "consent_refused"),
)
def consent_ignored(session: ModuleType) -> None:
    session.Session._withdraw = lambda self: self._allow()
