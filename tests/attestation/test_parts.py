"""The small parts: what a report is bound to, who is on the list, whose key it is, what a reviewer reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import KEYS, LEAKS, LIST, MACHINE, POLICY, audit, officer, pin
from medagent.attestation.binding import Binding, destinations_digest, lock_deviations, lock_digest
from medagent.attestation.code_digest import code_digest
from medagent.attestation.officers import PINNED, Officers
from medagent.attestation.report import Destination
from medagent.audit.review import opened, sample, worksheet
from medagent.errors import AttestationError, MedagentError
from medagent.proof import digest
from medagent.runtime.binding import bound_destinations
from medagent.settings import load_settings
from spans import call

HERE = Destination(name="archive", host="this host", project=None, region="local", retention_days=90)
AWAY = Destination(name="otlp", host="otel.clinic.example", project=None, region="ch", retention_days=None)


def package(root: Path) -> Path:
    (root / "inner").mkdir(parents=True)
    (root / "a.py").write_text("x = 1\n")
    (root / "inner" / "b.yaml").write_text("x: 1\n")
    (root / "requirements.lock").write_text("nothing\n")
    (root / "officers").mkdir()
    return root


def test_the_code_is_every_file_of_the_package(tmp_path: Path) -> None:
    """A changed, added, renamed or moved file is another code; what Python compiles, the lock and the list are not."""
    root = package(tmp_path / "p")
    was = code_digest(root)
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"\0")
    (root / "requirements.lock").write_text("another\n")
    (root / "officers" / "ines.yaml").write_text("name: Ines\n")
    assert code_digest(root) == was == code_digest(package(tmp_path / "elsewhere"))
    found = {was}
    for change in (
        lambda: (root / "a.py").write_text("x = 2\n"),
        lambda: (root / "inner" / "requirements.lock").write_text(""),
        lambda: (root / "a.py").rename(root / "z.py"),
        lambda: (root / "inner" / "b.yaml").rename(root / "b.yaml"),
    ):
        change()
        found.add(code_digest(root))
    assert len(found) == 5


def test_the_lock_is_held_against_what_is_installed(tmp_path: Path) -> None:
    """Another version and an unknown distribution are named; what a marker excludes or is not installed is not."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "pydantic==1.0.0 \\\n    --hash=sha256:00\n"
        'nobody-has-this==1.0 ; sys_platform == "win32" \\\n    --hash=sha256:00\n'
    )
    said = lock_deviations(lock)
    assert any(line.startswith("pydantic ") and line.endswith("the lock file says 1.0.0") for line in said)
    assert any(line.startswith("rich ") and line.endswith("does not name it") for line in said)
    assert not any("nobody" in line for line in said)
    ours = lock_deviations()
    assert not any(line.startswith(("pydantic ", "cryptography ", "rich ")) for line in ours)
    assert len(lock_digest()) == 64
    with pytest.raises(AttestationError):
        lock_digest(tmp_path / "none")


def test_what_differs_is_named() -> None:
    """Each of the four by its name, none where all are the same."""
    system = audit().report.system
    names = ("code_sha256", "lock_sha256", "policy_sha256", "destinations_sha256")
    same = {name: getattr(system, name) for name in names}
    assert Binding(**same).differences(system) == ()
    for name, said in zip(names, ("code", "lock file", "policy", "destinations"), strict=True):
        [found] = Binding(**same | {name: "ab" * 32}).differences(system)
        assert found.startswith(f"the {said} here (abababababab)")


def test_destinations_are_bound_in_any_order() -> None:
    """Host, project, region and retention count; their order does not."""
    assert destinations_digest([HERE, AWAY]) == destinations_digest([AWAY, HERE])
    changes: tuple[dict[str, Any], ...] = (
        {"host": "other.example"},
        {"region": "us"},
        {"retention_days": 14},
        {"project": "p"},
        {"release_delay_days": 3},
    )
    assert len({destinations_digest([HERE, AWAY.model_copy(update=change)]) for change in changes}) == len(changes)


def test_every_configured_destination_is_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Type, host, project, region, retention of each; no key and no path of an address."""
    for name, value in {
        "LANGSMITH_API_KEY": "lsv2_pt_test",
        "MEDAGENT_DESTINATIONS": "otlp,langfuse,jsonlog",
        "MEDAGENT_OTLP_ENDPOINT": "https://otel.clinic.example:4318/secret-path",
        "LANGFUSE_PUBLIC_KEY": "pk",
        "LANGFUSE_SECRET_KEY": "sk",
        "MEDAGENT_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
        "MEDAGENT_PAGERDUTY_ROUTING_KEY": "rk-7f",
    }.items():
        monkeypatch.setenv(name, value)
    found = {one.name: one for one in bound_destinations(load_settings())}
    assert {name: one.host for name, one in found.items()} == {
        "archive": "this host",
        "langsmith": "api.smith.langchain.com",
        "otlp": "otel.clinic.example:4318",
        "langfuse": "cloud.langfuse.com",
        "jsonlog": "stdout",
        "slack": "hooks.slack.com",
        "pagerduty": "events.pagerduty.com",
    }
    assert (found["langsmith"].project, found["langsmith"].workspace) == ("medical-voice-agent-dev", None)
    assert not any(word in str(found) for word in ("secret", "T0", "rk-7f", "lsv2"))


def test_langsmiths_project_and_workspace_are_bound() -> None:
    """The same project in another workspace is another destination; without one the digest is that of before."""
    settings = {"LANGSMITH_API_KEY": "k", "LANGSMITH_PROJECT": "p"}
    plain = bound_destinations(load_settings(**settings))
    moved = bound_destinations(load_settings(**settings, LANGSMITH_WORKSPACE_ID="ws-1"))
    [langsmith] = [one for one in moved if one.name == "langsmith"]
    assert (langsmith.project, langsmith.workspace) == ("p", "ws-1")
    assert destinations_digest(plain) != destinations_digest(moved)
    later = {"workspace", "release_delay_days", "address", "account"}
    before = [one.model_dump(mode="json", exclude=later) for one in plain]
    assert destinations_digest(one.model_copy(update={"address": None, "account": None}) for one in plain) == digest(
        sorted(before, key=digest)
    )


def test_the_list_ships_empty() -> None:
    """Nobody can sign before a reviewed change names somebody."""
    assert Officers.load(PINNED).all == ()


def test_the_list_reads_both_forms_and_has_one_digest(tmp_path: Path) -> None:
    """YAML or JSON, whatever the files are called."""
    files = pin(tmp_path / "list")
    assert Officers.load(files).sha256 == LIST.sha256
    first = next(files.iterdir())
    first.rename(files / "renamed.yaml")
    assert Officers.load(files).sha256 == LIST.sha256
    assert Officers(all=LIST.all[1:]).sha256 != LIST.sha256


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"roles": []}, "roles"),
        ({"roles": ["machine", "sign_off"]}, "a machine has no other role"),
        ({"public_key": KEYS["Theo Brandt"].annex_pem}, "public_key: this is not an Ed25519 public key"),
        ({"annex_key": MACHINE.public.pem}, "annex_key: this is not an X25519 public key"),
        ({"valid_until": "soon"}, "valid_until"),
        ({"name": "a\nb"}, "name"),
        ({"note": "x"}, "note"),
    ],
)
def test_a_file_that_is_no_officer_is_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    """By file and field, never by content."""
    document = json.loads(officer("Theo Brandt").model_dump_json())
    (tmp_path / "theo.json").write_text(json.dumps(document | change))
    with pytest.raises(AttestationError, match=says) as caught:
        Officers.load(tmp_path)
    assert str(caught.value).startswith("theo.json: ")


@pytest.mark.parametrize("twice", [{"name": "theo  BRANDT"}, {"public_key": KEYS["Theo Brandt"].signing.public.pem}])
def test_nobody_stands_twice(tmp_path: Path, twice: dict[str, Any]) -> None:
    """Neither a key nor a person: two signatures must be two people's."""
    other = officer("Noor Haddad").model_copy(update=twice)
    listed = (officer("Theo Brandt"), other)
    with pytest.raises(AttestationError, match="stands twice"):
        Officers.load(pin(tmp_path / "list", Officers(all=listed)))


def test_a_sheet_has_every_text_of_a_call() -> None:
    """Strings and numbers, at any depth, each under a path of its own, in the order in which the spans began."""
    sheet = worksheet(call(), POLICY)
    assert [span.name for span in sheet.spans][:2] == ["voice_session", "session.start"]
    texts = {text.path: text.text for span in sheet.spans for text in span.texts}
    assert texts["4.tool.book_appointment.arguments.patient_name"] == "<REDACTED>"
    assert texts["4.tool.book_appointment.result.slots[0].at"] == "2026-01-07T10:30:00"
    assert texts["1.voice_session.quality.rtt_ms[1]"] == "22.5"
    assert len(texts) == len(sheet.paths)


def _leaks(text: str) -> bool:
    named = any(name.lower() in text.lower() or name[:6].upper() in text for name in LEAKS.surnames)
    return named or any(born.isoformat() in text for born in LEAKS.births)


@given(traces=st.integers(1, 6), data=st.data())
def test_a_planted_leak_is_committed_to_and_changes_one_text(traces: int, data: st.DataObject) -> None:
    """As many copies as asked for, a leak in one text of each, all else as it was."""
    copies = data.draw(st.integers(0, traces))
    calls = [call(str(UUID(int=number + 1, version=4))) for number in range(traces)]
    made = sample(calls, policy=POLICY, leaks=LEAKS, planted_copies=copies, officers=LIST.all)
    assert [one.commitment for one in made.traces] == [one.commitment for one in made.openings]
    assert sum(bool(one.planted) for one in made.openings) == copies
    sheets = [json.loads(content) for name, content in made.files.items() if "worksheet" in name]
    for spans, sheet, opening in zip(calls, sheets, made.openings, strict=True):
        clean = {text.path: text.text for span in worksheet(spans, POLICY).spans for text in span.texts}
        shown = {text["path"]: text["text"] for span in sheet["spans"] for text in span["texts"]}
        changed = {path for path in clean if clean[path] != shown[path]}
        assert (clean.keys(), changed) == (shown.keys(), set(opening.planted))
        assert all(_leaks(shown[path]) for path in changed)
    [sealed] = [content for name, content in made.files.items() if name.endswith(".sealed")]
    assert opened(sealed, KEYS["Ines Calder"].annex) == made.openings
    with pytest.raises(MedagentError):
        opened(sealed, KEYS["Theo Brandt"].annex)


def test_who_has_the_seed_does_not_know_the_planted() -> None:
    """The same calls sampled again have other leaks, and a sheet says nothing of its own."""
    calls = [call(str(UUID(int=number + 1, version=4))) for number in range(6)]
    draws = {
        tuple(
            bool(one.planted)
            for one in sample(calls, policy=POLICY, leaks=LEAKS, planted_copies=3, officers=()).openings
        )
        for _ in range(40)
    }
    assert len(draws) > 5
    with pytest.raises(AttestationError, match="too few"):
        sample(calls, policy=POLICY, leaks=LEAKS, planted_copies=7, officers=())
