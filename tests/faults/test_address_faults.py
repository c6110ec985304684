"""An address at which nobody takes anything: the spans wait, and go to whoever is there later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from faults.scene import CALL, LONG_S, ON_THE_WIRE, Destination, Scene, until

pytestmark = [pytest.mark.timing, pytest.mark.slow]


def waits(scene: Scene, url: str, *, cause: str) -> None:
    """Have a victim take two calls for an address that fails, and end; the status names the cause for each."""
    with scene.victim(LANGSMITH_ENDPOINT=url, MEDAGENT_OTLP_ENDPOINT=url) as victim:
        told = victim.tell("calls", 2)
        assert victim.tell("written", LONG_S)["written"]
        assert [scene.names(trace_id) for trace_id in told["traces"]] == [CALL, CALL]
        until(lambda: scene.tried() == set(ON_THE_WIRE))
    failures = scene.status()["last_errors"]
    assert {name: failures[name]["code"] for name in ON_THE_WIRE} == dict.fromkeys(ON_THE_WIRE, cause)


def self_signed(directory: Path) -> Path:
    """A certificate for this host that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_name_that_nobody_knows(scene: Scene) -> None:
    """DNS has no such host; `medagent ship` with the right address delivers what the process left."""
    waits(scene, f"http://destination.medagent.invalid:{scene.destination.port}", cause="dns_failed")
    before = scene.accepted()
    assert scene.ship().code == 0
    scene.row("DNS failure (a .invalid host)", before, call="ended, whole", repeats=False)


def test_a_certificate_of_nobody(scene: Scene) -> None:
    """A self-signed certificate ends the handshake: not one request is made, and nothing that was accepted is lost."""
    directory = scene.directory / "tls"
    directory.mkdir()
    impostor = Destination(directory, certificate=self_signed(directory)).start()
    try:
        waits(scene, impostor.url, cause="tls_failed")
        assert impostor.requests() == []
    finally:
        impostor.close()
    before = scene.accepted()
    assert scene.ship().code == 0
    scene.row("TLS error (a self-signed certificate)", before, call="ended, whole", repeats=False)
