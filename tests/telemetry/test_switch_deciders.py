"""Two functions decide by the switch; every other caller is listed here with what it shows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import medagent

SOURCE = Path(medagent.__file__).parent
DECIDERS = {
    "telemetry.gates.StoreGate.decide": "the telemetry worker: whether spans of a call are stored",
    "telemetry.gates.ExportGate.decide": "the export worker: whether a request or a batch leaves",
}
OBSERVERS = {
    "telemetry.switch.Switch.is_on": "the same answer as a truth value",
    "runtime.kill_switch.switch_message": "the sentence of doctor, ship, call, gate, worker start, telemetry on, off",
    "cli.telemetry.status": "the state, whole",
    "cli.incident._print": "whether telemetry is on, beside what left",
    "rehearsal.Stage._is_traced": "whether a simulated call is expected to have a trace",
    "audit.line._Line._see_the_switch": "tells the auditor when this process saw the switch go off",
    "audit.safeguards._session_asks_admission": "whether a leak tripped a switch made for the drill",
    "audit.safeguards._trips_are_kept": "whether a switch made for the drill forgot its trip",
}
NAMED_SO = ("switch", "stop", "kill_switch")
"""What a switch is called here: a bound `state` of one is a caller too."""


def qualified(tree: ast.Module, module: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node of a module with the qualified name of the function that it stands in."""
    pending: list[tuple[str, ast.AST]] = [(module, tree)]
    while pending:
        name, node = pending.pop()
        yield name, node
        for inner in ast.iter_child_nodes(node):
            is_named = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            pending.append((f"{name}.{inner.name}" if is_named else name, inner))  # type: ignore[attr-defined]


def asks_a_switch(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and node.attr == "is_on":
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "state":
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
        return any(isinstance(one, ast.Constant) and one.value in ("is_on", "state") for one in node.args)
    if isinstance(node, ast.Attribute) and node.attr == "state":
        owner = node.value
        last = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        return last.lstrip("_") in NAMED_SO
    return False


def callers() -> set[str]:
    found = set()
    for path in SOURCE.rglob("*.py"):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for name, node in qualified(ast.parse(path.read_text()), module):
            if asks_a_switch(node):
                found.add(name)
    return found


def test_callers_of_the_switch_are_two_deciders_and_the_listed_observers() -> None:
    """A new caller fails: it acts on what a gate returns, or is listed above with what it shows."""
    assert callers() == DECIDERS.keys() | OBSERVERS.keys()


def test_only_the_switch_reads_its_file() -> None:
    """Nothing else in the framework decides by `switch.json`; the audit reads when it was written."""
    readers = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if '"switch.json"' in path.read_text()}
    assert readers == {
        "telemetry/switch.py",
        "audit/switch_drill.py",
        "audit/request_drill.py",
        "audit/safeguards.py",
    }


def test_every_request_session_is_made_with_a_gate() -> None:
    """`ExitSession`, `ask` and `Post` of the source name their gate; nothing else there sends by `requests`."""
    makers, importers = set(), set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ExitSession":
                makers.add((path.name, any(word.arg == "gate" for word in node.keywords)))
            if isinstance(node, ast.Import) and any(one.name == "requests" for one in node.names):
                importers.add(str(path.relative_to(SOURCE)))
    assert {has_gate for _, has_gate in makers} == {True}
    assert importers == {
        "telemetry/door/answer.py",
        "telemetry/door/exit.py",
        "telemetry/door/id_requests.py",
        "telemetry/exporters/exporter.py",
    }
