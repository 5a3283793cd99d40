"""A certificate of a test's own, for 127.0.0.1, that nobody has reason to trust."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

_COMMAND = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server shows, and the file of the certificate; without openssl the test is skipped."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [openssl, *_COMMAND.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
