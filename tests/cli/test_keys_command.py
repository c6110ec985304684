"""`medagent keys` as a person runs it on a host in prod: the GO holds, calls are found, no secret is printed."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from pydantic import SecretStr

from attestation.audits import HOST, KEYS, LIST, Audit, audit, bound_to, officer, pin
from command import Done, medagent
from medagent.attestation.officers import Officers
from medagent.attestation.report import Report
from medagent.proof import KeyRing, PseudonymKey
from medagent.redaction.clock import call_clock
from medagent.runtime.exports import archive
from medagent.runtime.host import policy, redactor
from medagent.runtime.kill_switch import audits, switch
from medagent.settings import Settings, load_settings
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.ledger import entries
from medagent.telemetry.lookup import treated
from spans import call

pytestmark = pytest.mark.timing

SLACK = "https://hooks.slack.com/services/T1/{}"
CONFIGURED = {
    "MEDAGENT_ENV": "prod",
    "MEDAGENT_SIGNING_KEY": (b"h" * 32).hex(),
    "MEDAGENT_CONSENT": "not_asked",
    "MEDAGENT_CONSENT_BASIS": "treatment operations",
    "MEDAGENT_DESTINATIONS": "otlp,langfuse",
    "MEDAGENT_OTLP_ENDPOINT": "https://collector.clinic.example/a",
    "MEDAGENT_OTLP_HEADERS": "authorization=Bearer old,x-scope-orgid=clinic",
    "LANGSMITH_API_KEY": "lsv2_old",
    "LANGFUSE_PUBLIC_KEY": "pk-old",
    "LANGFUSE_SECRET_KEY": "sk-old",
    "MEDAGENT_SLACK_WEBHOOK_URL": SLACK.format("B1/old"),
    "MEDAGENT_PAGERDUTY_ROUTING_KEY": "routing-old",
}
NEW_SECRETS = {
    "otlp": {"MEDAGENT_OTLP_HEADERS": "authorization=Bearer new,x-scope-orgid=clinic"},
    "slack": {"MEDAGENT_SLACK_WEBHOOK_URL": SLACK.format("B2/new")},
}


@dataclass(kw_only=True)
class Host:
    """A host in prod on which a GO switched telemetry on, and the desk of who signs off."""

    root: Path
    environment: dict[str, str]
    whole: Audit | None = None
    printed: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.root / "medagent"

    def settings(self, **changes: str) -> Settings:
        return load_settings(MEDAGENT_HOME=self.home, **self.environment | changes)

    def does(self, *words: str, given: str = "", **changes: str) -> Done:
        done = medagent(*words, home=self.home, given=given, **self.environment | changes)
        self.printed += [done.out, done.err]
        return done

    def keys(self, *words: str, person: str = "Ines Calder", **changes: str) -> Done:
        desk = ("--key", str(self.root / f"{person}.key"), "--passphrase-file", str(self.root / "passphrase"))
        return self.does("keys", *words, "--reason", "quarterly OPS-7", *desk, **changes)

    def status(self, **changes: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.does("telemetry", "status", "--json", **changes).out)
        return found

    def is_on(self, **changes: str) -> bool:
        return self.status(**changes)["on"] is True

    def go(self) -> Path:
        assert self.whole is not None
        return audits(self.settings()) / self.whole.bundle.report_sha256

    def audit(self) -> None:
        """A GO for what runs here, signed by the people of the list, by which telemetry is on."""
        settings = self.settings()
        here = bound_to(settings)

        def for_prod(report: Report) -> Report:
            return here(report.model_copy(update={"run": report.run.model_copy(update={"env": settings.env})}))

        self.whole = audit(for_prod, key=HOST).complete()
        self.whole.written(self.go())
        switch(settings).turn_on(report=self.whole.bundle.report_sha256, by="officer")


def made_host(root: Path, environment: Mapping[str, str]) -> Host:
    listed = Officers(all=(*LIST.all, officer("Omar Nobody", "reviewer")))
    (root / "passphrase").write_text("four words and more\n")
    for name in ("Ines Calder", "Omar Nobody"):
        KEYS[name].write(root / f"{name}.key", "four words and more")
    return Host(root=root, environment={**environment, "MEDAGENT_OFFICERS": str(pin(root / "officers", listed))})


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Its pseudonym key is in a file."""
    made = made_host(tmp_path, CONFIGURED)
    (made.home / "keys").mkdir(parents=True, mode=0o700)
    (made.home / "keys" / "pseudonym.key").write_text(secrets.token_hex(32))
    (made.home / "keys" / "pseudonym.key").chmod(0o600)
    made.audit()
    return made


@pytest.fixture
def store_host(tmp_path: Path) -> Host:
    """Its pseudonym key comes from a secret store."""
    made = made_host(tmp_path, {**CONFIGURED, "MEDAGENT_PSEUDONYM_KEY": secrets.token_hex(32)})
    made.audit()
    return made


def kept(host: Host) -> dict[str, str]:
    return {file.name: file.read_text().strip() for file in (host.home / "keys").glob("pseudonym*.key")}


def test_keys_rotate_with_a_key_file_keeps_the_go_in_force(host: Host) -> None:
    """Two rotations keep each old key (mode 0600), verify lists both amendments, and no secret is printed."""
    seen = set(kept(host).values())
    for _ in range(2):
        done = host.keys("rotate")
        assert done.code == 0, done.err
        assert host.is_on()
        seen |= set(kept(host).values())
    files = kept(host)
    assert len(files) == len(seen) == 3
    assert {path.stat().st_mode & 0o777 for path in (host.home / "keys").iterdir()} == {0o600}
    listed = host.does("audit", "verify", str(host.go()))
    assert (listed.code, listed.out.count("pseudonym key")) == (0, 2), listed.err
    assert "quarterly OPS-7" in listed.out
    told = json.loads(host.does("audit", "verify", str(host.go()), "--json").out)
    assert [one["kind"] for one in told["amendments"]] == ["pseudonym_key"] * 2
    assert host.does("gate", "5", str(host.go())).code == 0
    assert host.does("telemetry", "on", "--audit", str(host.go())).code == 0
    kinds = [(one.kind, one.content.get("role")) for one in entries(host.home / "ledger" / "ledger.jsonl")]
    assert kinds.count(("pseudonym_key_rotated", None)) == kinds.count(("sign_off", "amendment")) == 2
    assert not any(key in text for key in seen for text in host.printed)


def test_keys_rotate_to_a_file_serves_a_secret_store(store_host: Host) -> None:
    """Telemetry is off until the setting holds the new key, and then the GO holds."""
    host, old, file = store_host, store_host.environment["MEDAGENT_PSEUDONYM_KEY"], store_host.root / "new.key"
    assert "--to FILE" in host.keys("rotate").err
    done = host.keys("rotate", "--to", str(file))
    assert done.code == 0, done.err
    assert (file.stat().st_mode & 0o777, host.is_on()) == (0o600, False)
    assert list(kept(host).values()) == [old]
    host.environment["MEDAGENT_PSEUDONYM_KEY"] = file.read_text().strip()
    assert host.is_on()
    assert host.keys("rotate", "--to", str(file)).code == 2
    assert host.is_on()
    assert not any(key in text for key in (old, file.read_text().strip()) for text in host.printed)


def test_keys_rotate_amends_the_go_where_the_settings_hold_both_keys(store_host: Host) -> None:
    """Nothing is written to disk; without the old key, or with a repeated pattern, it is refused."""
    host, old = store_host, store_host.environment["MEDAGENT_PSEUDONYM_KEY"]
    new = {"MEDAGENT_PSEUDONYM_KEY": secrets.token_hex(32)}
    assert not host.is_on(**new)
    assert "MEDAGENT_PSEUDONYM_KEYS_OLD" in host.keys("rotate", **new).err
    both = new | {"MEDAGENT_PSEUDONYM_KEYS_OLD": old}
    assert "repeated pattern" in host.keys("rotate", **both | {"MEDAGENT_PSEUDONYM_KEY": "cd" * 32}).err
    done = host.keys("rotate", **both)
    assert done.code == 0, done.err
    assert host.is_on(**new)
    assert not kept(host)


def test_a_rotation_that_was_interrupted_is_completed_by_the_next(host: Host) -> None:
    """With --no-amendment the key is replaced and telemetry is off; a later amendment turns it on."""
    done = host.does("keys", "rotate", "--reason", "key lost OPS-8", "--no-amendment")
    assert done.code == 0, done.err
    assert not host.is_on()
    files = kept(host)
    assert len(files) == 2
    done = host.keys("rotate")
    assert done.code == 0, done.err
    assert host.is_on()
    assert kept(host) == files


def test_keys_rotate_refuses_where_more_than_the_key_differs(host: Host) -> None:
    """A refused rotation changes neither keys, bundle nor ledger."""
    files, bundle = kept(host), (host.go() / "bundle.json").read_bytes()
    for changes, says in (
        (NEW_SECRETS["otlp"], "otlp: account"),
        ({"MEDAGENT_SAMPLING": "0.5"}, "MEDAGENT_SAMPLING"),
    ):
        done = host.keys("rotate", **changes)
        assert (done.code, says in done.err) == (2, True), done.err
    assert host.keys("rotate", person="Omar Nobody").code == 2
    assert host.does("keys", "rotate", "--reason", "quarterly OPS-7").code == 2
    assert host.does("keys", "rotate", "--reason", "call 415 555 0199", "--no-amendment").code == 2
    assert (kept(host), (host.go() / "bundle.json").read_bytes()) == (files, bundle)
    assert host.is_on()


@pytest.mark.parametrize("destination", NEW_SECRETS)
def test_keys_replace_amends_one_account(destination: str, host: Host) -> None:
    """The new secret turns telemetry off before the amendment; afterwards it is on, and the old one is refused."""
    new = NEW_SECRETS[destination]
    assert not host.is_on(**new)
    done = host.keys("replace", destination, **new)
    assert done.code == 0, done.err
    assert host.is_on(**new)
    assert not host.is_on()
    listed = host.does("audit", "verify", str(host.go()), **new)
    assert f"account secret of {destination}" in listed.out
    assert "same account" in listed.out
    assert not any(re.search(r"lsv2|sk-|pk-|Bearer|routing-|B1/|B2/", text) for text in host.printed)


def test_keys_replace_refuses_another_tenant(host: Host) -> None:
    """The bundle stays as it is; `tests/attestation/test_amendments.py` has every part that is refused."""
    before = (host.go() / "bundle.json").read_bytes()
    done = host.keys("replace", "otlp", MEDAGENT_OTLP_HEADERS="authorization=Bearer new,x-scope-orgid=other")
    assert (done.code, "otlp: workspace (MEDAGENT_OTLP_HEADERS)" in done.err) == (2, True), done.err
    assert (host.go() / "bundle.json").read_bytes() == before


def test_a_dropped_amendment_is_refused_and_the_filed_bundle_stays(host: Host) -> None:
    """`telemetry on` refuses the bundle without the amendment and keeps the amended one."""
    assert host.whole is not None
    assert host.keys("rotate").code == 0
    amended = (host.go() / "bundle.json").read_bytes()
    before = host.whole.written(host.root / "before")
    for words in (("telemetry", "on", "--audit"), ("audit", "verify"), ("gate", "5")):
        done = host.does(*words, str(before))
        assert done.code != 0
        assert "the ledger knows it: amendment pseudonym_key" in " ".join((done.out + done.err).split())
    assert (host.go() / "bundle.json").read_bytes() == amended
    assert host.is_on()


@pytest.mark.slow
def test_trace_find_looks_under_every_key(tmp_path: Path) -> None:
    """In dev without a GO: three calls of one number, each under a key of its own, are found; one by its id too."""
    played: list[str] = []
    for _ in range(3):
        done = medagent("call", "book", "--json", "--pace", "20", home=tmp_path)
        assert done.code == 0, done.err
        spans = [json.loads(line) for line in done.out.splitlines()]
        played.append(spans[0]["trace_id"])
        key = KeyRing(tmp_path / "keys", env="dev").pseudonym_key()
        assert spans[0]["fields"]["participant_id"].startswith(f"psn_{key.key_id}_")
        done = medagent("keys", "rotate", "--reason", "quarterly", home=tmp_path)
        assert done.code == 0, done.err
    assert len(list((tmp_path / "keys").glob("pseudonym-*.key"))) == 3
    number = f"{load_scenario('book').person['phone']}\n"
    as_json = medagent("trace", "find", "--phone", "--json", home=tmp_path, given=number)
    assert {json.loads(line)["trace_id"] for line in as_json.out.splitlines()} == set(played)
    assert set(medagent("trace", "find", "--phone", home=tmp_path, given=number).out.split()) == set(played)
    lost = next((tmp_path / "keys").glob("pseudonym-*.key"))
    lost.rename(tmp_path / "elsewhere")
    fewer = medagent("trace", "find", "--phone", home=tmp_path, given=number).out.split()
    assert len(fewer) == 2
    given = {"MEDAGENT_PSEUDONYM_KEYS_OLD": (tmp_path / "elsewhere").read_text()}
    assert set(medagent("trace", "find", "--phone", home=tmp_path, given=number, **given).out.split()) == set(played)
    lost.write_text(secrets.token_hex(32))
    lost.chmod(0o600)
    done = medagent("trace", "find", "--phone", home=tmp_path, given=number)
    assert (done.code, "holds another key than its name" in done.err) == (2, True)


@pytest.mark.parametrize("kind", ["--room", "--confirmation"])
def test_trace_find_asks_under_every_key_for(kind: str, tmp_path: Path) -> None:
    """A room and a confirmation id too, by what the policy makes of them under each of two old keys."""
    keys = [PseudonymKey.new() for _ in range(3)]
    settings = load_settings(MEDAGENT_HOME=tmp_path, MEDAGENT_PSEUDONYM_KEY=keys[0].secret.hex())
    old = ",".join(one.secret.hex() for one in keys[1:])
    raw = "clinic_one" if kind == "--room" else "LC-K7M4Q9"
    what: Any = kind.removeprefix("--")
    store = archive(settings)
    for number, key in enumerate(keys):
        each = settings.model_copy(update={"pseudonym_key": SecretStr(key.secret.hex())})
        value = next(one for one in treated(redactor(each), what, raw) if key.has_made(one))
        [span, *_] = call(str(UUID(int=number + 1, version=4)))
        store.export([replace(span, fields={**span.fields, "room_id": value})])
    store.close()
    words = ("trace", "find", kind, "--json")
    given = {"MEDAGENT_PSEUDONYM_KEY": keys[0].secret.hex()}
    found = medagent(*words, home=tmp_path, given=f"{raw}\n", **given)
    assert len(found.out.splitlines()) == 1, found.err
    both = medagent(*words, home=tmp_path, given=f"{raw}\n", **given, MEDAGENT_PSEUDONYM_KEYS_OLD=old)
    assert len(both.out.splitlines()) == 3, both.err


def test_the_archive_keeps_the_true_time_of_calls_under_an_old_key(tmp_path: Path) -> None:
    """Under a shifted clock: a span that waited while the key was rotated is moved back by the days of its own key."""
    old, new = PseudonymKey.new(), PseudonymKey.new()
    settings = load_settings(
        MEDAGENT_HOME=tmp_path,
        MEDAGENT_POLICY="safe-harbor",
        MEDAGENT_PSEUDONYM_KEY=new.secret.hex(),
        MEDAGENT_PSEUDONYM_KEYS_OLD=old.secret.hex(),
    )
    store, in_force = archive(settings), policy(settings)
    for number in range(1, 9):
        for key in (old, new):
            [span, *_] = call(str(uuid5(UUID(int=number), key.key_id)))
            sent = replace(span, fields={**span.fields, "participant_id": key.pseudonym("phone", "4155550132")})
            store.export([sent])
            days = call_clock(in_force, trace_id=span.trace_id, key=key).days
            occurred = [at for at, one in store.spans_between(0, 2**60, [span.name]) if one.trace_id == span.trace_id]
            assert occurred == [span.end_us + days * 86_400_000_000]
    store.close()
