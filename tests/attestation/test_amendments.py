"""Amendments of a GO: a chain of signed key changes, each of one named part."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import HOST, KEYS, LIST, MACHINE, NOW, audit, bound_to, officer
from audit.reports import report as invented
from medagent.attestation.allowance import allowed
from medagent.attestation.amendments import (
    ACCOUNT_PART,
    account_replacement,
    amended,
    amendment_subjects,
    check_amendments,
    key_rotation,
)
from medagent.attestation.binding import Binding, destinations_digest
from medagent.attestation.bound import bound_settings, bound_tenant, bound_webhook_workspace
from medagent.attestation.bundle import Bundle
from medagent.attestation.officers import Officers, RevokedKey
from medagent.attestation.report import System
from medagent.attestation.statements import AmendmentStatement, said_statement
from medagent.attestation.verify import verify
from medagent.errors import AttestationError, MedagentError
from medagent.proof import PseudonymKey, SigningKey
from medagent.proof.dsse import Envelope, sign
from medagent.runtime.binding import binding, bound_destinations
from medagent.runtime.host import key_ring
from medagent.settings import Settings, load_settings

CONFIGURED = {
    "MEDAGENT_PSEUDONYM_KEY": "ab" * 32,
    "MEDAGENT_SIGNING_KEY": (b"h" * 32).hex(),
    "MEDAGENT_CONSENT": "not_asked",
    "MEDAGENT_CONSENT_BASIS": "treatment operations",
    "MEDAGENT_OUTBOX_URL": "postgresql+psycopg://u:p@db.clinic.example/outbox",
    "MEDAGENT_DESTINATIONS": "otlp,langfuse,jsonlog",
    "MEDAGENT_OTLP_ENDPOINT": "https://collector.clinic.example/a",
    "MEDAGENT_OTLP_HEADERS": "authorization=Bearer old,x-scope-orgid=clinic",
    "LANGSMITH_API_KEY": "lsv2_old",
    "LANGFUSE_PUBLIC_KEY": "pk-old",
    "LANGFUSE_SECRET_KEY": "sk-old",
    "MEDAGENT_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T1/B1/old",
    "MEDAGENT_PAGERDUTY_ROUTING_KEY": "routing-old",
}
TWO = Officers(all=(*LIST.all, officer("Omar Nobody", "sign_off")))
WHOLE = audit().complete()
ENDED = datetime.fromisoformat(WHOLE.report.run.ended_at)
SECRETS: dict[str, Callable[[str], dict[str, str]]] = {
    "langsmith": lambda new: {"LANGSMITH_API_KEY": f"lsv2_{new}"},
    "otlp": lambda new: {"MEDAGENT_OTLP_HEADERS": f"authorization=Bearer {new},x-scope-orgid=clinic"},
    "langfuse": lambda new: {"LANGFUSE_PUBLIC_KEY": f"pk-{new}", "LANGFUSE_SECRET_KEY": f"sk-{new}"},
    "slack": lambda new: {
        "MEDAGENT_SLACK_WEBHOOK_URL": f"https://hooks.slack.com/services/T1/B{new[:4].upper()}/{new}"
    },
    "pagerduty": lambda new: {"MEDAGENT_PAGERDUTY_ROUTING_KEY": f"routing-{new}"},
}
OTLP, SLACK = SECRETS["otlp"]("new"), SECRETS["slack"]("new")
REFUSED: dict[str, tuple[str, dict[str, str], str]] = {
    "another tenant": (
        "otlp",
        {"MEDAGENT_OTLP_HEADERS": "authorization=Bearer new,x-scope-orgid=b"},
        "otlp: workspace",
    ),
    "no tenant": ("otlp", {"MEDAGENT_OTLP_HEADERS": "authorization=Bearer new"}, "otlp: workspace"),
    "another collector": ("otlp", OTLP | {"MEDAGENT_OTLP_ENDPOINT": "https://evil.example/a"}, "otlp: host"),
    "another scheme": ("otlp", OTLP | {"MEDAGENT_OTLP_ENDPOINT": "http://collector.clinic.example/a"}, "otlp: address"),
    "another port": ("otlp", OTLP | {"MEDAGENT_OTLP_ENDPOINT": "https://collector.clinic.example:1/a"}, "otlp: host"),
    "another path": ("otlp", OTLP | {"MEDAGENT_OTLP_ENDPOINT": "https://collector.clinic.example/b"}, "otlp: address"),
    "no header": ("otlp", {"MEDAGENT_OTLP_HEADERS": ""}, "no account secret"),
    "another project": ("langsmith", SECRETS["langsmith"]("new") | {"LANGSMITH_PROJECT": "x"}, "langsmith: project"),
    "a workspace": ("langsmith", SECRETS["langsmith"]("new") | {"LANGSMITH_WORKSPACE_ID": "w"}, "langsmith: workspace"),
    "another Slack workspace": (
        "slack",
        {"MEDAGENT_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T9/B2/new"},
        "slack: workspace",
    ),
    "another webhook host": (
        "slack",
        {"MEDAGENT_SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/T1/B2/new"},
        "slack: host",
    ),
    "another PagerDuty": (
        "pagerduty",
        SECRETS["pagerduty"]("new") | {"MEDAGENT_PAGERDUTY_URL": "https://events.eu.pagerduty.com/v2/enqueue"},
        "pagerduty: host",
    ),
    "a second secret": ("langfuse", SECRETS["langfuse"]("new") | SECRETS["langsmith"]("new"), "langsmith: account"),
    "another log file": ("slack", SLACK | {"MEDAGENT_JSONLOG": "/mnt/share/x"}, "jsonlog: address"),
    "another setting": ("slack", SLACK | {"MEDAGENT_SAMPLING": "0.5"}, "MEDAGENT_SAMPLING"),
    "another database": ("slack", SLACK | {"MEDAGENT_OUTBOX_URL": "postgresql://u:p@evil.example/o"}, "OUTBOX_URL"),
    "another key": ("slack", SLACK | {"MEDAGENT_PSEUDONYM_KEY": "cd" * 32}, "MEDAGENT_PSEUDONYM_KEY"),
    "nothing new": ("langfuse", {}, "is the one of the GO"),
}


def here(environment: dict[str, str], home: Path) -> Binding:
    """The binding of these settings, under constant digests of code, lock file and policy."""
    settings = load_settings(MEDAGENT_HOME=home, **environment)
    destinations = bound_destinations(settings)
    decides = bound_settings(settings, key_ring(settings).pseudonym_key())
    system = invented().system
    return Binding(
        code_sha256=system.code_sha256,
        lock_sha256=system.lock_sha256,
        policy_sha256=system.policy_sha256,
        destinations_sha256=destinations_digest(destinations, decides),
        destinations=destinations,
        settings=decides,
    )


def system_of(bound: Binding) -> System:
    parts = {name: getattr(bound, name) for name in ("destinations", "settings", "destinations_sha256")}
    return invented().system.model_copy(update=parts)


@dataclass(kw_only=True)
class Chain:
    """An audited system and the amendments that an officer signed of it, one after the other."""

    home: Path
    environment: dict[str, str]
    system: System
    sha256: str
    start: System
    envelopes: tuple[Envelope, ...] = ()

    @classmethod
    def begin(cls, home: Path, sha256: str = "ab" * 32) -> Chain:
        system = system_of(here(CONFIGURED, home))
        return cls(home=home, environment=dict(CONFIGURED), system=system, sha256=sha256, start=system)

    def at(self) -> datetime:
        return ENDED + timedelta(minutes=len(self.envelopes) + 1)

    def change(self, what: str) -> AmendmentStatement:
        """A new key or a new secret in the settings, and the statement of it."""
        about: dict[str, Any] = {"officer": "Ines Calder", "at": self.at(), "reason": "quarterly"}
        if what == "rotate":
            self.environment |= {"MEDAGENT_PSEUDONYM_KEY": secrets.token_hex(32)}
            return key_rotation(self.system, here(self.environment, self.home), **about)
        self.environment |= SECRETS[what](secrets.token_hex(8))
        destination: Any = what
        return account_replacement(self.system, here(self.environment, self.home), destination, **about)

    def sign(self, statement: AmendmentStatement, key: SigningKey | None = None, **subjects: str) -> Envelope:
        over = amendment_subjects(self.sha256, self.envelopes) | subjects
        return sign(said_statement(statement, over), key or KEYS["Ines Calder"].signing)

    def amend(self, what: str) -> None:
        statement = self.change(what)
        envelope = self.sign(statement)
        self.system, self.envelopes = amended(self.system, statement), (*self.envelopes, envelope)

    def checked(self, *envelopes: Envelope, listed: Officers = LIST, **changes: Any) -> System:
        given = envelopes or self.envelopes
        bounds = {"after": ENDED, "before": NOW + timedelta(minutes=5)} | changes
        people = listed.people(machines=[MACHINE.public, HOST.public])
        return check_amendments(given, report_sha256=self.sha256, system=self.start, officers=people, **bounds)[1]


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain.begin(tmp_path)


CHANGES = st.lists(st.sampled_from(["rotate", *SECRETS]), min_size=1, max_size=4)


@pytest.mark.slow
@given(changes=CHANGES)
def test_amendments_of_any_sequence_give_the_binding_here(
    changes: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Amendments applied in order give this host's binding, and no clear text changes."""
    chain = Chain.begin(tmp_path_factory.mktemp("home"))
    for what in changes:
        chain.amend(what)
    found, bound = chain.checked(), here(chain.environment, chain.home)
    assert bound.differences(found) == ()
    assert bound.differences(chain.start) != ()
    in_clear = [(one.name, one.host, one.project, one.region) for one in found.destinations]
    assert in_clear == [(one.name, one.host, one.project, one.region) for one in chain.start.destinations]


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> list[Chain]:
    """Chains of one and two amendments of each kind over the report of `WHOLE`."""
    made = []
    for changes in (("rotate",), ("otlp",), ("rotate", "slack"), ("slack", "rotate")):
        chain = Chain.begin(tmp_path_factory.mktemp("home"), WHOLE.bundle.report_sha256)
        for what in changes:
            chain.amend(what)
        made.append(chain)
    return made


@given(data=st.data())
def test_a_changed_byte_of_any_amendment_is_refused(data: st.DataObject, chains: list[Chain]) -> None:
    """A changed byte of an amendment's payload, signature or key id is refused."""
    chain = data.draw(st.sampled_from(chains))
    document = replace(WHOLE.bundle, amendments=chain.envelopes).document()
    first = document.index(b'"amendments"')
    last = document.index(b'"format"')
    at = data.draw(st.integers(first, last - 2))
    changed = document[:at] + bytes([document[at] ^ data.draw(st.integers(1, 127))]) + document[at + 1 :]
    with pytest.raises(MedagentError):
        read_again(chain, changed)


def read_again(chain: Chain, document: bytes) -> None:
    bundle = Bundle.parse(document)
    assert len(bundle.amendments) == len(chain.envelopes)
    chain.checked(*bundle.amendments)


def test_amendments_in_another_order_or_number_are_refused(chain: Chain) -> None:
    """A chain with a dropped, swapped, repeated or conflicting amendment is refused."""
    for what in ("rotate", "slack", "otlp"):
        chain.amend(what)
    one, two, three = chain.envelopes
    for wrong in ((two, three), (one, three), (two, one, three), (one, one), (one, two, two)):
        with pytest.raises(AttestationError, match=r"amendment \d: "):
            chain.checked(*wrong)
    assert chain.checked(one, two).destinations_sha256 != chain.checked().destinations_sha256
    fork = replace(chain, envelopes=(), system=chain.start, environment=dict(CONFIGURED))
    again = fork.sign(fork.change("slack"))
    chain.checked(again)
    for wrong in ((one, again), (again, one)):
        with pytest.raises(AttestationError, match="amendment 2: over another report or another amendment"):
            chain.checked(*wrong)
    late = replace(fork, envelopes=(one,), system=chain.start)
    with pytest.raises(AttestationError, match="amendment 2: made over another state"):
        chain.checked(one, late.sign(late.change("slack")))


def test_an_amendment_out_of_its_time_is_refused(chain: Chain) -> None:
    """An amendment before the audit, in the future or before the previous one is refused."""
    statement = chain.change("slack")
    for at in (ENDED - timedelta(seconds=1), datetime.now(UTC) + timedelta(hours=1)):
        with pytest.raises(AttestationError, match="amendment 1: wrong time"):
            chain.checked(chain.sign(statement.model_copy(update={"at": at})))
    envelope = chain.sign(statement)
    chain.checked(envelope)
    chain.system, chain.envelopes = amended(chain.system, statement), (envelope,)
    second = chain.change("otlp").model_copy(update={"at": statement.at})
    with pytest.raises(AttestationError, match="amendment 2: wrong time"):
        chain.checked(envelope, chain.sign(second))


def test_an_amendment_is_signed_by_who_may_sign_off(chain: Chain) -> None:
    """A machine, a reviewer, an unlisted, revoked or expired key and another name are refused."""
    statement = chain.change("slack")
    for key in (HOST, MACHINE, KEYS["Theo Brandt"].signing, KEYS["Omar Nobody"].signing):
        with pytest.raises(AttestationError, match="amendment 1: signed by no sign-off key of the pinned list"):
            chain.checked(chain.sign(statement, key))
    with pytest.raises(AttestationError, match="names another officer"):
        chain.checked(chain.sign(statement.model_copy(update={"officer": "Theo Brandt"})))
    envelope, [ines] = chain.sign(statement), [one for one in LIST.all if one.name == "Ines Calder"]
    chain.checked(envelope)
    expired = ines.model_copy(update={"valid_until": date(2026, 2, 1)})
    with pytest.raises(AttestationError, match="key was not valid at"):
        chain.checked(envelope, listed=Officers(all=(expired,)))
    revoked = RevokedKey(key_id=ines.key.key_id, revoked_on=date(2026, 11, 1), reason="stolen")
    with pytest.raises(AttestationError, match="signed by no sign-off key"):
        chain.checked(envelope, listed=Officers(all=LIST.all, revoked=(revoked,)))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "policy"},
        {"kind": "pseudonym_key"},
        {"destination": "jsonlog"},
        {"destination": None},
        {"old": "keyed:0"},
        {"new": "1a2b3c4d"},
        {"reason": ""},
        {"host": "evil.example"},
        {"keyed": [{"part": "otlp: host", "old": "keyed:" + "0" * 32, "new": "keyed:" + "1" * 32}]},
        {"keyed": [{"part": "otlp: account", "old": "keyed:" + "0" * 32, "new": "keyed:" + "1" * 32}]},
    ],
    ids=str,
)
def test_an_amendment_of_another_kind_has_no_form(changes: dict[str, Any], chain: Chain) -> None:
    """Parsing refuses the statement although its signature is valid."""
    statement = chain.change("slack")
    document = json.loads(chain.sign(statement).payload)
    document["predicate"] |= changes
    with pytest.raises(AttestationError, match="has not its form"):
        chain.checked(sign(document, KEYS["Ines Calder"].signing))


def test_an_amendment_that_names_another_host_is_refused(chain: Chain) -> None:
    """A signed amendment is computed again; a change of another part is refused."""
    evil = system_of(here(CONFIGURED | SLACK | {"MEDAGENT_OTLP_ENDPOINT": "https://evil.example/a"}, chain.home))
    statement = chain.change("slack").model_copy(update={"destinations_after": evil.destinations_sha256})
    with pytest.raises(AttestationError, match="amendment 1: another part is changed too"):
        chain.checked(chain.sign(statement))


def test_a_rotation_names_each_keyed_digest_once(chain: Chain) -> None:
    """A missing or different keyed digest is refused; a system without a list cannot be amended."""
    statement = chain.change("rotate")
    assert len(statement.keyed) > 8
    for keyed in (
        statement.keyed[1:],
        (statement.keyed[0].model_copy(update={"old": "keyed:" + "0" * 32}), *statement.keyed[1:]),
    ):
        with pytest.raises(AttestationError, match="other keyed digests than the report's"):
            amended(chain.start, statement.model_copy(update={"keyed": keyed}))
    new = statement.keyed[0].model_copy(update={"new": "keyed:" + "0" * 32})
    with pytest.raises(AttestationError, match="another part is changed too"):
        amended(chain.start, statement.model_copy(update={"keyed": (new, *statement.keyed[1:])}))
    with pytest.raises(AttestationError, match="does not list what it is bound to"):
        amended(chain.start.model_copy(update={"settings": ()}), statement)


@pytest.mark.parametrize("what", REFUSED)
def test_a_replaced_account_is_nothing_else(what: str, chain: Chain) -> None:
    """A changed scheme, host, port, path, project, workspace, tenant or setting is refused."""
    destination, changes, says = REFUSED[what]
    named: Any = destination
    with pytest.raises(AttestationError, match=says):
        account_replacement(
            chain.start,
            here(CONFIGURED | changes, chain.home),
            named,
            officer="Ines Calder",
            at=chain.at(),
            reason="quarterly",
        )


def test_a_rotation_is_of_the_key_alone(chain: Chain) -> None:
    """A changed part in clear text is refused; the command compares keyed digests under the old key."""
    for changes, says in (
        ({"MEDAGENT_SAMPLING": "0.5"}, "MEDAGENT_SAMPLING"),
        ({"MEDAGENT_OTLP_ENDPOINT": "https://evil.example/a"}, "otlp: host"),
        ({"MEDAGENT_DESTINATIONS": "otlp"}, "other destinations"),
    ):
        bound = here(CONFIGURED | {"MEDAGENT_PSEUDONYM_KEY": "cd" * 32} | changes, chain.home)
        with pytest.raises(AttestationError, match=says):
            key_rotation(chain.start, bound, officer="Ines Calder", at=chain.at(), reason="quarterly")


def test_a_no_go_stays_one_however_it_is_amended(tmp_path: Path) -> None:
    """An amendment changes the expected system and not the conclusion; the amended GO is allowed."""
    before = load_settings(MEDAGENT_HOME=tmp_path, **CONFIGURED)
    after = load_settings(MEDAGENT_HOME=tmp_path, **CONFIGURED | OTLP)

    def with_amendment(whole: Any) -> Any:
        system = whole.report.system
        statement = account_replacement(
            system, binding(after), "otlp", officer="Ines Calder", at=NOW, reason="quarterly"
        )
        subjects = amendment_subjects(whole.bundle.report_sha256, ())
        made = whole.bundle.amending(sign(said_statement(statement, subjects), KEYS["Ines Calder"].signing))
        return verify(made, officers=LIST, machine_keys=[MACHINE.public], directory=None)

    def against(found: Any, settings: Settings) -> str:
        try:
            allowed(found, binding=binding(settings), env="dev", officers=LIST, days=365)
        except AttestationError as error:
            return str(error)
        return ""

    go = audit(bound_to(before)).complete()
    assert (against(go.verified(), before), against(with_amendment(go), after)) == ("", "")
    assert "otlp: account" in against(go.verified(), after)
    assert "otlp: account" in against(with_amendment(go), before)
    found = with_amendment(go)
    assert [one.what for one in found.checks if one.what.startswith("amendment")] == ["amendment 1"]
    assert any("same account" in each for each in found.not_checked)
    for bad in (audit(bound_to(before)).reviewed("Theo Brandt").signed(), audit(bound_to(before), causes=("a leak",))):
        verified = with_amendment(bad)
        assert verified.signed.conclusion == "NO-GO"
        assert "the report says NO-GO" in against(verified, after)


def test_revoking_who_amended_ends_the_go(chain: Chain) -> None:
    """Revoking or removing the officer who signed an amendment ends the GO."""
    omar = officer("Omar Nobody", "sign_off")
    statement = chain.change("slack").model_copy(update={"officer": "Omar Nobody"})
    whole = audit(lambda report: report.model_copy(update={"system": chain.start}), listed=TWO).complete()
    subjects = amendment_subjects(whole.bundle.report_sha256, ())
    bundle = whole.bundle.amending(sign(said_statement(statement, subjects), KEYS["Omar Nobody"].signing))

    def conclusion(listed: Officers) -> str:
        return verify(bundle, officers=listed, machine_keys=[MACHINE.public], directory=None).signed.conclusion

    assert conclusion(TWO) == "GO"
    revoked = RevokedKey(key_id=omar.key.key_id, revoked_on=date(2026, 11, 1), reason="stolen")
    with pytest.raises(AttestationError, match="revoked on 2026-11-01: stolen"):
        conclusion(replace(TWO, revoked=(revoked,)))
    with pytest.raises(AttestationError, match="amendment 1: signed by no sign-off key"):
        conclusion(LIST)


@given(
    headers=st.dictionaries(
        st.sampled_from(["authorization", "x-api-key", "x-scope-orgid", "x-honeycomb-dataset", "x-honeycomb-team"]),
        st.sampled_from(["a", "b"]),
    ),
    other=st.sampled_from(["x-scope-orgid", "x-honeycomb-dataset", "x-anything"]),
)
def test_a_header_that_is_no_credential_is_bound_as_tenant(headers: dict[str, str], other: str) -> None:
    """A credential's value does not show in the digest, each other header's does."""
    key = PseudonymKey(secret=b"k" * 32)
    credentials = {"authorization", "x-api-key", "x-honeycomb-team"} & set(headers)
    assert bound_tenant(headers, key) == bound_tenant(headers | dict.fromkeys(credentials, "new"), key)
    assert bound_tenant(headers, key) != bound_tenant(headers | {other: "new"}, key)
    assert bound_tenant(dict.fromkeys(credentials, "a"), key) is None


def test_a_webhooks_workspace_is_bound_and_its_secret_is_not() -> None:
    """The team in Slack's path; an address of another form has none, and differs from every one that has."""
    key = PseudonymKey(secret=b"k" * 32)
    team = bound_webhook_workspace("https://hooks.slack.com/services/T1/B1/x", key)
    assert team is not None
    assert team == bound_webhook_workspace("https://hooks.slack.com/services/T1/B2/y", key)
    assert team != bound_webhook_workspace("https://hooks.slack.com/services/T2/B1/x", key)
    assert bound_webhook_workspace("https://chat.clinic.example/hooks/abc", key) is None
    assert set(ACCOUNT_PART) == set(SECRETS)
