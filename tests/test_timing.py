"""The tests hold on a machine that is five times slower: what they may assert of time, and which markers they need."""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parent
APART = ("load/", "audit/selftest/", "work.py")
"""Measurements, the audit's self-test (programs of their own), and the ratio of two processor times."""
SHORTEST_S = 30
MEANT = "# meant to expire"
NO_CLOCK = "# no clock"
_CLOCK = re.compile(r"(monotonic|perf_counter|process_time|thread_time|time)(_ns)?")
_WAIT = re.compile(
    r"sleep|wait|wait_for|wait_for_playout|until|to_thread|create_task|gather"
    r"|Thread|Timer|Barrier|Process|Popen|fork|ThreadPoolExecutor|ProcessPoolExecutor"
    r"|Telemetry|Pipeline|Shipper|Housekeeping|SimulatorProcess|Capture|ProcessWatch|trace_call"
)
"""Calls that wait, poll, or start a thread, a task or a process; the last line is the product's own."""
TAKE_SECONDS = {"wait", "join", "flush", "stop", "timeout", "wait_for", "communicate", "loaded", "close"}
KEYWORDS = {"timeout", "timeout_s", "within_s", "start_timeout_s"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DURATION = re.compile(r"(^|_)(s|ms|us|ns|seconds|took|spent|elapsed|duration)$")


def of_tests() -> list[Path]:
    return [path for path in sorted(TESTS.rglob("*.py")) if not str(path.relative_to(TESTS)).startswith(APART)]


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """Return all nodes of a module, the module first; each but that one knows its `parent`."""
    found: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    for node in found:
        for child in ast.iter_child_nodes(node):
            child.parent = node  # type: ignore[attr-defined]
            found.append(child)
    return found


def parsed(path: Path) -> ast.Module:
    tree = nodes(path)[0]
    assert isinstance(tree, ast.Module)
    return tree


def above(node: ast.AST) -> Iterator[ast.AST]:
    while (node := getattr(node, "parent", None)) is not None:  # type: ignore[assignment]
        yield node


def name_of(node: ast.AST) -> str:
    """Return the last word of a name, an attribute, a call or a subscript."""
    match node:
        case ast.Call(func=inner) | ast.Starred(value=inner):
            return name_of(inner)
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
            return name
        case ast.Subscript(value=of, slice=ast.Constant(value=str(name))):
            return name or name_of(of)
        case ast.Subscript(value=of):
            return name_of(of)
    return ""


def marks_of(node: ast.AST) -> set[str]:
    """Return the markers in a decorator list or in `pytestmark`."""
    found = ast.walk(node)
    return {each.attr for each in found if isinstance(each, ast.Attribute) and name_of(each.value) == "mark"}


def marks_around(node: ast.AST) -> set[str]:
    """Return the markers of the test in which a node is, with those of its module."""
    marks: set[str] = set()
    for each in (node, *above(node)):
        if isinstance(each, (*FUNCTIONS, ast.ClassDef)):
            marks |= set().union(*map(marks_of, each.decorator_list))
        if isinstance(each, ast.Module):
            for one in each.body:
                if isinstance(one, ast.Assign) and name_of(one.targets[0]) == "pytestmark":
                    marks |= marks_of(one.value)
    return marks


def line_of(path: Path, node: ast.AST) -> str:
    return path.read_text("utf-8").splitlines()[node.lineno - 1]  # type: ignore[attr-defined]


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(TESTS)}:{node.lineno}: {ast.unparse(node)[:90]}"  # type: ignore[attr-defined]


# no absolute time outside `deadline`


def is_clock(node: ast.AST) -> bool:
    """Return whether an expression reads a clock that runs, as `time.monotonic()` or `loop.time()` do."""
    return isinstance(node, ast.Call) and bool(_CLOCK.fullmatch(getattr(node.func, "attr", "")))


def read_into(path: Path) -> set[str]:
    """Return the names to which a clock's reading is assigned, in a module."""
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Assign) and any(map(is_clock, (node.value, *getattr(node.value, "elts", ())))):
            names |= {name_of(one) for target in node.targets for one in getattr(target, "elts", [target])}
    return names


def absolute_times(path: Path) -> Iterator[ast.AST]:
    """Find upper limits on elapsed time: a difference of clock readings, or a duration by its name, under a number."""
    readings = read_into(path)

    def is_elapsed(node: ast.AST) -> bool:
        return any(
            isinstance(one, ast.BinOp)
            and isinstance(one.op, ast.Sub)
            and any(is_clock(side) or name_of(side) in readings for side in (one.left, one.right))
            for one in ast.walk(node)
        )

    for node in nodes(path):
        if isinstance(node, ast.Compare) and any(isinstance(each, ast.Assert) for each in above(node)):
            sides = [node.left, *node.comparators]
            for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
                small, large = (left, right) if isinstance(operator, (ast.Lt, ast.LtE)) else (right, left)
                if isinstance(operator, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) and (
                    is_elapsed(small) or (DURATION.search(name_of(small)) and is_constant(large))
                ):
                    yield node
                if name_of(right) == "approx" and isinstance(left, ast.BinOp) and isinstance(left.op, ast.Sub):
                    yield node


def is_constant(node: ast.AST) -> bool:
    return all(
        isinstance(one, (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context))
        or (isinstance(one, ast.Name) and one.id.isupper())
        for one in ast.walk(node)
    )


def test_no_test_asserts_an_absolute_time_outside_deadline() -> None:
    """An upper limit in seconds belongs into a test marked `deadline`; a lower limit holds on any machine."""
    found = [
        place(path, node)
        for path in of_tests()
        for node in absolute_times(path)
        if "deadline" not in marks_around(node) and NO_CLOCK not in line_of(path, node)
    ]
    assert found == []


# time-outs


def constants_of(path: Path) -> dict[str, float]:
    return {
        node.targets[0].id: float(node.value.value)
        for node in parsed(path).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, (int, float))
    }


def short_time_outs(path: Path) -> Iterator[ast.AST]:
    """Find time-outs under 30 s: of calls that take one, by keyword, by default, or added to a clock's reading."""
    known = constants_of(path)

    def seconds(node: ast.AST | None) -> float | None:
        match node:
            case ast.Constant(value=int(value) | float(value)) if not isinstance(value, bool):
                return float(value)
            case ast.Name(id=name):
                return known.get(name)
            case ast.IfExp(body=one, orelse=other):
                found = [each for each in (seconds(one), seconds(other)) if each is not None]
                return min(found) if found else None
        return None

    def is_short(node: ast.AST | None) -> bool:
        value = seconds(node)
        return value is not None and 0 < value < SHORTEST_S

    for node in nodes(path):
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=[*_, last]) if name in TAKE_SECONDS and is_short(last):
                yield node
            case ast.Call(keywords=keywords) if any(one.arg in KEYWORDS and is_short(one.value) for one in keywords):
                yield node
            case ast.BinOp(left=left, op=ast.Add(), right=right) if is_clock(left) and is_short(right):
                yield node
            case ast.arguments(args=names, defaults=values):
                pairs = zip(names[len(names) - len(values) :], values, strict=True)
                if any(one.arg in KEYWORDS and is_short(value) for one, value in pairs):
                    yield node.parent  # type: ignore[attr-defined]


def is_meant(path: Path, node: ast.AST) -> bool:
    """Return whether a time-out is to expire: what it is asserted for is false or an error, or the line says so."""
    if MEANT in line_of(path, node):
        return True
    parent = getattr(node, "parent", None)
    around = [name_of(item.context_expr) for each in above(node) if isinstance(each, ast.With) for item in each.items]
    return "raises" in around or (isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not))


def test_a_time_out_is_at_least_30_s_unless_it_is_meant_to_expire() -> None:
    """A slow machine must not run into it; one that is to expire is negated, or its line has `# meant to expire`."""
    found = [place(path, node) for path in of_tests() for node in short_time_outs(path) if not is_meant(path, node)]
    assert found == []


# the marker `timing`


@dataclass(slots=True)
class Part:
    """A function or class at the top of a module: whether it waits by itself, and the names that it uses."""

    waits: bool = False
    uses: set[tuple[Path, str]] = field(default_factory=set)


@functools.cache
def parts() -> dict[tuple[Path, str], Part]:
    """Return every top-level function and class under tests/ and bench/, with what it uses of the others."""
    found: dict[tuple[Path, str], Part] = {}
    for path in [*of_tests(), *(TESTS.parent / "bench").glob("*.py")]:
        names = imported(path)
        own = [node for node in parsed(path).body if isinstance(node, (*FUNCTIONS, ast.ClassDef))]
        names |= {(each.name): (path, each.name) for each in own}
        above_it = [fixtures(conftest) for conftest in conftests(path)]
        for node in own:
            part, used = found.setdefault((path, node.name), Part()), set[str]()
            for each in ast.walk(node):
                part.waits |= is_wait(each)
                if isinstance(each, (ast.Name, ast.Attribute)):
                    used.add(name_of(each))
                elif isinstance(each, ast.arg):
                    used.add(each.arg)
            for name in used - {node.name}:
                part.uses |= {names[name]} if name in names else {of[name] for of in above_it if name in of}
    return found


def is_wait(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="run" | "check_output" | "check_call"), keywords=keywords):
            return any(each.arg == "timeout" for each in keywords)
        case ast.Call():
            return bool(_WAIT.fullmatch(name_of(node)))
    return False


def imported(path: Path) -> dict[str, tuple[Path, str]]:
    """Return what a module takes from other modules of the tests, by the name that it has here."""
    found = {}
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts_of = node.module.removeprefix("tests.").split(".")
            for root in (TESTS, TESTS.parent):
                file = root.joinpath(*parts_of).with_suffix(".py")
                if file.is_file():
                    found |= {alias.asname or alias.name: (file, alias.name) for alias in node.names}
    return found


def conftests(path: Path) -> list[Path]:
    folders = [folder for folder in path.parents if TESTS in (folder, *folder.parents)]
    return [folder / "conftest.py" for folder in folders if (folder / "conftest.py").is_file()]


@functools.cache
def fixtures(conftest: Path) -> dict[str, tuple[Path, str]]:
    own = {node.name: (conftest, node.name) for node in parsed(conftest).body if isinstance(node, FUNCTIONS)}
    return own | imported(conftest)


def reaches_a_wait(start: tuple[Path, str]) -> bool:
    seen, left = set(), [start]
    while left:
        each = left.pop()
        if each in seen or each not in parts():
            continue
        seen.add(each)
        if parts()[each].waits:
            return True
        left += parts()[each].uses
    return False


def test_what_waits_is_marked_timing() -> None:
    """A test that waits, polls or uses threads or processes runs with each CPU held to a fifth too."""
    lacking = [
        f"{path.relative_to(TESTS)}::{node.name}"
        for path in of_tests()
        for node in parsed(path).body
        if isinstance(node, FUNCTIONS)
        and node.name.startswith("test_")
        and reaches_a_wait((path, node.name))
        and not marks_around(node) & {"timing", "deadline"}
    ]
    assert lacking == []


# the rules see what they are for


def of_text(directory: Path, text: str) -> Path:
    path = directory / "test_sample.py"
    path.write_text(textwrap.dedent(text))
    return path


def test_the_rules_find_each_kind_of_absolute_time(tmp_path: Path) -> None:
    """Elapsed time under a limit, a duration by its name, a difference near a number; a lower limit is none."""
    path = of_text(
        tmp_path,
        """
        def test_it(loop, events):
            began = time.monotonic()
            assert time.monotonic() - began < 2
            assert 2 > loop.time() - began
            assert told["held_s"] < MOST_S
            assert events[1] - events[0] == pytest.approx(0.3, abs=0.1)
            assert time.monotonic() - began > 2
            assert told["count"] < 3
            while time.monotonic() < deadline: pass
        """,
    )
    assert [node.lineno for node in absolute_times(path)] == [4, 5, 6, 7]  # type: ignore[attr-defined]


def test_the_rules_find_each_kind_of_short_time_out(tmp_path: Path) -> None:
    """In a call, by keyword, by default and added to a clock; not where it is negated, expected or 30 s."""
    path = of_text(
        tmp_path,
        """
        SHORT_S = 5
        def until(holds, within_s=10.0):
            deadline = time.monotonic() + SHORT_S
            thread.join(10)
            subprocess.run([], timeout=20)
            process.wait(SHORT_S)
            assert not shipper.flush(1)
            with pytest.raises(TimeoutError): queue.wait(1)
            stuck.stop(0.2)  # meant to expire
            thread.join(30)
        """,
    )
    found = [node.lineno for node in short_time_outs(path) if not is_meant(path, node)]  # type: ignore[attr-defined]
    assert sorted(found) == [3, 4, 5, 6, 7]


def test_the_rules_find_a_wait_behind_a_fixture_and_a_helper_of_another_module() -> None:
    """A command has a time-out, a destination is a process: what uses them waits, a test of pure values does not."""
    assert reaches_a_wait((TESTS / "cli" / "test_gate.py", "test_the_first_gate_asks_every_destination"))
    assert reaches_a_wait((TESTS / "faults" / "test_wire_faults.py", "test_connection_refused"))
    assert not any(reaches_a_wait(part) for part in parts() if part[0] == TESTS / "test_pricing.py")
