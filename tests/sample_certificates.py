# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Certificates of every kind, made for tests."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime(2027, 1, 15, 8, 0, tzinfo=datetime.UTC)
NAME = "mx.example.org"
_KINDS = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
}


def key(kind: str = "ec", owner: str = "") -> Any:
    """One key a kind and owner: making them takes time."""
    return _made(kind, owner)


@functools.cache
def _made(kind: str, owner: str) -> Any:
    return _KINDS[kind]()


def key_pem(kind: str = "ec", owner: str = "", passphrase: bytes = b"") -> str:
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return str(key(kind, owner).private_bytes(serialization.Encoding.PEM, form, protection).decode())


@dataclass(frozen=True)
class Authority:
    name: str
    key: Any

    @classmethod
    def named(cls, name: str) -> Authority:
        return cls(name, key("ec", name))

    def sign(
        self,
        subject: str,
        subject_key: Any,
        names: Sequence[str] = (),
        days: tuple[float, float] = (-10, 80),
        usage: x509.ObjectIdentifier | None = None,
        digest: Any = None,
    ) -> str:
        """:param days: first and last, from NOW"""
        begins, ends = (NOW + datetime.timedelta(days=each) for each in days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(self.name))
            .public_key(subject_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(not names, None), critical=True)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        signed = builder.sign(self.key, digest or hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


ROOT, INTERMEDIATE = Authority.named("Root"), Authority.named("Intermediate")
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
CHAIN = ROOT.sign("Intermediate", INTERMEDIATE.key, days=(-100, 900))


def leaf(kind: str = "ec", names: Sequence[str] = (NAME,), **settings: Any) -> str:
    return INTERMEDIATE.sign(NAME, key(kind), names, **settings)
