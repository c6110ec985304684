"""Signing keys: made once, read by their owner alone, given by the environment in prod, shown to nobody."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import KeyFileError, SignatureError
from medagent.proof import KeyRing, SigningKey, VerifyKey

# The first test of RFC 8032, section 7.1.
RFC_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
RFC_SIGNATURE = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)
KEY = SigningKey.from_seed(RFC_SEED)


def test_it_is_ed25519() -> None:
    """The RFC's seed gives the RFC's public key and signature."""
    assert KEY.public.raw == RFC_PUBLIC
    assert KEY.sign(b"") == RFC_SIGNATURE
    KEY.public.verify(RFC_SIGNATURE, b"")


@given(message=st.binary(max_size=40), other=st.binary(max_size=40), at=st.integers(0, 63), flip=st.integers(1, 255))
def test_only_the_signature_of_the_message_holds(message: bytes, other: bytes, at: int, flip: int) -> None:
    """Another message, another key, one changed byte: it raises."""
    signature = KEY.sign(message)
    KEY.public.verify(signature, message)
    changed = bytes(byte ^ flip if number == at else byte for number, byte in enumerate(signature))
    stranger = SigningKey.from_seed(b"s" * 32).public
    for key, value, said in [(KEY.public, changed, message), (stranger, signature, message)]:
        with pytest.raises(SignatureError):
            key.verify(value, said)
    if other != message:
        with pytest.raises(SignatureError):
            KEY.public.verify(signature, other)


@given(seed=st.binary(min_size=32, max_size=32))
def test_the_text_form_is_what_other_tools_read(seed: bytes) -> None:
    """PEM there and back; the id is the beginning of the SHA-256 of the DER form, as anybody computes it."""
    key = SigningKey.from_seed(seed).public
    assert VerifyKey.parse(key.pem) == key
    der = load_pem_public_key(key.pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.key_id == hashlib.sha256(der).hexdigest()[:16]


@pytest.mark.parametrize(
    "text", ["", "ed25519", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "\x00"]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    """A file of anything else is an error of ours that does not repeat it."""
    with pytest.raises(KeyFileError) as caught:
        VerifyKey.parse(text)
    assert "AAAA" not in caught.value.diagnostics()


def test_a_key_of_another_kind_is_refused() -> None:
    """A public key on the wrong curve is no Ed25519 key."""
    other = generate_private_key(SECP256R1()).public_key()
    with pytest.raises(KeyFileError):
        VerifyKey.parse(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def test_dev_makes_its_signing_key_once(tmp_path: Path) -> None:
    """The first use makes it, 0600 in a directory of 0700; every later one finds it; it is not the pseudonym key."""
    ring = KeyRing(tmp_path / "keys", env="dev")
    key = ring.signing_key()
    assert KeyRing(tmp_path / "keys", env="prod").signing_key().public == key.public
    [path] = (tmp_path / "keys").iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == ("signing.key", 0o600)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert ring.pseudonym_key().secret.hex() != path.read_text()


def test_prod_does_not_invent_a_key(tmp_path: Path) -> None:
    """Missing in prod is an error that says what to set; given by the environment it is that one, and no file."""
    with pytest.raises(KeyFileError) as caught:
        KeyRing(tmp_path / "keys", env="prod").signing_key()
    assert "MEDAGENT_SIGNING_KEY" in caught.value.diagnostics()
    assert KeyRing(tmp_path, env="prod", signing_hex=RFC_SEED.hex()).signing_key().public.raw == RFC_PUBLIC
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever could read it could sign with it."""
    path = tmp_path / "signing.key"
    path.write_text(RFC_SEED.hex())
    path.chmod(mode)
    with pytest.raises(KeyFileError):
        KeyRing(tmp_path, env="dev").signing_key()


@pytest.mark.parametrize("text", ["", "zz" * 32, "ab" * 31, "ab" * 33])
def test_a_malformed_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    """A seed is 32 bytes in hexadecimal; the error does not hold it."""
    with pytest.raises(KeyFileError) as caught:
        KeyRing(tmp_path, env="prod", signing_hex=text).signing_key()
    assert not text or text not in caught.value.diagnostics()


def test_a_private_key_is_shown_to_nobody() -> None:
    """Its repr tells neither seed nor object."""
    assert repr(KEY) == "SigningKey()"
