"""An audit's way through the hands of three people, each command a process of its own, as they would type it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from attestation.audits import HOST, LIST, SECRET, Audit, answers, audit, bound_to, pin
from command import Done, medagent
from medagent.attestation.bundle import BUNDLE, Bundle
from medagent.attestation.officers import Officers
from medagent.attestation.report import Report
from medagent.errors import SwitchError
from medagent.runtime.host import ledger
from medagent.runtime.kill_switch import switch
from medagent.settings import Settings, load_settings
from work import calls_of

pytestmark = pytest.mark.timing


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with keys of its own, on which the list of the invented officers is pinned."""
    for name, value in SECRET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MEDAGENT_OFFICERS", str(pin(tmp_path / "officers")))
    return tmp_path / "medagent"


def a_go(settings: Settings, **parts: Any) -> Audit:
    return audit(bound_to(settings), key=HOST, **parts).complete()


def said(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Three people with keys of their own, a list that has them, and an audit that waits for them."""

    root: Path
    whole: Audit
    directory: Path

    def does(self, person: str, *words: str, given: str = "") -> Done:
        """A command of `audit` by a person, on a machine that ran no audit."""
        key = ("--key", str(self.root / "desk" / f"{person}.key"), "--passphrase-file", str(self.root / "passphrase"))
        verb, *rest = words
        keys = () if verb == "merge" else key
        return medagent(
            "audit", verb, str(self.directory), *rest, *keys, *self.keys, home=self.root / "home", given=given
        )

    def reads(self, person: str, name: str, file: Path) -> Done:
        return self.does(
            person, "review", "--reviewer", name, "--answers", str(file), "--out", str(self.sealed(person))
        )

    def sealed(self, person: str) -> Path:
        return self.root / "desk" / f"{person}.sealed.json"

    def on_host(self, verb: str, *words: str) -> Done:
        """A command of `audit` on the host that ran the audit."""
        return medagent("audit", verb, str(self.directory), *words, *self.keys, home=self.root / "host", **SECRET)

    def ledger(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "host/ledger/ledger.jsonl").read_text().splitlines()]

    @property
    def keys(self) -> tuple[str, ...]:
        """All that a stranger is given beside the report."""
        return ("--officers", str(self.root / "officers"), "--machine-key", str(self.root / "machine.pem"))

    def stranger(self, *words: str) -> Done:
        return medagent("audit", "verify", str(self.directory), *self.keys, *words, home=self.root / "elsewhere")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    root = tmp_path_factory.mktemp("office")
    (root / "passphrase").write_text("four words and more\n")
    (root / "machine.pem").write_text(HOST.public.pem)
    (root / "officers").mkdir()
    for name, role in (("Theo Brandt", "reviewer"), ("Noor Haddad", "reviewer"), ("Ines Calder", "sign_off")):
        made = new_key(root, name, role, out=root / "desk")
        assert made.code == 0, made.err
        (root / "officers" / f"{name}.yaml").write_text(made.out)
    whole = audit(listed=Officers.load(root / "officers"), key=HOST)
    return Office(root=root, whole=whole, directory=whole.written(root / "audit"))


def new_key(root: Path, name: str, role: str, *, out: Path) -> Done:
    words = ("--name", name, "--role", role, "--out", str(out), "--passphrase-file", str(root / "passphrase"))
    return medagent("audit", "key", "new", *words, home=root / "home")


def test_a_persons_key_is_the_persons(office: Office, tmp_path: Path) -> None:
    """Readable by nobody else, never inside MEDAGENT_HOME, never written over another, its public file fit to pin."""
    keys = list((office.root / "desk").glob("*.key"))
    assert {file.stat().st_mode & 0o777 for file in keys} == {0o600}
    assert all(json.loads(file.read_bytes())["format"] == "medagent-person-key/1" for file in keys)
    inside = new_key(office.root, "Omar Nobody", "reviewer", out=office.root / "home" / "keys")
    assert (inside.code, "is inside" in inside.err) == (2, True)
    again = new_key(office.root, "Theo Brandt", "reviewer", out=office.root / "desk")
    assert (again.code, "is there already" in again.err) == (2, True)
    unfit = new_key(office.root, "Theo Brandt", "Reviewer!", out=tmp_path)
    assert (unfit.code, list(tmp_path.iterdir())) == (2, [])


def test_a_review_is_timed_sealed_and_resumed(office: Office) -> None:
    """From a file with its times, or at the terminal, left and resumed; read too fast it is refused."""
    early = office.does("ines-calder", "sign", "--decision", "GO")
    assert (early.code, "there is no GO to sign" in early.err) == (2, True)
    file = answers(office.whole, office.root / "answers.json")
    first = office.reads("theo-brandt", "Theo Brandt", file)
    assert (first.code, "10 traces read, 4 with a leak" in first.out) == (0, True), first.err
    assert "free texts: 2.50 s each on average, at least 2 s" in first.out
    assert "audit merge" in first.out
    assert not Bundle.load(office.directory)[0].sealed_reviews

    typed = ("noor-haddad", "review", "--reviewer", "Noor Haddad")
    left = office.does(*typed, given="maybe\n\n99\nq\n")
    assert (left.code, "expected numbers from 1 to" in left.out) == (3, True), left.out + left.err
    assert list((office.root / "desk").glob(".review-*"))
    fast = office.does(*typed, given="\n" * 100)
    assert ("1/" in fast.out, "expected at least 2 s" in fast.err, fast.code) == (True, True, 2), fast.err
    assert not list((office.root / "desk").glob(".review-*"))


def test_reviews_are_joined_on_the_host_and_opened_once_both_are_recorded(office: Office) -> None:
    """Who signs off opens nothing before both are recorded; what is read then counts as the reviewer's."""
    file = answers(office.whole, office.root / "answers.json")
    theo, noor = (office.sealed(name) for name in ("theo-brandt", "noor-haddad"))
    assert office.reads("theo-brandt", "Theo Brandt", file).code == 0
    apart = office.does("ines-calder", "merge", str(theo))
    assert apart.code == 2
    one = office.on_host("merge", str(theo))
    assert (one.code, "sealed review of Theo Brandt: recorded" in one.out) == (0, True), one.err
    alone = office.does("ines-calder", "sign", "--decision", "NO-GO")
    assert alone.code == 0, alone.err
    assert not Bundle.load(office.directory)[0].reviews

    empty = json.loads(file.read_text())
    for each in empty.values():
        each["leaks"] = []
    file.write_text(json.dumps(empty))
    assert office.reads("noor-haddad", "Noor Haddad", file).code == 0
    assert "Noor" not in theo.read_text() + noor.read_text()
    assert office.on_host("merge", str(noor)).code == 0
    again = office.reads("noor-haddad", "Noor Haddad", file)
    assert (again.code, "signed a review of this report already" in again.err) == (2, True)

    missed = office.does("ines-calder", "sign", "--decision", "GO")
    assert missed.code == 2
    assert "Noor Haddad found 0 of 4 planted leaks; the protocol asks for 80%" in " ".join(missed.out.split())
    refused = office.does("ines-calder", "sign", "--decision", "NO-GO")
    assert refused.code == 0, refused.err
    assert [one["kind"] for one in office.ledger()].count("sealed_review") == 2

    told = office.stranger()
    assert "not checked" in told.out
    assert "holds    review  by Theo Brandt" in told.out
    found = said(office.stranger("--json"))
    assert (found["verified"], found["conclusion"]) == (True, "NO-GO")
    assert "Ines Calder signed NO-GO" in found["why"]
    assert {one["reviewer"]: one["planted_found"] for one in found["reviews"]} == {"Theo Brandt": 4, "Noor Haddad": 0}
    assert not any("invalid" in why for why in found["why"])
    assert not (office.root / "elsewhere").exists()

    sheet = next((office.directory / "annex").glob("worksheet-*"))
    sheet.write_bytes(sheet.read_bytes().replace(b"gpt-realtime", b"gpt-realtimf"))
    changed = office.stranger()
    assert (changed.code, "not the one that was signed" in changed.err) == (1, True)


def test_nothing_says_which_machine(tmp_path: Path) -> None:
    """On a host that never signed anything, verify asks for the machine's public key, and makes no key."""
    directory = audit().complete().written(tmp_path / "audit")
    done = medagent("audit", "verify", str(directory), "--officers", str(pin(tmp_path / "list")), home=tmp_path / "h")
    assert (done.code, "--machine-key" in done.err) == (1, True)
    assert not (tmp_path / "h").exists()


def test_telemetry_goes_on_by_an_audit(home: Path, tmp_path: Path) -> None:
    """A GO for what runs here lifts an off, is kept under MEDAGENT_HOME, and the ledger names report and signatures."""
    settings = load_settings()
    whole = a_go(settings)
    directory = whole.written(tmp_path / "audit")
    assert medagent("telemetry", "off", "--reason", "a drill", home=home).code == 0
    done = medagent("telemetry", "on", "--audit", str(directory), home=home)
    assert done.code == 0, done.err
    assert said(medagent("telemetry", "status", "--json", home=home))["on"] is True
    shown = medagent("ledger", "show", "--json", home=home).out.splitlines()
    kinds = [json.loads(line)["kind"] for line in shown]
    signed = ["sign_off", "sign_off", "sign_off"]
    assert kinds == ["key_created", "switch_changed", *signed, "installed_checked", "audit", "switch_changed"]
    assert json.loads(shown[-1])["content"]["report"] == whole.bundle.report_sha256
    kept = home / "audits" / whole.bundle.report_sha256
    assert {str(file.relative_to(kept)) for file in kept.rglob("*") if file.is_file()} == {
        BUNDLE,
        *(annex.name for annex in whole.report.annexes),
    }
    other = audit(key=HOST).complete().written(tmp_path / "other")
    refused = medagent("telemetry", "on", "--audit", str(other), home=home)
    assert (refused.code, "the code here" in refused.err, "the policy here" in refused.err) == (2, True, True)


def test_a_trip_is_lifted_by_a_later_audit_alone(home: Path, tmp_path: Path) -> None:
    """Even where the switch's file was made to forget the trip: the ledger knows of it."""
    settings = load_settings()
    directory = a_go(settings).written(tmp_path / "audit")
    switch(settings).trip("a leak at the door")
    for _ in range(2):
        done = medagent("telemetry", "on", "--audit", str(directory), home=home)
        assert (done.code, "it tripped after this audit began" in done.err) == (2, True), done.err
        (home / "switch.json").unlink(missing_ok=True)
    newer = a_go(settings, began=datetime.now(UTC)).written(tmp_path / "newer")
    assert "before the audit's end" in medagent("telemetry", "on", "--audit", str(newer), home=home).err


def on_in_prod(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Settings, Audit]:
    """A prod host that a GO has switched on."""
    monkeypatch.setenv("MEDAGENT_ENV", "prod")
    settings = load_settings()

    def for_prod(report: Report) -> Report:
        prod = report.model_copy(update={"run": report.run.model_copy(update={"env": "prod"})})
        changed: Report = bound_to(settings)(prod)
        return changed

    whole = audit(for_prod, key=HOST).complete()
    kept = home / "audits" / whole.bundle.report_sha256
    whole.written(kept)
    switch(settings).turn_on(report=whole.bundle.report_sha256, by="officer")
    assert switch(settings).is_on()
    return settings, whole


def test_prod_verifies_the_report_at_every_start(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another policy, another destination, a report that lost a signature, an officer taken off the list: off."""
    settings, whole = on_in_prod(home, tmp_path, monkeypatch)
    sha256 = whole.bundle.report_sha256

    def off(says: str, **changes: Any) -> None:
        state = switch(load_settings(**changes)).state()
        assert (state.on, state.source) == (False, "audit_missing")
        assert says in str(state.reason)

    off("the policy here", MEDAGENT_POLICY="safe-harbor")
    off("the destinations here", LANGSMITH_API_KEY="lsv2_pt_test")
    off("no list of officers", MEDAGENT_OFFICERS=tmp_path / "nowhere")
    off("nobody on the pinned list", MEDAGENT_OFFICERS=pin(tmp_path / "fewer", Officers(all=LIST.all[1:])))
    off("0 of 1 trusted keys", MEDAGENT_SIGNING_KEY="ef" * 32)
    bundle = home / "audits" / sha256 / BUNDLE
    content = bundle.read_bytes()
    unsigned = Bundle(report=whole.bundle.report, reviews=whole.bundle.reviews)
    bundle.write_bytes(unsigned.document())
    off("missing signature: 1 of 1 sign_off")
    bundle.write_bytes(content[:-1])
    off("not an audit's bundle")
    bundle.unlink()
    off("cannot be read")
    bundle.write_bytes(content)
    assert switch(settings).is_on()
    ledger(settings).append(
        "switch_changed", {"state": "off", "source": "trip", "reason": "a leak at the door", "by": "medagent"}
    )
    state = switch(settings).state()
    assert (state.on, state.source) == (False, "trip")
    with pytest.raises(SwitchError):
        switch(settings).turn_on(report=sha256, by="duty")


def test_a_start_in_prod_verifies_everything_in_bounded_work(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signatures, binding and ledger take at most 100,000 function calls; the next look takes fewer than 100."""
    settings, _ = on_in_prod(home, tmp_path, monkeypatch)
    switch(settings).is_on()
    fresh = switch(settings)
    assert 1_000 < calls_of(fresh.is_on) < 100_000
    monkeypatch.setattr("medagent.telemetry.switch._LOOK_EVERY_S", 600)  # a slow machine would look at the file again
    assert calls_of(fresh.is_on) < 100
