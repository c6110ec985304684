"""Writes `src/medagent/telemetry/door/log_templates.json`: the log messages of libraries that may be written out.

A message is listed if it is a string literal at a log call of the installed sources, by library and version; an
f-string or a name never is. Each conversion of a literal has a type: `n` for a count, `s` for a status code, `-` for
any other argument. Entries of other versions stay in the file. The libraries are those that write lines around a call:
LiveKit (agents, rtc, api, each installed plugin), aiohttp, httpx, openai, and Python's asyncio and concurrent.futures.

    python -m scripts.build_log_templates [--check]
"""

from __future__ import annotations

import ast
import asyncio
import concurrent.futures
import json
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

from medagent.telemetry.door.log_text import CONVERSION

TARGET = Path(__file__).parents[1] / "src/medagent/telemetry/door/log_templates.json"

DISTRIBUTIONS = ("livekit-agents", "livekit", "livekit-api", "aiohttp", "httpx", "httpx2", "openai")
"""Listed beside each installed plugin of LiveKit and `python`."""
_PLUGIN = "livekit-plugins-"
METHODS = frozenset(
    {"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log", "trace", "dev"}
)
"""The methods of `logging.Logger` and of LiveKit's subclass that write a line."""
_COUNT = re.compile(r"(?:interval|delay|timeout|count|attempts?|retries|seconds|bytes|length|size|rate|latency)$", re.I)
_STATUS = re.compile(r"(?:status|status_code|exit_?code|close_code)$", re.I)
Entry: TypeAlias = dict[str, dict[str, str] | list[str]]


def main() -> int:
    """Write the file; with `--check` write nothing and exit with 1 where an installed library differs from it."""
    listed: dict[str, dict[str, Entry]] = json.loads(TARGET.read_text("utf-8")) if TARGET.exists() else {}
    found = {library: build(library) for library in libraries()}
    if "--check" in sys.argv[1:]:
        stale = sorted(
            library for library, (version, entry) in found.items() if listed.get(library, {}).get(version) != entry
        )
        sys.stdout.write("".join(f"{library}\n" for library in stale))
        return 1 if stale else 0
    for library, (version, entry) in found.items():
        listed.setdefault(library, {})[version] = entry
    TARGET.write_text(json.dumps(listed, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    return 0


def libraries() -> list[str]:
    """Return the names of the listed libraries that are installed here."""
    installed = {one.name for one in metadata.distributions()}
    return [*sorted(name for name in installed if name in DISTRIBUTIONS or name.startswith(_PLUGIN)), "python"]


def build(library: str) -> tuple[str, Entry]:
    """Return the installed version of a library, and its entry."""
    if library == "python":
        root = Path(asyncio.__file__).parents[1]
        folders = (Path(asyncio.__file__).parent, Path(concurrent.futures.__file__).parent)
        files = [file for folder in folders for file in folder.rglob("*.py")]
        version = platform.python_version()
    else:
        distribution = metadata.distribution(library)
        root = Path(str(distribution.locate_file("")))
        files = [Path(str(one.locate())) for one in distribution.files or () if one.suffix == ".py"]
        version = distribution.version
    return version, entry_of({file: _module(file.relative_to(root)) for file in files})


def entry_of(modules: dict[Path, str]) -> Entry:
    """Return the loggers and the templates of some modules, given as path and dotted name."""
    loggers: set[str] = set()
    templates: dict[str, str] = {}
    for path, module in modules.items():
        tree = ast.parse(path.read_bytes())
        loggers |= set(_loggers(tree, module, is_package=path.name == "__init__.py"))
        for template, arguments in literals(tree):
            types = _types(template, arguments)
            if types is not None:
                templates[template] = _both(templates.get(template, types), types)
    return {"loggers": sorted(loggers), "templates": dict(sorted(templates.items()))}


def log_calls(tree: ast.AST) -> Iterator[tuple[ast.Call, ast.expr, list[ast.expr]]]:
    """Yield each log call with its message and the arguments after it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr not in METHODS or "log" not in ast.unparse(node.func.value).lower():
            continue
        place = 1 if node.func.attr == "log" else 0
        named = [word.value for word in node.keywords if word.arg == "msg"]
        if len(node.args) > place:
            yield node, node.args[place], node.args[place + 1 :]
        elif named:
            yield node, named[0], []


def literals(tree: ast.AST) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield each literal message of a log call, with its arguments; both sides of a conditional expression."""
    for _call, message, arguments in log_calls(tree):
        for template in _literal(message):
            yield template, arguments


def _literal(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return _literal(body) + _literal(orelse)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [one + other for one in _literal(left) for other in _literal(right)]
        case _:
            return []


def _loggers(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="getLogger") | ast.Name(id="getLogger"), args=[name]):
                match name:
                    case ast.Constant(value=str() as text):
                        yield text
                    case ast.Name(id="__name__"):
                        yield module
                    case ast.Name(id="__package__"):
                        yield package


def _types(template: str, arguments: list[ast.expr]) -> str | None:
    """Return a letter for each conversion; None for a template without words, or that is no valid one."""
    if not re.search(r"[^\W\d_]{2}", CONVERSION.sub("", template)):
        return None
    if not arguments:
        return ""
    found = [match for match in CONVERSION.finditer(template) if match["type"] != "%"]
    if "%" in CONVERSION.sub("", template) or any("*" in match[0] for match in found):
        return None
    if any(isinstance(one, ast.Starred) for one in arguments) or len(arguments) != len(found):
        return "-" * len(found)
    return "".join(_type(match["type"], argument) for match, argument in zip(found, arguments, strict=True))


def _type(conversion: str, argument: ast.expr) -> str:
    match argument:
        case ast.Call(func=ast.Name(id="len")):
            return "n"
        case ast.Attribute(attr=name) | ast.Name(id=name):
            if _STATUS.search(name):
                return "s"
            if _COUNT.search(name):
                return "n"
    return "n" if conversion in "dieEfFgG" else "-"


def _both(one: str, other: str) -> str:
    """Return the types that two calls with one template agree on."""
    longest = max(len(one), len(other))
    return "".join(
        a if a == b else "-" for a, b in zip(one.ljust(longest, "-"), other.ljust(longest, "-"), strict=True)
    )


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


if __name__ == "__main__":
    sys.exit(main())
