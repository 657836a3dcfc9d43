from __future__ import annotations

import http.client
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.sandbox_process import SandboxProcess


def certificate(folder, *, expired: bool):
    """Write a self-signed certificate for 127.0.0.1 and its key as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    end = today + timedelta(days=-1 if expired else 1)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=2))
        .not_valid_after(end)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(built.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


@pytest.mark.parametrize("expired", [False, True])
def test_https_with_a_certificate_that_is_good_or_not(tmp_path, expired):
    pem, key = certificate(tmp_path, expired=expired)
    with SandboxProcess("--tls-certificate", str(pem), "--tls-key", str(key)) as sandbox:
        assert sandbox.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(pem))
        connection = http.client.HTTPSConnection("127.0.0.1", sandbox.port, context=context, timeout=10)
        if expired:
            with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
                connection.request("GET", "/sandbox/stats")
        else:
            connection.request("GET", "/sandbox/stats")
            assert connection.getresponse().status == 200
        connection.close()
