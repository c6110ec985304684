"""The top level of the command line: its help page loads no command, its version is the package's."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from command import medagent
from medagent.cli import _COMMANDS, load_command

MAY_BE_LOADED = {
    *("typer", "shellingham", "annotated_doc"),
    *("medagent", "medagent.cli", "medagent.cli.encoding", "medagent.cli.help_page"),
    *("medagent.core_dumps", "medagent.errors"),
}
"""Beside the standard library and the parts of `typer`: Rich alone takes a third of the time that `--help` may take."""
LOOK = """
import json, sys
from medagent.cli import main
before = set(sys.modules) if len(sys.argv) < 2 else set()
sys.argv = ["medagent", *sys.argv[1:]]
try:
    main()
except SystemExit as ended:
    print(ended.code)
print(json.dumps(sorted(sys.modules)))
"""


def loaded(*words: str) -> set[str]:
    """Return the modules that a process of its own has loaded when a command ended, `typer`'s parts as one."""
    done = subprocess.run([sys.executable, "-c", LOOK, *words], capture_output=True, text=True, check=True, timeout=120)
    names = {
        name if name.startswith("medagent") else name.partition(".")[0]
        for name in json.loads(done.stdout.splitlines()[-1])
    }
    return {name for name in names if name.partition(".")[0] not in {*sys.stdlib_module_names, "__main__"}}


@pytest.mark.timing
@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_loads_only_the_listed_modules(words: list[str]) -> None:
    """`medagent --help` and `--version` load no command, no Rich, no pydantic and no LiveKit."""
    named = {name for name in loaded(*words) if not name.startswith("_")}
    assert named <= MAY_BE_LOADED
    assert "medagent.cli.help_page" in named


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_help_line_is_the_commands_own(name: str) -> None:
    """The line of the top level's page is the first paragraph of what the command itself says."""
    own = load_command(name).help or ""
    assert " ".join(own.split("\n\n")[0].split()) == _COMMANDS[name][1]


@pytest.mark.timing
def test_help_names_each_command(tmp_path: Path) -> None:
    """Within 100 columns, without colours where the output is no terminal."""
    done = medagent("--help", home=tmp_path, COLUMNS="100")
    assert done.code == 0
    assert all(f" {name} " in done.out for name in (*_COMMANDS, "--version", "--help, -h"))
    assert max(map(len, done.out.splitlines())) <= 100
    assert "\x1b" not in done.out


@pytest.mark.timing
def test_version_is_the_packages(tmp_path: Path) -> None:
    """`medagent --version` prints one line."""
    done = medagent("--version", home=tmp_path)
    assert (done.code, done.out) == (0, f"medagent {version('medagent')}\n")


@pytest.mark.timing
def test_a_misspelt_command_is_answered_with_the_similar_one(tmp_path: Path) -> None:
    """An unknown command is exit code 2 and names the most similar."""
    done = medagent("dcotor", home=tmp_path)
    assert done.code == 2
    assert "Did you mean 'doctor'" in done.err
