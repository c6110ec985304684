"""Sabotages of the evidence: each is refused by `verify`, `telemetry on` and the next start, and named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from attestation.audits import Audit
from medagent.attestation.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSabotage:
    """One way to make the evidence dishonest. `says` is a pattern of the reason that names it."""

    breaks: str
    says: str
    forge: Callable[[Report], Report] | None = None
    reviewed: Callable[[Audit], Audit] = lambda made: made.reviewed("Noor Haddad")
    after: Callable[[Audit], Audit] = lambda made: made


def _no_legal_status(report: Report) -> Report:
    return report.model_copy(update={"legal": None})


def _processor(name: str, **changes: object) -> Callable[[Report], Report]:
    def forge(report: Report) -> Report:
        assert report.legal is not None
        entries = tuple(
            one.model_copy(update=changes) if one.name == name else one
            for one in report.legal.processors
            if changes or one.name != name
        )
        return report.model_copy(update={"legal": report.legal.model_copy(update={"processors": entries})})

    return forge


def _example(report: Report) -> Report:
    return report.model_copy(update={"run": report.run.model_copy(update={"example": True})})


def _unrecorded(made: Audit) -> Audit:
    bare = tuple(replace(one, receipt=None) for one in made.bundle.sealed_reviews)
    return replace(made, bundle=replace(made.bundle, sealed_reviews=bare))


def _other_salt(made: Audit) -> Audit:
    first, *rest = made.bundle.sealed_reviews
    return replace(made, bundle=replace(made.bundle, sealed_reviews=(replace(first, salt="0" * 64), *rest)))


EVIDENCE: Mapping[str, EvidenceSabotage] = {
    "review_in_no_time": EvidenceSabotage(
        breaks="a reviewer answers without reading",
        says="Noor Haddad is invalid: 0.00 s on average for each free text",
        reviewed=lambda made: made.reviewed("Noor Haddad", free_ms=0, other_ms=0),
    ),
    "review_skims_numbers": EvidenceSabotage(
        breaks="a reviewer reads the free texts alone",
        says="Noor Haddad is invalid: 0.10 s on average for each other text",
        reviewed=lambda made: made.reviewed("Noor Haddad", other_ms=100),
    ),
    "review_not_sealed": EvidenceSabotage(
        breaks="the second reviewer could read the first's answers",
        says="Noor Haddad is invalid: its answers were not sealed",
        reviewed=lambda made: made.reviewed("Noor Haddad", sealed=False),
    ),
    "review_not_in_the_ledger": EvidenceSabotage(
        breaks="sealed answers are opened before the ledger holds their digest",
        says="is invalid: no receipt says that the ledger held its digest",
        after=_unrecorded,
    ),
    "review_exchanged": EvidenceSabotage(
        breaks="another review is laid in the place of the sealed one",
        says="opened as another review than was sealed",
        after=_other_salt,
    ),
    "no_legal_status": EvidenceSabotage(
        breaks="the report does not state that PHI is sent",
        says="does not state the legal status of what is sent",
        forge=_no_legal_status,
    ),
    "processor_without_entry": EvidenceSabotage(
        breaks="a destination has no entry in processors.yaml",
        says="processors.yaml: langsmith has no entry",
        forge=_processor("langsmith"),
    ),
    "processor_without_contract": EvidenceSabotage(
        breaks="PHI goes to a processor without a contract",
        says="processors.yaml: azure_openai lacks baa.reference",
        forge=_processor("azure_openai", baa_reference="TBD"),
    ),
    "example_signed": EvidenceSabotage(
        breaks="an example is signed and used to launch", says="the run is an example", forge=_example
    ),
}
