"""The sample output in README.md is what the program prints: its words, in its order; figures and ids may differ."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from command import MEDAGENT, medagent
from medagent.cli import call_timeline
from medagent.cli.call_rows import call_rows
from medagent.cli.call_timeline import BLOCKS, timeline
from medagent.runtime.exports import archive
from medagent.settings import load_settings

pytestmark = pytest.mark.timing

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
_DRAWN = re.compile(r"[│├└─█▒░■]+")
_FIGURES = (
    (re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{8}\b|\b[a-f]{8}\b"), "ID"),
    (re.compile(r"\d\d:\d\d(\.\d)?"), "CLOCK"),
    (re.compile(r"\d[\d,.]* (ms|s)\b"), "TIME"),
    (re.compile(r"\d([\d,.:T-]*\d)?"), "N"),
)


def samples() -> dict[str, str]:
    """Each sample by its command."""
    found = re.findall(r"^```\n\$ ([^\n]+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return dict(found)


def words(text: str) -> str:
    """A text without lines, drawings and figures: what a reader reads."""
    for pattern, name in _FIGURES:
        text = pattern.sub(name, text)
    return " ".join(_DRAWN.sub(" ", text).split())


def assert_printed(sample: str, printed: str) -> None:
    """Every piece of a sample between two ellipses is printed, in the sample's order."""
    rest = words(printed)
    for piece in filter(None, (words(one) for one in sample.split("…"))):
        assert piece in rest, f"README has, and the program does not print after the piece before: {piece}"
        rest = rest.partition(piece)[2]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home in which the call of the sample was played, and what the command printed."""
    home = tmp_path_factory.mktemp("readme")
    done = medagent("call", "--pace", "20", home=home)
    assert done.code == 0, done.err
    return home, done.out


def test_readme_shows_what_call_prints(played: tuple[Path, str]) -> None:
    """The words of `make call`, which plays `medagent call`."""
    assert_printed(samples()["make call"], played[1])


def test_readme_shows_what_the_timeline_prints(played: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of the timeline; at this pace every silence is short, so that all are shown."""
    monkeypatch.setattr(call_timeline, "SHOWN_SILENCE_MS", 0.0)
    store = archive(load_settings(MEDAGENT_HOME=played[0]))
    rows = call_rows(store.spans(store.calls(1)[0].trace_id))
    store.close()
    printed = [line.plain for line in timeline(rows, width=80, marks=BLOCKS)]
    sample = samples()["medagent trace show --timeline"].splitlines()
    lines = [words(line) for line in printed]
    for line in sample[6:]:
        if line != "…":
            assert any(one.startswith(words(line)) for one in lines), line
    order = ("model", "turn detection", "tool")
    said = words(" ".join(sample[:4]))
    assert sorted(order) == sorted(name for name in order if name in said)
    assert_printed("\n".join(sample[2:4]), "\n".join(printed))
    assert re.match(r"Slowest: TIME at CLOCK before agent turn N", said)
    assert re.match(r"Slowest: TIME at CLOCK before agent turn N", lines[0])


def test_a_sample_that_the_program_does_not_print_is_found(played: tuple[Path, str]) -> None:
    """The comparison fails for another word, another order and a missing line."""
    sample = samples()["make call"]
    for changed in (
        sample.replace("check_availability: done", "check_availability: ok"),
        sample.replace("speaks, the caller waited", "speaks, and the caller waited"),
        sample.replace("agent_turn  greeting", "agent_turn  hello"),
        "\n".join(reversed(sample.splitlines())),
    ):
        with pytest.raises(AssertionError):
            assert_printed(changed, played[1])


@pytest.mark.parametrize(("columns", "width"), [("", 80), ("66", 66)], ids=["no COLUMNS", "COLUMNS"])
def test_piped_timeline_is_plain_and_fits(played: tuple[Path, str], columns: str, width: int) -> None:
    """No colour, and no line over 80 columns, or over COLUMNS."""
    done = medagent("trace", "show", "--timeline", home=played[0], COLUMNS=columns)
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) <= width


def test_timeline_is_ascii_where_the_output_holds_no_more(played: tuple[Path, str]) -> None:
    """An ASCII output gets ASCII, and the command ends well."""
    environment = {**os.environ, "MEDAGENT_HOME": str(played[0]), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([MEDAGENT, "trace", "show", "--timeline"], env=environment, capture_output=True, check=True)
    assert done.stdout.isascii()
    assert b"= caller speaks  . caller waits  # agent heard" in done.stdout


def test_list_of_calls_takes_thresholds_and_moments(played: tuple[Path, str]) -> None:
    """What is asked for is listed; what is no length of time or moment is an error that names the option."""
    home = played[0]
    [call] = [json.loads(line) for line in medagent("trace", "list", "--json", home=home).out.splitlines()]
    assert call["slowest_ms"] == max(call["ttft_ms"], call["dead_air_longest_ms"])
    listed = medagent(
        "trace", "list", "--over", "1ms", "--since", "1h", "--sort", "ttft", "--limit", "1", home=home
    ).out
    assert call["trace_id"][:8] in listed
    for asked in (("--over", "10m"), ("--failed",), ("--since", "2999-01-01")):
        assert medagent("trace", "list", *asked, home=home).out == "No call in the archive is as asked for.\n"
    for asked in (("--over", "soon"), ("--since", "yesterday")):
        done = medagent("trace", "list", *asked, home=home)
        assert done.code == 2
        assert asked[0] in done.err
        assert asked[1] not in done.err
