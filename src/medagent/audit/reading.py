"""STUB adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medagent.attestation.report import SecondReader as Part
from medagent.audit.evidence import Evidence
from medagent.audit.planted import Planted
from medagent.redaction import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    part: Part
    texts: Mapping[str, str]


def read_texts(evidence: Evidence, planted: Sequence[Planted], policy: Policy) -> Read:
    return Read(part=Part(engine="stub", recognisers=(), texts=1, sensitivity={}, marks=()), texts={})
