"""The encrypted annex: the officer opens it, nobody else does, and a changed byte shows."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from medagent.audit.annex import AnnexError, open_with, seal_for
from medagent.errors import KeyFileError

OFFICER = X25519PrivateKey.generate()


def public(private: X25519PrivateKey | Ed25519PrivateKey) -> str:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@given(st.binary(max_size=5_000))
def test_the_officer_opens_what_is_sealed_for_her(text: bytes) -> None:
    """Any bytes come back as they were, and sealing them twice gives two annexes."""
    sealed = seal_for(public(OFFICER), text)
    assert open_with(OFFICER, sealed) == text
    assert seal_for(public(OFFICER), text) != sealed
    assert len(text) < 16 or text not in sealed


def test_nobody_else_opens_it() -> None:
    """Another key does not open it."""
    with pytest.raises(AnnexError):
        open_with(X25519PrivateKey.generate(), seal_for(public(OFFICER), b"a finding"))


@given(place=st.integers(0, 56), bit=st.integers(0, 7))
def test_a_changed_byte_shows(place: int, bit: int) -> None:
    """A change of any bit, or a cut, is an error and gives nothing."""
    sealed = bytearray(seal_for(public(OFFICER), b"a finding"))
    assert len(sealed) == 57
    sealed[place] ^= 1 << bit
    with pytest.raises(AnnexError):
        open_with(OFFICER, bytes(sealed))
    with pytest.raises(AnnexError):
        open_with(OFFICER, bytes(sealed[:place]))


@pytest.mark.parametrize("pem", ["", "not a key", public(Ed25519PrivateKey.generate())])
def test_only_a_key_that_can_encrypt_is_taken(pem: str) -> None:
    """The officer's signing key, or no key at all, is refused before anything is written."""
    with pytest.raises(KeyFileError, match="X25519"):
        seal_for(pem, b"a finding")
