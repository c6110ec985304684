from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command import run as run_medagent
from medagent.proof.keys import PSEUDONYM_SHAPE
from medagent.redaction import REDACTED

pytestmark = pytest.mark.timing

NAME, NUMBER = "Quillon Zephyrine", "555-010-0142"


def run(*arguments: str, given: bytes, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = dict(os.environ) if environment is None else environment
    done = run_medagent("redact", *arguments, given=given, environment=environment)
    return subprocess.CompletedProcess(arguments, done.code, done.out.encode(), done.err.encode())


def answers(*arguments: str, lines: list[Any]) -> list[dict[str, Any]]:
    given = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
    done = run("--jsonl", *arguments, given=given)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_text_by_the_line() -> None:
    """Each line comes back with its id, scrubbed whole, and the findings lie on what was taken, never quoting it.

    A text in another language comes back with its language and nothing else.
    """
    long = f"{NAME} has had a sore throat and a bad headache since yesterday evening and cannot sleep at all"
    lines = [
        {"id": 1, "text": long, "known": {"patient_name": NAME}},
        {"id": "b", "text": f"call {NUMBER} back"},
        {"id": "c", "text": "a cough for two days"},
        {"id": "d", "text": "tengo tos desde hace dos semanas"},
    ]
    first, second, third, fourth = answers(lines=lines)
    assert first["text"] == long.replace(NAME, REDACTED)
    assert first["findings"] == [{"category": "name", "start": 0, "end": len(NAME), "layer": "known"}]
    assert second == {
        "id": "b",
        "text": f"call {REDACTED} back",
        "findings": [{"category": "phone", "start": 5, "end": 17, "layer": "patterns"}],
    }
    assert third == {"id": "c", "text": "a cough for two days", "findings": []}
    assert (fourth["text"], fourth["withheld"]) == (REDACTED, ["language es"])


def test_offsets_are_code_points_of_the_input() -> None:
    """The scrubbed text is the input with `<REDACTED>` for each stretch of findings, signs of any width before them."""
    text = f"naïve café – “{NAME}” said, then {NUMBER}, then {NAME}"
    (answer,) = answers(lines=[{"id": 1, "text": text, "known": {"patient_name": [NAME], "phone": NUMBER}}])
    merged: list[tuple[int, int]] = []
    for found in answer["findings"]:
        if merged and not text[merged[-1][1] : found["start"]].strip():
            merged[-1] = (merged[-1][0], found["end"])
        else:
            merged.append((found["start"], found["end"]))
    for start, end in reversed(merged):
        text = text[:start] + REDACTED + text[end:]
    assert answer["text"] == text
    assert "Quillon" not in text


MALFORMED: list[Any] = [
    f"{NAME}\n".encode(),
    b'{"id": 1, "text": "' + NAME.encode() + b"\n",
    [NAME],
    {"text": NAME},
    {"id": None, "text": NAME},
    {"id": True, "text": NAME},
    {"id": {"a": NAME}, "text": NAME},
    {"id": NAME},
    {"id": 1, "text": [NAME]},
    {"id": 1, "text": "x", "known": NAME},
    b'{"id": 1, "text": "\xff' + NAME.encode() + b'"}\n',
    b"[" * 100_000 + b"\n",
]


@pytest.mark.parametrize("span", [(), ("--span", "tool.book_appointment")], ids=["text", "span"])
def test_a_malformed_line_is_answered_and_not_quoted(span: tuple[str, ...]) -> None:
    """A line that is none gives an error object in its place, without a word of it, and the next line is treated."""
    good = {"id": "last", "text": "a cough", "fields": {}}
    found = answers(*span, lines=[*MALFORMED, good])
    assert len(found) == len(MALFORMED) + 1
    assert found[-1]["id"] == "last"
    for number, answer in enumerate(found[:-1], 1):
        assert set(answer) == {"id", "line", "error"}
        assert (answer["id"], answer["line"]) == (None, number)
        assert not any(part.casefold() in json.dumps(answer).casefold() for part in NAME.split())


def test_a_line_with_signs_that_utf8_cannot_hold() -> None:
    """Half a surrogate pair goes and breaks nothing."""
    first, second = answers(lines=[b'{"id": "\\ud800", "text": "a \\ud800 cough"}\n', {"id": 2, "text": "a cough"}])
    assert (first["text"], second["text"]) == (f"a {REDACTED} cough", "a cough")


def test_records_by_the_line() -> None:
    """With a span each line's fields leave as that span's rules say, and the counts say how often each was done."""
    fields = {
        "arguments": {"patient_name": NAME, "notes": f"{NAME} has a cough", "appointment_datetime": "2026-05-04T09:30"},
        "made_up": NAME,
    }
    (answer,) = answers("--span", "tool.book_appointment", lines=[{"id": 7, "fields": fields}])
    assert answer["id"] == 7
    assert answer["fields"] == {
        "arguments": {
            "patient_name": REDACTED,
            "notes": f"{REDACTED} has a cough",
            "appointment_datetime": "2026-05-04T09:30",
        }
    }
    assert {name: n for name, n in answer["counts"]["actions"].items() if n} == {
        "redact": 2,
        "truncate": 1,
        "keep": 1,
        "drop": 1,
    }
    assert answer["counts"]["categories"]["name"] == 2


def test_pseudonyms_and_rosters_by_the_line(tmp_path: Path) -> None:
    """A pseudonym is made with the host's key, a roster is given by file, and another policy by name."""
    rosters = tmp_path / "rosters.json"
    rosters.write_text(json.dumps({"doctors": ["Dr. Amara Okafor"]}))
    environment = {"MEDAGENT_HOME": str(tmp_path / "home"), "MEDAGENT_PSEUDONYM_KEY": "ab" * 32, "PATH": "/usr/bin"}
    line = json.dumps({"id": 1, "fields": {"arguments": {"doctor_name": "Dr. Amara Okafor"}}}).encode()
    asked = ("--jsonl", "--span", "tool.book_appointment", "--rosters", str(rosters))
    kept = json.loads(run(*asked, given=line, environment=environment).stdout)
    assert kept["fields"]["arguments"] == {"doctor_name": "Dr. Amara Okafor"}
    hidden = json.loads(run(*asked, "--policy", "safe-harbor", given=line, environment=environment).stdout)
    assert PSEUDONYM_SHAPE.fullmatch(hidden["fields"]["arguments"]["doctor_name"])
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--jsonl", "--span", "tool.book_apointment"), b"did you mean 'tool.book_appointment'"),
        (("--span", "tool.book_appointment"), b"--span goes with --jsonl"),
        (("--jsonl", "--known", "Quillon"), b"--known is FIELD=VALUE"),
        (("--jsonl", "--policy", "nobody"), b"nobody: no such policy"),
        (("--jsonl", "--rosters", "nobody.json"), b"nobody.json: is no JSON object"),
    ],
)
def test_what_cannot_be_asked(arguments: tuple[str, ...], says: bytes) -> None:
    """A wrong option is an error with exit code 2 before a line is read."""
    done = run(*arguments, given=b'{"id": 1, "text": "a cough"}\n')
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in done.stderr


def test_the_try_out() -> None:
    """Without --jsonl a typed line comes back as it would leave, with what was found by whom."""
    done = run("--known", f"patient_name={NAME}", given=f"it is {NAME.lower()} with a cough\na cough\n".encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == [
        f"it is {REDACTED} with a cough  name 6-{6 + len(NAME)} by known",
        "a cough",
    ]


@pytest.mark.timing
def test_it_answers_line_by_line() -> None:
    """A script may wait for each answer before it writes the next line."""
    command = [str(Path(sys.executable).with_name("medagent")), "redact", "--jsonl"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(json.dumps({"id": number, "text": "a cough"}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(60) == 0


def test_it_loads_no_machinery() -> None:
    """The command needs neither LiveKit nor a database nor Presidio."""
    code = (
        "import sys, runpy\n"
        "sys.argv = ['medagent', 'redact', '--jsonl']\n"
        "from medagent.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b'{"id":1,"text":"a"}\n', capture_output=True, check=True)
    loaded = set(done.stderr.decode().split())
    assert "medagent" in loaded
    heavy = {"livekit", "langsmith", "sqlalchemy", "openai", "aiohttp", "presidio_analyzer", "spacy"}
    assert not loaded & heavy


def test_from_python() -> None:
    """`medagent.load_policy` and `medagent.Redactor` are the same two, without an import that costs anything."""
    code = (
        "import sys, medagent\n"
        "redactor = medagent.Redactor(medagent.load_policy())\n"
        "assert redactor.policy.name == 'clinic'\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"livekit", "sqlalchemy", "presidio_analyzer", "spacy"}
