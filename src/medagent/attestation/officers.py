"""Who may sign: a directory of small files, pinned by review, that holds public keys and ships empty."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import yaml
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from medagent.attestation.binding import PACKAGE
from medagent.errors import AttestationError, ConfigFileError, KeyFileError
from medagent.proof import VerifyKey, digest
from medagent.yaml_text import check, read_text

PINNED = PACKAGE / "officers"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Officers:
    """The list, and its digest."""

    all: tuple[Officer, ...]

    @classmethod
    def load(cls, directory: Path = PINNED) -> Officers:
        """Read every YAML and JSON file of a directory; raises `AttestationError` naming file and field.

        Also where a key stands twice, or a person: two signatures must be two people's.
        """
        if not directory.is_dir():
            raise AttestationError(f"there is no list of officers at {directory}", hint="set MEDAGENT_OFFICERS")
        files = sorted(path for path in directory.iterdir() if path.suffix in (".yaml", ".yml", ".json"))
        found = tuple(_read(path) for path in files)
        for what, values in (("key", [o.key.key_id for o in found]), ("person", [o.person for o in found])):
            if len(set(values)) < len(values):
                raise AttestationError(f"a {what} stands twice on the list of officers at {directory}")
        return cls(all=found)

    @property
    def sha256(self) -> str:
        """The digest of the whole list, whatever its files are called."""
        return digest(sorted((one.model_dump(mode="json") for one in self.all), key=digest))

    def holding(self, role: str) -> tuple[Officer, ...]:
        """Those with a role."""
        return tuple(one for one in self.all if role in one.roles)

    def people(self, *, machines: Collection[VerifyKey]) -> tuple[Officer, ...]:
        """Those who may sign for themselves: no key of a machine, even if somebody put it on the list."""
        never = {*machines, *(one.key for one in self.holding(MACHINE))}
        return tuple(one for one in self.all if one.key not in never)


def _read(path: Path) -> Officer:
    try:
        text = read_text(path)
        check(text, path.name)
        return Officer.model_validate(yaml.safe_load(text))
    except ConfigFileError as error:
        raise AttestationError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or "the file"
        raise AttestationError(f"{path.name}: {field}: {first['msg'].removeprefix('Value error, ')}") from None
    except yaml.YAMLError as error:
        raise AttestationError(f"{path.name}: cannot be read ({type(error).__name__})") from None
