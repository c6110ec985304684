"""Canonical form, digests and keys: what the seal, the policy's digest and every pseudonym rest on."""

from medagent.proof.canonical import GENESIS, Json, JsonObject, canonical, digest
from medagent.proof.keys import KeyRing, PseudonymKey

__all__ = ["GENESIS", "Json", "JsonObject", "KeyRing", "PseudonymKey", "canonical", "digest"]
