"""The one file in which a report and all that people signed of it travel; its annexes lie beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict

from medagent.attestation.report import Annex, Report
from medagent.attestation.sealed_review import SealedReview
from medagent.attestation.statements import report_statement, sha256_of
from medagent.errors import AttestationError, SignatureError
from medagent.file_access import FileSizeError, read_file, replace_file
from medagent.proof import Json, SigningKey, canonical
from medagent.proof.dsse import Envelope, sign

BUNDLE = "bundle.json"
FORMAT = "medagent-bundle/1"
LARGEST_BUNDLE = 16 * 2**20
"""Bytes of a bundle; one of a whole audit has 0.9 MB."""
LARGEST_ANNEX = 16 * 2**20
"""Bytes of an annex; a worksheet of a call has 0.2 MB."""
MOST_ANNEXES = 500
_MOST_ANNEX_BYTES = 128 * 2**20
"""Bytes of all annexes together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A report's envelope and those of the people, each group in the order of its digests; nothing is verified yet."""

    report: Envelope
    reviews: tuple[Envelope, ...] = ()
    adjudications: tuple[Envelope, ...] = ()
    sign_offs: tuple[Envelope, ...] = ()
    sealed_reviews: tuple[SealedReview, ...] = ()
    amendments: tuple[Envelope, ...] = ()
    """Amendments, oldest first; each holds the digest of the previous one."""

    @classmethod
    def sealed(cls, report: Report, key: SigningKey) -> Bundle:
        """A report signed by the installation that ran the audit, before any person has read it."""
        return cls(report=sign(report_statement(report), key))

    @classmethod
    def parse(cls, text: bytes) -> Bundle:
        """Read the file; raises `AttestationError` unless every byte of it is as it is written."""
        try:
            document = _Document.model_validate(json.loads(text))
            found = cls(
                report=_envelope(document.report),
                reviews=tuple(map(_envelope, document.reviews)),
                adjudications=tuple(map(_envelope, document.adjudications)),
                sign_offs=tuple(map(_envelope, document.sign_offs)),
                sealed_reviews=tuple(map(SealedReview.parse, document.sealed_reviews)),
                amendments=tuple(map(_envelope, document.amendments)),
            )
        except (ValueError, SignatureError, RecursionError):
            raise AttestationError("this is not an audit's bundle") from None
        if found.document() != text:
            raise AttestationError("the bundle is not written as bundles are: something was added or moved")
        return found

    @classmethod
    def load(cls, path: Path) -> tuple[Bundle, Path]:
        """The bundle of a file, or of a directory that holds one, and the directory of its annexes."""
        file = path / BUNDLE if path.is_dir() else path
        try:
            return cls.parse(read_file(file, limit=LARGEST_BUNDLE)), file.parent
        except OSError as error:
            raise AttestationError(f"{file} cannot be read ({type(error).__name__})") from None

    @property
    def report_sha256(self) -> str:
        """The digest of the report's statement: what every person signs over."""
        return sha256_of(self.report)

    @property
    def over(self) -> dict[str, str]:
        """The name and digest of everything that a sign-off is made over."""
        groups = (("review", self.reviews), ("adjudication", self.adjudications))
        people = {f"{name}-{number}": sha256_of(each) for name, group in groups for number, each in enumerate(group, 1)}
        return {"report": self.report_sha256, **people}

    def adding(
        self, *, review: Envelope | None = None, adjudication: Envelope | None = None, sign_off: Envelope | None = None
    ) -> Bundle:
        """The same bundle with one more statement, in its place."""
        return replace(
            self,
            reviews=_in_order(self.reviews, review),
            adjudications=_in_order(self.adjudications, adjudication),
            sign_offs=_in_order(self.sign_offs, sign_off),
        )

    def document(self) -> bytes:
        """The file's bytes."""
        groups = {"reviews": self.reviews, "adjudications": self.adjudications, "sign_offs": self.sign_offs}
        people: dict[str, Json] = {
            name: [each.document() for each in _in_order(group)] for name, group in groups.items()
        }
        if self.sealed_reviews:
            people["sealed_reviews"] = [each.document() for each in _sealed_in_order(self.sealed_reviews)]
        if self.amendments:
            people["amendments"] = [each.document() for each in self.amendments]
        return canonical({"format": FORMAT, "report": self.report.document(), **people})

    def amending(self, amendment: Envelope) -> Bundle:
        """Return the bundle with one more amendment at the end."""
        return replace(self, amendments=(*self.amendments, amendment))

    def sealing(self, one: SealedReview) -> Bundle:
        """The same bundle with a sealed review, in the place of an earlier state of the same one."""
        others = (each for each in self.sealed_reviews if each.sha256 != one.sha256)
        return replace(self, sealed_reviews=_sealed_in_order((*others, one)))

    def write(self, directory: Path) -> Path:
        """Put it into a directory, whole or not at all; returns the file."""
        file = directory / BUNDLE
        try:
            directory.mkdir(parents=True, exist_ok=True)
            replace_file(file, self.document(), mode=0o644)
        except OSError as error:
            raise AttestationError(f"{file} cannot be written ({type(error).__name__})") from None
        return file


def annexes(report: Report, directory: Path) -> Iterator[tuple[Annex, bytes]]:
    """Each annex with its bytes; raises `AttestationError` where one is missing, changed, or not beside the bundle."""
    if len(report.annexes) > MOST_ANNEXES:
        raise AttestationError(f"report: {len(report.annexes)} annexes, expected at most {MOST_ANNEXES}")
    left = _MOST_ANNEX_BYTES
    for annex in report.annexes:
        place = PurePosixPath(annex.name)
        if place.is_absolute() or ".." in place.parts:
            raise AttestationError(f"annex {annex.name}: its name leads away from the bundle")
        try:
            content = read_file(directory / place, limit=min(LARGEST_ANNEX, left))
        except FileSizeError:
            raise AttestationError(f"annex {annex.name}: too large, expected at most {LARGEST_ANNEX} bytes") from None
        except OSError as error:
            raise AttestationError(f"annex {annex.name} is missing ({type(error).__name__})") from None
        if hashlib.sha256(content).hexdigest() != annex.sha256:
            raise AttestationError(f"annex {annex.name} is not the one that was signed")
        left -= len(content)
        yield annex, content


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    report: dict[str, Any]
    reviews: tuple[dict[str, Any], ...]
    adjudications: tuple[dict[str, Any], ...]
    sign_offs: tuple[dict[str, Any], ...]
    sealed_reviews: tuple[dict[str, Any], ...] = ()
    amendments: tuple[dict[str, Any], ...] = ()


def _envelope(document: dict[str, Any]) -> Envelope:
    return Envelope.parse(canonical(document))


def _sealed_in_order(group: Iterable[SealedReview]) -> tuple[SealedReview, ...]:
    return tuple(sorted(group, key=lambda each: each.sha256))


def _in_order(group: Iterable[Envelope], more: Envelope | None = None) -> tuple[Envelope, ...]:
    return tuple(sorted((*group, *([] if more is None else [more])), key=sha256_of))
