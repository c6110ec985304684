"""Files of an agent of the clinic's own, to which a GO is bound beside our code: found without running any of them.

Nothing but the standard library is loaded: every process in prod asks for them at its start.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def agent_root(path: Path) -> Path:
    """Return the outermost package that an agent's file is in; its directory where it is in none."""
    package = path.parent
    while (package / "__init__.py").exists() and (package.parent / "__init__.py").exists():
        package = package.parent
    return package


def agent_entry(path: Path) -> str:
    """Return the name of an agent's file below its root, with slashes."""
    return path.relative_to(agent_root(path)).as_posix()


def agent_files(path: Path | None) -> tuple[Path, ...]:
    """Return the Python files of an agent, sorted; empty without a file.

    The whole package where the file is in one. Else the Python files of its directory, and of each directory in it
    whose name one of them imports: a home directory is not searched, and what an `import` statement reaches is.
    """
    if path is None or not path.is_file():
        return ()
    root = agent_root(path)
    if (root / "__init__.py").exists():
        return tuple(sorted(root.rglob("*.py")))
    found = {*root.glob("*.py"), path}
    waiting, entered = [*found], set[Path]()
    while waiting:
        for name in _imported(waiting.pop()):
            directory = root / name
            if directory not in entered and directory.is_dir():
                entered.add(directory)
                inside = set(directory.rglob("*.py"))
                waiting += inside - found
                found |= inside
    return tuple(sorted(found))


def _imported(file: Path) -> Iterator[str]:
    """Yield every part of every name that a file imports; none of one that is no Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        for name in names:
            yield from (part for part in name.split(".") if part.isidentifier())
