"""Statements of an audit's bundle in in-toto's form: report, review, adjudication, sign-off, amendment.

Each says over which others it was made by their digests, so that none can be taken away from under it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from medagent.attestation.consistency import check_consistency
from medagent.attestation.officers import PersonName, Role
from medagent.attestation.report import Count, Part, Report, Sha256
from medagent.errors import AttestationError
from medagent.proof import Json, JsonObject, VerifyKey, canonical, digest
from medagent.proof.dsse import Envelope, verify

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
REVIEW = "urn:medagent:audit-review:1"
ADJUDICATION = "urn:medagent:audit-adjudication:1"
SIGN_OFF = "urn:medagent:audit-sign-off:1"
SEALED_REVIEW = "urn:medagent:audit-sealed-review:1"
LEDGER_RECEIPT = "urn:medagent:audit-ledger-receipt:1"
AMENDMENT = "urn:medagent:audit-amendment:1"

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
KeyedDigest = Annotated[str, Field(pattern=r"^keyed:[0-9a-f]{32}$")]
Path = Annotated[str, Field(min_length=1, max_length=400)]


class Opening(Part):
    """What a commitment in the report hid: where in a worksheet a leak was planted, if anywhere."""

    trace_id: str
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    planted: tuple[Path, ...]

    @property
    def commitment(self) -> str:
        """The salted hash that the report holds: 256 random bits hide even which of two it is."""
        return digest(self.model_dump(mode="json"))


class TraceRead(Part):
    """A reviewer's word on one worksheet: the paths whose text is a leak; none, where it is clean."""

    trace_id: str
    worksheet_sha256: Sha256
    verdict: Literal["leak", "clean"]
    paths: tuple[Path, ...]
    seconds: Count
    free_text_ms: tuple[Count, ...] = ()
    """Milliseconds for each free text of the sheet, as the reviewer's software states them."""
    other_ms: tuple[Count, ...] = ()
    """The same for every other text."""


class ReviewSaid(Part):
    """What a reviewer signs."""

    reviewer: PersonName
    at: AwareDatetime
    traces: tuple[TraceRead, ...]


class SealedReviewSaid(Part):
    """What a reviewer signs before anybody can read the review: the commitment to it, and it sealed to key ids."""

    reviewer: PersonName
    at: AwareDatetime
    commitment: Sha256
    sealed: Annotated[dict[KeyId, Base64], Field(min_length=1, max_length=100)]


class LedgerReceipt(Part):
    """What the host of the ledger signs: its entry of this number and hash holds the digest of a sealed review."""

    sealed_review: Sha256
    sequence: Count
    entry: Sha256
    at: AwareDatetime


class AdjudicationSaid(Part):
    """What an officer signs of one mark: a leak or none, and why, in words that name no patient."""

    officer: PersonName
    at: AwareDatetime
    mark_id: Annotated[str, Field(min_length=1, max_length=80)]
    decision: Literal["no_leak", "leak"]
    reason: Annotated[str, Field(min_length=1, max_length=300)]


class SignOffSaid(Part):
    """What an officer signs at the end, with what the commitments hid; empty where nothing was opened."""

    officer: PersonName
    role: Role
    at: AwareDatetime
    decision: Literal["GO", "NO-GO"]
    openings: tuple[Opening, ...]


class KeyedChange(Part):
    """One keyed digest of a report's system under the old pseudonym key and under the new one."""

    part: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}(: (address|account|workspace))?$")]
    """A setting, or a destination and one of its parts: `otlp: account`."""
    old: KeyedDigest
    new: KeyedDigest


class AmendmentStatement(Part):
    """Replacement of one key after the audit, signed by an officer with the role sign_off.

    `old` and `new` are ids of pseudonym keys, or keyed digests of a destination's account secret.
    """

    officer: PersonName
    at: AwareDatetime
    kind: Literal["pseudonym_key", "destination_account"]
    destination: Literal["langsmith", "otlp", "langfuse", "slack", "pagerduty"] | None
    old: Annotated[str, Field(pattern=r"^([0-9a-f]{8}|keyed:[0-9a-f]{32})$")]
    new: Annotated[str, Field(pattern=r"^([0-9a-f]{8}|keyed:[0-9a-f]{32})$")]
    keyed: Annotated[tuple[KeyedChange, ...], Field(max_length=200)]
    """Each keyed digest of the system under both keys, by part; empty where an account secret was replaced."""
    destinations_before: Sha256
    destinations_after: Sha256
    reason: Annotated[str, Field(min_length=1, max_length=300)]

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> AmendmentStatement:
        is_key = self.kind == "pseudonym_key"
        keyed = [one.startswith("keyed:") for one in (self.old, self.new)]
        if is_key == (self.destination is not None) or any(each == is_key for each in keyed):
            raise ValueError("an amendment names a pseudonym key's ids, or a destination and keyed digests")
        if self.old == self.new or any(one.old == one.new for one in self.keyed) or (self.keyed and not is_key):
            raise ValueError("an amendment changes each part that it names, and no other")
        if [one.part for one in self.keyed] != sorted({one.part for one in self.keyed}):
            raise ValueError("the parts of an amendment are sorted, each once")
        return self


Said = TypeVar("Said", ReviewSaid, AdjudicationSaid, SignOffSaid, SealedReviewSaid, LedgerReceipt, AmendmentStatement)
_TYPES: dict[type[Any], str] = {
    ReviewSaid: REVIEW,
    AdjudicationSaid: ADJUDICATION,
    SignOffSaid: SIGN_OFF,
    SealedReviewSaid: SEALED_REVIEW,
    LedgerReceipt: LEDGER_RECEIPT,
    AmendmentStatement: AMENDMENT,
}


Statement: TypeAlias = (
    ReviewSaid | AdjudicationSaid | SignOffSaid | SealedReviewSaid | LedgerReceipt | AmendmentStatement
)


def sha256_of(envelope: Envelope) -> str:
    """The digest by which other statements name this one."""
    return hashlib.sha256(envelope.payload).hexdigest()


def report_statement(report: Report, *, as_read: bool = False) -> dict[str, Json]:
    """The report as a test result: its subjects are the things that it is bound to.

    With `as_read` a field that the report was read without is left out: an older version did not have it.
    """
    system = report.system
    bound = {
        "code": system.code_sha256,
        "lock": system.lock_sha256,
        "policy": system.policy_sha256,
        "destinations": system.destinations_sha256,
    }
    if system.installed_sha256 is not None:
        bound["installed"] = system.installed_sha256
    passed = report.verdict in ("GO", "CLEAN")
    return _statement(
        TEST_RESULT,
        bound,
        {
            "result": "PASSED" if passed else "FAILED",
            "configuration": [{"name": report.run.protocol_name, "digest": {"sha256": report.run.protocol_sha256}}],
            "passedTests": [one.name for one in report.criteria if one.judged and one.passed],
            "failedTests": [one.name for one in report.criteria if one.judged and not one.passed],
            "medagent": report.model_dump(mode="json", exclude_unset=as_read),
        },
    )


def read_report(envelope: Envelope, keys: Sequence[VerifyKey]) -> tuple[Report, VerifyKey]:
    """Return the report and the key that signed it.

    Raises `SignatureError`, or `AttestationError` on a report that is malformed or contradicts itself.
    """
    signer, statement = _authentic(envelope, keys)
    try:
        report = Report.model_validate_json(canonical(statement["predicate"]["medagent"]))
        whole = statement == report_statement(report, as_read=True) and canonical(statement) == envelope.payload
    except (KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise AttestationError("what is signed as the report is none, or its parts contradict each other")
    check_consistency(report)
    return report, signer


def said_statement(said: Statement, over: dict[str, str]) -> dict[str, Json]:
    """What a person signs, over the statements of these names and digests."""
    return _statement(_TYPES[type(said)], over, said.model_dump(mode="json"))


def read_said(
    envelope: Envelope, keys: Sequence[VerifyKey], kind: type[Said]
) -> tuple[Said, VerifyKey, dict[str, str]]:
    """What was signed, by which key, over what; raises `SignatureError` or `AttestationError` as `read_report` does."""
    signer, statement = _authentic(envelope, keys)
    if statement["predicateType"] != _TYPES[kind]:
        raise AttestationError(f"a statement stands where one of type {_TYPES[kind]} should")
    try:
        said = kind.model_validate_json(canonical(statement["predicate"]))
        over = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
        whole = canonical(said_statement(said, over)) == envelope.payload
    except (KeyError, TypeError, ValidationError):
        whole = False
    if not whole:
        raise AttestationError(f"a statement of type {_TYPES[kind]} has not its form")
    return said, signer, over


def _authentic(envelope: Envelope, keys: Sequence[VerifyKey]) -> tuple[VerifyKey, dict[str, Any]]:
    """Exactly one signature, of exactly one of the keys, that names its key rightly: nothing beside it is unproven."""
    verified = verify(envelope, keys, 1)
    [signer, *more] = verified.signers
    if more or len(envelope.signatures) != 1 or envelope.signatures[0].key_id != signer.key_id:
        raise AttestationError("a statement carries something beside the one signature that was looked for")
    return signer, dict(verified.statement)


def _statement(kind: str, over: dict[str, str], predicate: JsonObject) -> dict[str, Json]:
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in over.items()],
        "predicateType": kind,
        "predicate": predicate,
    }
