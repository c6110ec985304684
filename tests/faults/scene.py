"""Where a fault is made: a state directory, a destination, victims; and the count, from the destination's own file."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from command import Done, medagent
from medagent.telemetry.door.derived import short_id
from medagent.telemetry.exporters.jsonlog import lines_of
from medagent.telemetry.ledger import entries
from medagent.telemetry.span import SafeSpan
from sink import Received

LONG_S = 90.0
"""How long a test waits for what must come, on a machine that has much else to do."""
ON_THE_WIRE = ("langsmith", "otlp")
ALL = (*ON_THE_WIRE, "jsonlog")
CALL = [
    *("agent_turn", "agent_turn", "agent_turn", "policy.guardrail", "session.end", "session.start"),
    *("tool.book_appointment", "user_turn", "user_turn", "voice_session"),
]
"""The spans of a victim's call, sorted by name."""
_OURS = ("MEDAGENT_", "LANGSMITH_", "LANGCHAIN_", "LANGFUSE_", "AZURE_")
_HERE = Path(__file__).parent


def until(holds: Callable[[], object], *, seconds: float = LONG_S) -> None:
    """Wait until something holds; fails where it does not in all that time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


class Destination:
    """The process at the other end of the wire, which may end and come again at its port."""

    def __init__(self, directory: Path, *, certificate: Path | None = None) -> None:
        self._log = directory / "requests.jsonl"
        self._log.touch()
        self._certificate = certificate
        self._process: subprocess.Popen[str] | None = None
        self._held = socket.socket()  # keeps the port ours while nobody listens: to connect is refused then
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port = int(self._held.getsockname()[1])
        self.url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Listen."""
        words = ["--log", str(self._log), "--port", str(self.port)]
        words += [] if self._certificate is None else ["--certificate", str(self._certificate)]
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / "destination.py"), *words], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), "the destination did not start"
        return self

    def close(self) -> None:
        """End, and give the port back."""
        self.stop()
        self._held.close()

    def stop(self) -> None:
        """End; until it starts again, to connect is refused."""
        if self._process is not None and self._process.stdout is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def mode(self, **mode: Any) -> None:
        """What comes next is met so; with no words, well."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG_S)
        with closing(connection):
            connection.request("POST", "/_mode", json.dumps(mode), {"Content-Type": "application/json"})
            assert connection.getresponse().status == 200

    def requests(self) -> list[tuple[float, Received]]:
        """Each request with its moment on the monotonic clock; a last line that is being written is none yet."""
        lines = [json.loads(line) for line in self._log.read_text().split("\n")[:-1]]
        return [(line.pop("at"), Received(raw=base64.b64decode(line.pop("body")), **line)) for line in lines]

    def answered(self, destination: str, *, since: int = 0) -> list[int]:
        """The statuses that one destination gave from the so-manieth request on; 0 is a cut line."""
        path = {"langsmith": "/runs/multipart", "otlp": "/v1/traces"}[destination]
        return [request.answered for _, request in self.requests()[since:] if request.path == path]

    def met(self, status: int, *, since: int = 0) -> bool:
        """Whether both destinations gave this answer from the so-manieth request on."""
        return all(status in self.answered(name, since=since) for name in ON_THE_WIRE)

    def took(self, *, since: int = 0) -> bool:
        """Return whether both destinations answered a request with a success."""
        return all(any(200 <= status < 300 for status in self.answered(name, since=since)) for name in ON_THE_WIRE)

    def arrivals(self) -> dict[str, list[tuple[str, bytes]]]:
        """By destination, all that was taken: ids, each with what stood there, one entry a delivery."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        found: dict[str, list[tuple[str, bytes]]] = {name: [] for name in ON_THE_WIRE}
        for _, request in self.requests():
            if not 200 <= request.answered < 300:
                continue
            if request.path == "/runs/multipart":
                runs: dict[str, dict[str, Any]] = {}
                for name, value in request.parts():
                    runs.setdefault(name.split(".")[1], {})[name] = value
                found["langsmith"] += [(run, json.dumps(of, sort_keys=True).encode()) for run, of in runs.items()]
            elif request.path == "/v1/traces":
                message = ExportTraceServiceRequest.FromString(request.body)
                spans = [s for r in message.resource_spans for scope in r.scope_spans for s in scope.spans]
                found["otlp"] += [(s.span_id.hex(), s.SerializeToString(deterministic=True)) for s in spans]
        return found


class Victim:
    """A process that takes calls; `tell` gives it a command, `hear` waits for its next line."""

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], *, errors: Path, wrap: Sequence[str] = ()
    ) -> None:
        self._errors = errors
        with errors.open("w") as written:
            self.process = subprocess.Popen(
                [*wrap, sys.executable, str(_HERE / "victim.py"), *words],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=written,
                text=True,
            )

    def __enter__(self) -> Self:
        assert self.hear().get("ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.process.kill()
            sys.stderr.write(self.errors()[-4000:])
        self.end()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def say(self, *words: object) -> None:
        """Give a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next line of the victim."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the victim ended: {self.errors()[-4000:]}"
        heard: dict[str, Any] = json.loads(line)
        return heard

    def tell(self, *words: object) -> dict[str, Any]:
        """Give a command and wait until it is done."""
        self.say(*words)
        while (heard := self.hear()).get("done") != words[0]:
            pass
        return heard

    def signal(self, number: int) -> float:
        """Send a signal and wait for the end; returns the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(LONG_S)
        return time.monotonic() - began

    def end(self) -> int:
        """Close its stdin and wait for its end."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.process.wait(LONG_S)

    def errors(self) -> str:
        """What it wrote to stderr so far."""
        return self._errors.read_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the matrix."""

    fault: str
    accepted: int
    arrived: int
    repeats: int
    call: str
    seconds: float


class Scene:
    """One test's state directory and destination, and what came of both."""

    def __init__(self, directory: Path, *, url: str = "") -> None:
        self.directory = directory
        self.home = directory / "home"
        self.view = self.home  # where it is for this process, should the victim's mounts be others
        self.log = directory / "calls.jsonl"
        self.began = time.monotonic()
        self.destination = Destination(directory)
        self.url = url or self.destination.url
        self.rows: list[Row] = []

    def environment(self, **more: str) -> dict[str, str]:
        """What a process of this host is told; `more` has the last word."""
        settings = {
            "MEDAGENT_HOME": str(self.home),
            "LANGSMITH_API_KEY": "lsv2_pt_test",
            "LANGSMITH_ENDPOINT": self.url,
            "MEDAGENT_DESTINATIONS": "otlp,jsonlog",
            "MEDAGENT_OTLP_ENDPOINT": self.url,
            "MEDAGENT_JSONLOG": str(self.log),
            "MEDAGENT_CLINIC_DATABASE_URL": f"sqlite:///{self.directory / 'clinic.db'}",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {**inherited, **settings, **more}

    def victim(self, *words: str, wrap: Sequence[str] = (), **more: str) -> Victim:
        """A process that is about to be harmed."""
        return Victim(words, self.environment(**more), errors=self.directory / "errors.txt", wrap=wrap)

    def command(self, *words: str, **more: str) -> Done:
        """A command on this host."""
        environment = {name: value for name, value in self.environment(**more).items() if name != "MEDAGENT_HOME"}
        return medagent(*words, home=self.view, **environment)

    def ship(self, **more: str) -> Done:
        """`medagent ship`, until nothing waits."""
        return self.command("ship", "--wait", str(LONG_S), "--json", **more)

    def status(self) -> dict[str, Any]:
        """What waits, as the person on duty sees it."""
        shown: dict[str, Any] = json.loads(self.command("outbox", "status", "--json").out)
        return shown

    def accepted(self) -> dict[str, tuple[str, str]]:
        """Every span that was sealed on disk, here or in the archive: its call and its name, by its id."""
        places = {
            "outbox/outbox.db": "SELECT span_id, trace_id, name FROM spans WHERE state = 'sealed'",
            "archive/archive.db": "SELECT span_id, trace_id, name FROM span",
        }
        found: dict[str, tuple[str, str]] = {}
        for name, query in places.items():
            if (self.view / name).exists():
                with closing(sqlite3.connect(self.view / name, timeout=LONG_S)) as database:
                    found |= {row[0]: (row[1], row[2]) for row in database.execute(query)}
        return found

    def tried(self) -> set[str]:
        """The destinations that failed to take something which still waits for them."""
        return self._waiting("attempts > 0")

    def lacking(self) -> set[str]:
        """The destinations for which something waits."""
        return self._waiting("1")

    def _waiting(self, which: str) -> set[str]:
        until(self._has_tables)
        with closing(sqlite3.connect(self.view / "outbox" / "outbox.db", timeout=LONG_S)) as database:
            query = f"SELECT DISTINCT destination FROM deliveries WHERE {which}"
            return {row[0] for row in database.execute(query)}

    def _has_tables(self) -> bool:
        """Return whether the victim has created its outbox, which it does when it starts to deliver."""
        path = self.view / "outbox" / "outbox.db"
        if not path.exists():
            return False
        with closing(sqlite3.connect(path, timeout=LONG_S)) as database:
            return database.execute("SELECT 1 FROM sqlite_master WHERE name = 'deliveries'").fetchone() is not None

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        """What the ledger has of one kind, once it is found whole."""
        assert self.command("ledger", "verify").code == 0
        path = self.view / "ledger" / "ledger.jsonl"
        return [dict(entry.content) for entry in entries(path) if entry.kind == kind]

    def names(self, trace_id: str) -> list[str]:
        """The spans of one call, sorted by name."""
        return sorted(name for call, name in self.accepted().values() if call == trace_id)

    def fields(self, trace_id: str, name: str) -> dict[str, Any]:
        """The fields of the one span of this name in the archive."""
        [span] = [span for span in self.archived() if (span.trace_id, span.name) == (trace_id, name)]
        return dict(span.fields)

    def archived(self) -> list[SafeSpan]:
        """All that the archive has."""
        with closing(sqlite3.connect(self.view / "archive" / "archive.db", timeout=LONG_S)) as database:
            rows = database.execute("SELECT document FROM span").fetchall()
        return [SafeSpan.from_document(json.loads(row[0])) for row in rows]

    def age(self) -> float:
        """Seconds since the scene was set."""
        return time.monotonic() - self.began

    def row(
        self,
        fault: str,
        before: Mapping[str, object],
        *,
        call: str,
        calls: Sequence[str] | None = None,
        to: Sequence[str] = ALL,
        repeats: bool = True,
    ) -> Row:
        """The verdict: each destination's own file has every accepted span and no other, and shows none in two forms.

        `before` is what was accepted when the fault began to end; `calls` are those that the row counts, by default
        all; `repeats` says whether an id of theirs may have come more than once.
        """
        accepted = self.accepted()
        assert set(before) <= set(accepted), "what was accepted is gone"
        counted = {span_id for span_id, (trace_id, _) in accepted.items() if calls is None or trace_id in calls}
        assert counted, "nothing was accepted, so nothing is proved"
        lines = {str(line["_id"]): span.span_id for span in self.archived() for line in lines_of(span)}
        wanted = {
            "langsmith": {span_id: span_id for span_id in accepted},
            "otlp": {short_id(span_id): span_id for span_id in accepted},
            "jsonlog": lines,
        }
        there, again, lost = self.arrivals(), 0, 0
        for name in to:
            ids = Counter(identity for identity, _ in there[name])
            lacking = {span_id for identity, span_id in wanted[name].items() if identity not in ids}
            lost = max(lost, len(lacking & counted))
            assert set(ids) == set(wanted[name]), f"{name} lacks {len(lacking)} of {len(wanted[name])}"
            assert len(set(there[name])) == len(ids), f"{name} shows a span in two forms"
            again += sum(count - 1 for identity, count in ids.items() if wanted[name][identity] in counted)
        assert repeats or not again, f"{again} repeats"
        arrived = len(counted) - lost
        row = Row(fault=fault, accepted=len(counted), arrived=arrived, repeats=again, call=call, seconds=self.age())
        self.rows.append(row)
        return row

    def arrivals(self) -> dict[str, list[tuple[str, bytes]]]:
        """All that arrived anywhere, one entry a delivery."""
        log = self.log.read_bytes().splitlines() if self.log.is_file() else []
        return {**self.destination.arrivals(), "jsonlog": [(str(json.loads(line)["_id"]), line) for line in log]}
