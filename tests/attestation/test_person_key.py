"""A person's key file opens for the person alone, and another program can open it by its documentation."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_private_key
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import KEYS, LIST, officer, pin
from medagent.attestation.look_alike import appearance, mixes_scripts
from medagent.attestation.officers import Officers
from medagent.attestation.person_key import PersonKey, check_passphrase
from medagent.errors import AttestationError, KeyFileError
from medagent.proof import canonical

PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[PersonKey, Path]:
    made, path = PersonKey.new(), tmp_path_factory.mktemp("keys") / "ines.key"
    made.write(path, PASSPHRASE)
    return made, path


def test_a_key_opens_with_its_passphrase_alone(written: tuple[PersonKey, Path], tmp_path: Path) -> None:
    """With the right mode it is the same pair; else the error says why, and never what is in it."""
    made, path = written
    again = PersonKey.read(path, PASSPHRASE)
    assert (again.signing.public, again.annex_pem) == (made.signing.public, made.annex_pem)
    for passphrase in ("correct horse batterz", ""):
        with pytest.raises(KeyFileError, match="passphrase is another"):
            PersonKey.read(path, passphrase)
    with pytest.raises(KeyFileError, match="is there already"):
        made.write(path, PASSPHRASE)
    open_to_all = tmp_path / "open.key"
    open_to_all.write_bytes(path.read_bytes())
    with pytest.raises(KeyFileError, match="other users"):
        PersonKey.read(open_to_all, PASSPHRASE)
    assert "PrivateKey" not in repr(made)
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_program_opens_it_by_its_documentation(written: tuple[PersonKey, Path]) -> None:
    """PBKDF2-HMAC-SHA-256 of the standard library, AES-256-GCM over the header, PKCS #8 inside."""
    made, path = written
    held = json.loads(path.read_bytes())
    assert (held["format"], held["kdf"]["name"], held["kdf"]["hash"]) == ("medagent-person-key/1", "PBKDF2", "SHA-256")
    assert held["kdf"]["iterations"] >= 600_000
    assert (held["cipher"]["name"], held["cipher"]["length"]) == ("AES-GCM", 256)
    salt, nonce = base64.b64decode(held["kdf"]["salt"]), base64.b64decode(held["cipher"]["nonce"])
    ciphertext = base64.b64decode(held.pop("ciphertext"))
    key = hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), salt, held["kdf"]["iterations"])
    header = json.dumps(held, sort_keys=True, separators=(",", ":")).encode()
    private = json.loads(AESGCM(key).decrypt(nonce, ciphertext, header))
    signing: Any = load_der_private_key(base64.b64decode(private["signing"]), None)
    assert signing.public_key().public_bytes_raw() == made.signing.private.public_key().public_bytes_raw()


def test_two_files_of_one_key_share_no_salt_and_no_nonce(written: tuple[PersonKey, Path], tmp_path: Path) -> None:
    """Each is drawn anew."""
    made, path = written
    made.write(tmp_path / "again.key", PASSPHRASE)
    one, other = (json.loads(file.read_bytes()) for file in (path, tmp_path / "again.key"))
    assert one["kdf"]["salt"] != other["kdf"]["salt"]
    assert one["cipher"]["nonce"] != other["cipher"]["nonce"]


WEAKER: dict[str, tuple[str, str, Any]] = {
    "fewer iterations": ("kdf", "iterations", 599_999),
    "iterations without end": ("kdf", "iterations", 10**9),
    "another hash": ("kdf", "hash", "SHA-1"),
    "another derivation": ("kdf", "name", "scrypt"),
    "a short salt": ("kdf", "salt", base64.b64encode(b"x" * 8).decode()),
    "another cipher": ("cipher", "name", "AES-CBC"),
    "a shorter key": ("cipher", "length", 128),
    "a short nonce": ("cipher", "nonce", base64.b64encode(b"x" * 8).decode()),
    "something more": ("cipher", "note", ""),
}


@pytest.mark.parametrize("what", WEAKER)
def test_a_container_that_protects_less_is_refused(what: str, written: tuple[PersonKey, Path], tmp_path: Path) -> None:
    """Before a key is derived by it."""
    group, name, value = WEAKER[what]
    held = json.loads(written[1].read_bytes())
    held[group][name] = value
    file = tmp_path / "weak.key"
    file.touch(0o600)
    file.write_bytes(canonical(held))
    with pytest.raises(KeyFileError, match=r"is not a person's key$"):
        PersonKey.read(file, PASSPHRASE)


@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_changed_bit_is_refused(
    position: int, bit: int, written: tuple[PersonKey, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of the header as of the ciphertext; only white space after the object is not covered."""
    content = bytearray(written[1].read_bytes().rstrip())
    content[position % len(content)] ^= 1 << bit
    file = tmp_path_factory.mktemp("changed") / "ines.key"
    file.touch(0o600)
    file.write_bytes(content)
    with pytest.raises(KeyFileError):
        PersonKey.read(file, PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 10_000, b"x" * 20_000, b"\xff"])
def test_what_is_no_container_is_refused(content: bytes, tmp_path: Path) -> None:
    """By an error of ours."""
    file = tmp_path / "ines.key"
    file.touch(0o600)
    file.write_bytes(content)
    with pytest.raises(KeyFileError, match="is not a person's key"):
        PersonKey.read(file, PASSPHRASE)
    file.write_bytes(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(KeyFileError, match="an earlier version"):
        PersonKey.read(file, PASSPHRASE)


@pytest.mark.parametrize("passphrase", ["", "a long one", "thirteen char", "x" * 40, " " * 20, "abab" * 10])
def test_a_short_passphrase_is_refused(passphrase: str, tmp_path: Path) -> None:
    """Fewer than 14 characters, or the same few over and over; no file is made."""
    with pytest.raises(KeyFileError, match="expected 14 characters or more"):
        PersonKey.new().write(tmp_path / "ines.key", passphrase)
    assert not (tmp_path / "ines.key").exists()
    check_passphrase("fourteen chars")


def test_one_passphrase_in_two_spellings_is_the_same(tmp_path: Path) -> None:
    """A keyboard may compose what another writes as one letter."""
    PersonKey.new().write(tmp_path / "ines.key", "Zu\u0308rich im Regen")
    PersonKey.read(tmp_path / "ines.key", "Z\u00fcrich im Regen")


@pytest.mark.parametrize(
    "name",
    [
        "The\u043e Brandt",
        "Brandt, Theo",
        "Th\u00e9o Brandt",
        "Theo  Brandt",
        "THEO BRANDT",
        "The0 Brandt",
        "\uff34heo Brandt",
    ],
)
def test_a_name_that_looks_like_another_is_refused(name: str, tmp_path: Path) -> None:
    """One person with two keys would be two reviewers."""
    other = officer("Noor Haddad").model_copy(update={"name": name})
    with pytest.raises(AttestationError, match=r"look alike|stands twice|two scripts"):
        Officers.load(pin(tmp_path, Officers(all=(officer("Theo Brandt"), other))))


def test_a_name_of_two_scripts_is_refused_alone(tmp_path: Path) -> None:
    """Even where no other officer has it: a reader takes it for a name of one script."""
    only = officer("Theo Brandt").model_copy(update={"name": "The\u043e Brandt"})
    with pytest.raises(AttestationError, match="letters of two scripts"):
        Officers.load(pin(tmp_path, Officers(all=(only,))))


@pytest.mark.parametrize(
    "name",
    ["Ивана Горак", "김민준", "佐藤ひろみ", "محمد علي", "Zoë Ångström", "O’Neill, Siân", "Ελένη Παππά", "Noor Haddad"],
)
def test_names_of_one_script_are_taken(name: str, tmp_path: Path) -> None:
    """Whatever the script, with marks and apostrophes."""
    assert not mixes_scripts(name)
    other = officer("Noor Haddad").model_copy(update={"name": name})
    Officers.load(pin(tmp_path, Officers(all=(officer("Theo Brandt"), other))))


@given(one=st.text("abcdeghoz xyABC", min_size=1, max_size=12), swap=st.randoms())
def test_look_alike_letters_and_another_order_of_words_do_not_tell_names_apart(one: str, swap: Any) -> None:
    """Each letter may be replaced by one that looks like it."""
    table = {"a": "а", "c": "с", "e": "е", "o": "0", "x": "х", "y": "у"}
    other = "".join(table.get(letter, letter) if swap.random() < 0.5 else letter for letter in one)
    words = other.split(" ")
    swap.shuffle(words)
    assert appearance(one) == appearance(" ".join(words))


@pytest.mark.parametrize("field", ["public_key", "annex_key"])
def test_the_same_key_twice_is_refused(field: str, tmp_path: Path) -> None:
    """A person's signing key, and the key to which annexes are sealed."""
    shared = getattr(officer("Theo Brandt"), field)
    other = officer("Noor Haddad").model_copy(update={field: shared})
    with pytest.raises(AttestationError, match="key stands twice"):
        Officers.load(pin(tmp_path, Officers(all=(officer("Theo Brandt"), other))))
    assert Officers.load(pin(tmp_path / "whole", LIST)).all
    assert len(KEYS) == 4
