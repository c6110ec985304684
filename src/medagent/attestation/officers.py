"""The pinned list: public keys of who may sign, revoked keys, and protocols; a directory changed by review.

One file for each officer. Two files have names of their own: `revoked.yaml` (keys that count no more) and
`protocols.yaml` (digests of the protocols whose audits may become a GO). A directory without `protocols.yaml` pins the
packaged protocols. As shipped there is no officer.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from medagent.attestation.binding import PACKAGE
from medagent.attestation.look_alike import appearance, mixes_scripts
from medagent.errors import AttestationError, ConfigFileError, KeyFileError
from medagent.proof import VerifyKey, digest
from medagent.yaml_text import check, read_text

PINNED = PACKAGE / "officers"
REVOKED_FILE, PROTOCOLS_FILE = "revoked.yaml", "protocols.yaml"
REVIEWER = "reviewer"
MACHINE = "machine"
"""The role of another installation that may run audits; it signs reports and nothing else."""


def _ed25519(pem: str) -> str:
    try:
        VerifyKey.parse(pem)
    except KeyFileError as error:
        raise ValueError(str(error)) from None
    return pem


def _x25519(pem: str) -> str:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PublicKey):
        raise ValueError("this is not an X25519 public key")  # noqa: TRY004  # pydantic reports ValueErrors alone
    return pem


Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
PersonName = Annotated[str, Field(pattern=r"^\w[\w .,'’-]{0,78}$")]


class Officer(BaseModel):
    """One file of the list: a person, what the person may sign, and the two public keys; both days are included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: PersonName
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    public_key: Annotated[str, AfterValidator(_ed25519)]
    annex_key: Annotated[str, AfterValidator(_x25519)] | None = None
    valid_from: date
    valid_until: date

    @model_validator(mode="after")
    def _is_one_thing(self) -> Officer:
        if MACHINE in self.roles and len(self.roles) > 1:
            raise ValueError("a machine has no other role")
        return self

    @property
    def key(self) -> VerifyKey:
        """What the person's signatures are verified with."""
        return VerifyKey.parse(self.public_key)

    @property
    def person(self) -> str:
        """The name as people are told apart."""
        return " ".join(self.name.casefold().split())

    def held_at(self, moment: datetime) -> bool:
        """Whether the key was good on the day (UTC) of a signature."""
        return self.valid_from <= moment.date() <= self.valid_until


class RevokedKey(BaseModel):
    """A public key that counts no more, for reports and statements of any time; `reason` names no person's data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    revoked_on: date
    reason: Annotated[str, Field(min_length=1, max_length=300)]


class PinnedProtocol(BaseModel):
    """A protocol whose audits may become a GO, by the SHA-256 of its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Revoked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    revoked: tuple[RevokedKey, ...]


class _Protocols(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    protocols: tuple[PinnedProtocol, ...]


def shipped_protocols() -> tuple[PinnedProtocol, ...]:
    """Return the protocols that are pinned in the package."""
    return _read(PINNED / PROTOCOLS_FILE, _Protocols).protocols


@dataclass(frozen=True, slots=True, kw_only=True)
class Officers:
    """The list, and its digest."""

    all: tuple[Officer, ...]
    revoked: tuple[RevokedKey, ...] = ()
    protocols: tuple[PinnedProtocol, ...] = field(default_factory=shipped_protocols)

    @classmethod
    def load(cls, directory: Path = PINNED) -> Officers:
        """Read every YAML and JSON file of a directory; raises `AttestationError` naming file and field.

        Also where a key or a person occurs twice, or two names look alike: two signatures must be two people's.
        """
        if not directory.is_dir():
            raise AttestationError(f"there is no list of officers at {directory}", hint="set MEDAGENT_OFFICERS")
        apart = (REVOKED_FILE, PROTOCOLS_FILE)
        files = sorted(path for path in directory.iterdir() if path.suffix in (".yaml", ".yml", ".json"))
        found = tuple(_read(path, Officer) for path in files if path.name not in apart)
        annex_keys = [o.annex_key.split() for o in found if o.annex_key is not None]
        for what, values in (
            ("key", [o.key.key_id for o in found]),
            ("annex key", ["".join(words) for words in annex_keys]),
            ("person", [o.person for o in found]),
        ):
            if len(set(values)) < len(values):
                raise AttestationError(f"a {what} stands twice on the list of officers at {directory}")
        if mixed := [o.name for o in found if mixes_scripts(o.name)]:
            raise AttestationError(
                f"officer {mixed[0]!a}: letters of two scripts, expected one", hint="write the name in one script"
            )
        seen: dict[str, str] = {}
        for one in found:
            other = seen.setdefault(appearance(one.name), one.name)
            if other != one.name:
                raise AttestationError(
                    f"officers {other!a} and {one.name!a}: the names look alike, expected names that differ",
                    hint="add a second given name to one of them",
                )
        revoked, protocols = (directory / name for name in apart)
        return cls(
            all=found,
            revoked=_read(revoked, _Revoked).revoked if _is_there(revoked) else (),
            protocols=_read(protocols, _Protocols).protocols if _is_there(protocols) else shipped_protocols(),
        )

    @property
    def sha256(self) -> str:
        """The digest of the whole list: officers, revoked keys and protocols, in any order."""
        groups = (self.all, self.revoked, self.protocols)
        return digest([sorted((one.model_dump(mode="json") for one in group), key=digest) for group in groups])

    @property
    def protocol_digests(self) -> frozenset[str]:
        """The SHA-256 of each pinned protocol."""
        return frozenset(one.sha256 for one in self.protocols)

    def revocation(self, key: VerifyKey) -> RevokedKey | None:
        """Return the revocation of a key; None where it is not revoked."""
        return next((one for one in self.revoked if one.key_id == key.key_id), None)

    def holding(self, role: str) -> tuple[Officer, ...]:
        """Those with a role whose key is not revoked."""
        return tuple(one for one in self.all if role in one.roles and self.revocation(one.key) is None)

    def people(self, *, machines: Collection[VerifyKey]) -> tuple[Officer, ...]:
        """Those who may sign for themselves: no revoked key, and no machine's, even if somebody put it on the list."""
        never = {*machines, *(one.key for one in self.all if MACHINE in one.roles)}
        return tuple(one for one in self.all if one.key not in never and self.revocation(one.key) is None)


Model = TypeVar("Model", bound=BaseModel)


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)  # a dangling link is an error, not an absent file


def _read(path: Path, model: type[Model]) -> Model:
    try:
        text = read_text(path)
        check(text, path.name)
        return model.model_validate(yaml.safe_load(text))
    except ConfigFileError as error:
        raise AttestationError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or "the file"
        raise AttestationError(f"{path.name}: {field}: {first['msg'].removeprefix('Value error, ')}") from None
    except yaml.YAMLError as error:
        raise AttestationError(f"{path.name}: cannot be read ({type(error).__name__})") from None
