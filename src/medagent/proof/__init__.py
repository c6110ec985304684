"""Canonical form, digests, keys and signed envelopes: what the seal, the ledger and every pseudonym rest on."""

from medagent.proof.canonical import GENESIS, Json, JsonObject, canonical, digest
from medagent.proof.keys import KeyRing, PseudonymKey
from medagent.proof.signing import SigningKey, VerifyKey

__all__ = [
    "GENESIS",
    "Json",
    "JsonObject",
    "KeyRing",
    "PseudonymKey",
    "SigningKey",
    "VerifyKey",
    "canonical",
    "digest",
]
