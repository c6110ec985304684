"""Envelopes: enough of the trusted keys, for this type, or an error."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import SignatureError
from medagent.proof import SigningKey
from medagent.proof.dsse import IN_TOTO, Envelope, Signature, authenticate, pae, sign, verify

ANN, BEN, CAT = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
STATEMENT: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "medagent", "digest": {"sha256": "ab" * 32}}],
    "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
    "predicate": {"result": "PASSED"},
}

# The example of the DSSE protocol, version 1.0.0.
EXAMPLE = b"""{"payload": "aGVsbG8gd29ybGQ=",
 "payloadType": "http://example.com/HelloWorld",
 "signatures": [{"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"""
EXAMPLE_X = 46950820868899156662930047687818585632848591499744589407958293238635476079160
EXAMPLE_Y = 5640078356564379163099075877009565129882514886557779369047442380624545832820


def test_the_specifications_example() -> None:
    """Its envelope is read, its encoding is ours byte for byte, and its own signature holds over ours."""
    envelope = Envelope.parse(EXAMPLE)
    message = pae(envelope.payload_type, envelope.payload)
    assert message == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    [signature] = envelope.signatures
    r, s = (int.from_bytes(part, "big") for part in (signature.value[:32], signature.value[32:]))
    key = EllipticCurvePublicNumbers(EXAMPLE_X, EXAMPLE_Y, SECP256R1()).public_key()
    key.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))


def test_lengths_are_of_bytes() -> None:
    """A type beyond ASCII is as long as its UTF-8; an empty payload leaves its space behind."""
    assert pae("exämple", b"") == "DSSEv1 8 exämple 0 ".encode()


@given(st.tuples(st.text(max_size=9), st.binary(max_size=9)), st.tuples(st.text(max_size=9), st.binary(max_size=9)))
def test_two_contents_never_have_one_encoding(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    """What is signed tells type from payload."""
    assert (pae(*one) == pae(*other)) == (one == other)


def test_a_statement_there_and_back() -> None:
    """What was signed is what comes out, with who signed it, in the order of the trusted keys."""
    envelope = sign(STATEMENT, BEN).signed(ANN)
    back = Envelope.parse(json.dumps(envelope.document()))
    assert back == envelope
    found = verify(back, [ANN.public, BEN.public, CAT.public], 2)
    assert (found.statement, found.signers) == (STATEMENT, (ANN.public, BEN.public))


@pytest.mark.parametrize(
    ("keys", "threshold"),
    [([], 0), ([], 1), ([ANN], 0), ([ANN], -1), ([ANN], 2), ([ANN, ANN], 2)],
    ids=["nothing", "no key", "none of one", "less than none", "two of one", "two of one said twice"],
)
def test_what_asks_for_nothing_proves_nothing(keys: list[SigningKey], threshold: int) -> None:
    """No key, no signature needed, more than can be: an error, whatever is signed."""
    with pytest.raises(SignatureError):
        verify(sign(STATEMENT, ANN).signed(BEN), [key.public for key in keys], threshold)


def test_one_key_counts_once() -> None:
    """Signing twice, under two names even, is one signature."""
    envelope = sign(STATEMENT, ANN).signed(ANN)
    [only] = envelope.signatures
    doubled = Envelope(
        payload_type=IN_TOTO,
        payload=envelope.payload,
        signatures=(only, Signature(key_id=BEN.key_id, value=only.value)),
    )
    verify(doubled, [ANN.public, BEN.public], 1)
    with pytest.raises(SignatureError, match="1 of 2"):
        verify(doubled, [ANN.public, BEN.public], 2)


def test_a_key_id_decides_nothing() -> None:
    """Without one or with another's, a signature is its key's."""
    [only] = sign(STATEMENT, ANN).signatures
    for said in ("", BEN.key_id, "nobody"):
        envelope = Envelope(
            payload_type=IN_TOTO,
            payload=sign(STATEMENT, ANN).payload,
            signatures=(Signature(key_id=said, value=only.value),),
        )
        assert verify(envelope, [ANN.public], 1).signers == (ANN.public,)
        with pytest.raises(SignatureError):
            verify(envelope, [BEN.public], 1)


def test_a_strangers_signature_neither_helps_nor_harms() -> None:
    """It is passed over."""
    envelope = sign(STATEMENT, CAT).signed(ANN)
    assert verify(envelope, [ANN.public, BEN.public], 1).signers == (ANN.public,)
    with pytest.raises(SignatureError):
        verify(envelope, [ANN.public, BEN.public], 2)


def test_signed_as_one_thing_it_is_no_other() -> None:
    """A type that was changed breaks the signature; a type that was signed but not asked for is refused."""
    envelope = sign(STATEMENT, ANN)
    renamed = Envelope(payload_type="text/plain", payload=envelope.payload, signatures=envelope.signatures)
    with pytest.raises(SignatureError, match="0 of 1"):
        authenticate(renamed, [ANN.public], 1, payload_type="text/plain")
    other = Envelope(payload_type="text/plain", payload=envelope.payload).signed(ANN)
    with pytest.raises(SignatureError, match="another type"):
        verify(other, [ANN.public], 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"\xff",
        b"{}",
        json.dumps({**STATEMENT, "subject": []}).encode(),
        json.dumps({**STATEMENT, "subject": [{"name": "medagent", "digest": {}}]}).encode(),
        json.dumps({**STATEMENT, "_type": "https://in-toto.io/Statement/v0.1"}).encode(),
        json.dumps(STATEMENT).encode()[:-1] + b', "predicate": {"result": "FAILED"}}',
        json.dumps(STATEMENT).encode("utf-16"),
        b"[" * 100_000,
    ],
)
def test_a_signature_makes_no_statement_of_what_is_none(payload: bytes) -> None:
    """Signed as a statement and not one, or one that two readers would read differently: an error."""
    with pytest.raises(SignatureError, match="not an in-toto statement"):
        verify(Envelope(payload_type=IN_TOTO, payload=payload).signed(ANN), [ANN.public], 1)


@pytest.mark.parametrize(
    "statement", [{}, {**STATEMENT, "subject": []}, {**STATEMENT, "predicate": {"x": float("nan")}}]
)
def test_what_is_no_statement_is_not_signed(statement: dict[str, Any]) -> None:
    """The error comes to who signs, not to who verifies."""
    with pytest.raises(SignatureError):
        sign(statement, ANN)


def test_both_base64_alphabets_are_read() -> None:
    """The protocol lets a signer use either."""
    envelope = Envelope(payload_type="x/y", payload=b"\xfb\xff\xbf>??").signed(ANN)
    document: Any = envelope.document()
    document["payload"] = base64.urlsafe_b64encode(envelope.payload).decode()
    assert "_" in document["payload"]
    assert Envelope.parse(json.dumps(document)) == envelope


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"payloadType": "x", "payload": "!", "signatures": []}',
        EXAMPLE.replace(b"Q=", b"Q"),
    ],
)
def test_what_is_no_envelope_is_refused(text: bytes) -> None:
    """A file of anything else is an error of ours."""
    with pytest.raises(SignatureError, match="not a DSSE envelope"):
        Envelope.parse(text)


def test_an_envelope_of_too_many_signatures_is_refused() -> None:
    """Nobody makes a verifier work for hours."""
    envelope = Envelope(payload_type=IN_TOTO, payload=b"{}", signatures=(Signature(key_id="", value=b"x"),) * 65)
    with pytest.raises(SignatureError, match="more than 64"):
        verify(envelope, [ANN.public], 1)


@given(at=st.integers(min_value=0), byte=st.integers(0, 255))
def test_no_changed_byte_changes_what_is_believed(at: int, byte: int) -> None:
    """Whatever is done to an envelope's text, the signed statement comes out, or an error."""
    text = bytearray(json.dumps(sign(STATEMENT, ANN).document()).encode())
    text[at % len(text)] = byte
    try:
        found = verify(Envelope.parse(bytes(text)), [ANN.public], 1)
    except SignatureError:
        return
    assert found.statement == STATEMENT
