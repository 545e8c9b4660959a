# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Certificates as a client is shown them, and pairs of every sort to offer to a server."""

from __future__ import annotations

import datetime
import imaplib
import smtplib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dialogue.lab import Server, wait_for
from dialogue.smtp import TIMEOUT_SECONDS, tls_context

SERVICES = ("smtp", "submission", "submissions", "imaps")
_DAY = datetime.timedelta(days=1)


def shown(server: Server, service: str) -> x509.Certificate:
    """The certificate that a service of the server shows to a client."""
    port, context = server.ports[service], tls_context()
    if service == "imaps":
        with imaplib.IMAP4_SSL(server.address, port, ssl_context=context, timeout=TIMEOUT_SECONDS) as imap:
            return _peer(imap.sock)
    if service == "submissions":
        with smtplib.SMTP_SSL(server.address, port, timeout=TIMEOUT_SECONDS, context=context) as smtp:
            return _peer(smtp.sock)
    with smtplib.SMTP(server.address, port, timeout=TIMEOUT_SECONDS) as smtp:
        smtp.starttls(context=context)
        return _peer(smtp.sock)


def _peer(connection: Any) -> x509.Certificate:
    return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True))


def serials(server: Server) -> dict[str, int]:
    """Service -> serial number of what it shows."""
    return {service: shown(server, service).serial_number for service in SERVICES}


def settled(server: Server, *, within: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """Service -> serial number, once they are as wanted.

    For a moment after a reload, processes of before may still answer, or hang up.
    """

    def ready() -> bool:
        try:
            return within(serials(server))
        except (OSError, smtplib.SMTPException, imaplib.IMAP4.error):
            return False

    wait_for("the certificate that is wanted is served", ready)
    return serials(server)


def names(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(found.get_values_for_type(x509.DNSName))


def public_key(certificate: x509.Certificate) -> bytes:
    """What a TLSA record 3 1 1 is the digest of."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return certificate.public_key().public_bytes(serialization.Encoding.DER, form)


@dataclass(frozen=True)
class Pair:
    certificate: str
    key: str


class Authority:
    """An authority of the test's own, whose root is a PEM text."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root of a test")])
        self.root = _pem(self._sign(self._key, self._name, [], -1, 10))

    def pair(self, host_names: Sequence[str], key_text: str, *, begin: int = -1, end: int = 10) -> Pair:
        """A certificate for a key (PEM), valid between two days from now."""
        key = serialization.load_pem_private_key(key_text.encode(), None)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host_names[0])])
        certificate = self._sign(key, subject, host_names, begin, end)
        return Pair(_pem(certificate), key_text)

    def _sign(self, key: Any, subject: x509.Name, host_names: Sequence[str], begin: int, end: int) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now + begin * _DAY,
            not_valid_after=now + end * _DAY,
        ).add_extension(x509.BasicConstraints(ca=not host_names, path_length=None), critical=True)
        if host_names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in host_names])
            builder = builder.add_extension(alternatives, critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def new_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    form, locked = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, locked).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
