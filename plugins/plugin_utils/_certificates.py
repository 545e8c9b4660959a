# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a certificate is fit to be served, judged from its text alone: no trust store, no network."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
except ImportError:  # ansible-core requires it; only its sanity tests import this without
    pass

# Too few to mend anything if the renewal has failed.
SOON_DAYS = 14
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_WEAK_HASHES = {"md5", "sha1", "sha224"}
_CURVES = {"secp256r1", "secp384r1", "secp521r1"}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a pair.

    :param about: the file or variable that must change
    :param warning: clients can do with it
    """

    reason: str
    fix: str
    about: Literal["certificate", "key"] = "certificate"
    warning: bool = False


class _Unusable(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


def certificate_faults(text: str, names: Sequence[str], now: datetime.datetime) -> list[Fault]:
    """Faults of a certificate and its chain.

    :param text: PEM
    :param names: host names that it must have
    :param now: in UTC
    """
    return pair_faults(text, None, names, now)


def pair_faults(text: str, key_text: str | None, names: Sequence[str], now: datetime.datetime) -> list[Fault]:
    """Faults of a certificate, its chain and its key, all at once.

    :param key_text: PEM; None where it cannot be looked at from here
    """
    found: list[Fault] = []
    key: bytes | None = None
    if key_text is not None:
        try:
            key = _public_key(key_text)
        except _Unusable as error:
            found.append(error.fault)
    try:
        chain = _chain(text)
    except _Unusable as error:
        return [error.fault, *found]
    found += _key_faults(chain, key)
    found += _leaf_faults(chain[0], names, now)
    found += _chain_faults(chain, now)
    return found


# Reading


def _chain(text: str) -> list[x509.Certificate]:
    """:raises _Unusable: there is no certificate, or something that is none"""
    kinds = [match.group(1) for match in _BLOCK.finditer(text)]
    if any("PRIVATE KEY" in kind for kind in kinds):
        fix = "Take the key out of it: every daemon may read the certificate, and nobody the key"
        raise _Unusable(Fault("there is a private key in it", fix))
    blocks = [match.group(0) for match in _BLOCK.finditer(text) if match.group(1) == "CERTIFICATE"]
    if not blocks:
        held = f" (it holds {', '.join(dict.fromkeys(kinds))})" if kinds else ""
        fix = 'Give the server\'s certificate first, its chain after it, as PEM ("-----BEGIN CERTIFICATE-----")'
        raise _Unusable(Fault(f"there is no certificate in it{held}", fix))
    chain = []
    for number, block in enumerate(blocks, start=1):
        try:
            chain.append(x509.load_pem_x509_certificate(block.encode("utf-8")))
        except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
            which = f"certificate {number} of {len(blocks)}" if len(blocks) > 1 else "it"
            fix = "Copy it once more, whole: a line is missing or was changed"
            raise _Unusable(Fault(f"{which} cannot be read", fix)) from error
    return chain


def _public_key(text: str) -> bytes:
    """:raises _Unusable: there is no key, or one with a passphrase"""
    blocks = [match for match in _BLOCK.finditer(text) if match.group(1).endswith("PRIVATE KEY")]
    if not blocks:
        fix = 'Give the private key as PEM ("-----BEGIN PRIVATE KEY-----")'
        raise _Unusable(Fault("there is no private key in it", fix, "key"))
    if len(blocks) > 1:
        raise _Unusable(Fault("there are several private keys in it", "Give only that of the certificate", "key"))
    encrypted = Fault(
        "it is protected by a passphrase, which nobody is there to type when a daemon starts",
        "Write it without: openssl pkey -in key.pem -out key-without-passphrase.pem; the vault protects it here",
        "key",
    )
    if "ENCRYPTED" in blocks[0].group(0).partition("\n\n")[0]:
        raise _Unusable(encrypted)
    try:
        key = serialization.load_pem_private_key(blocks[0].group(0).encode("utf-8"), None)
    except TypeError as error:
        raise _Unusable(encrypted) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _Unusable(Fault("it cannot be read", "Copy it once more, whole", "key")) from error
    return _spki(key.public_key())


def _spki(key: object) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.DER, form))  # type: ignore[attr-defined]


def _own_key(certificate: x509.Certificate) -> bytes:
    try:
        return _spki(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return b""


# Judging


def _key_faults(chain: Sequence[x509.Certificate], key: bytes | None) -> Iterator[Fault]:
    if key is None or _own_key(chain[0]) == key:
        return
    for number, certificate in enumerate(chain[1:], start=2):
        if _own_key(certificate) == key:
            fix = "Put the server's certificate first, and after it the one that signed it"
            yield Fault(f"the order is wrong: the certificate of the key is number {number}", fix)
            return
    fix = f"Give the key of {_subject(chain[0])}, or the certificate that was made for this key"
    yield Fault("it is not the key of the certificate", fix, "key")


def _leaf_faults(leaf: x509.Certificate, names: Sequence[str], now: datetime.datetime) -> Iterator[Fault]:
    yield from _date_faults(leaf, "it", now)
    yield from _name_faults(leaf, names)
    yield from _strength_faults(leaf)
    usage = _extension(leaf, ExtensionOID.EXTENDED_KEY_USAGE)
    if isinstance(usage, x509.ExtendedKeyUsage) and not {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    } & set(usage):
        yield Fault("it may not be used by a server (its extended key usage)", "Ask for a certificate for TLS servers")


def _date_faults(certificate: x509.Certificate, which: str, now: datetime.datetime) -> Iterator[Fault]:
    begins, ends = _dates(certificate)
    if ends <= now:
        yield Fault(f"{which} has expired on {_day(ends)}", "Renew it")
    elif begins > now:
        fix = "Wait until then, or look at the clock of this machine"
        yield Fault(f"{which} is not valid before {_day(begins)}", fix)
    elif ends - now < datetime.timedelta(days=SOON_DAYS) < ends - begins:
        yield Fault(f"{which} expires on {_day(ends)}", "Renew it soon", warning=True)


def _dates(certificate: x509.Certificate) -> tuple[datetime.datetime, datetime.datetime]:
    if hasattr(certificate, "not_valid_after_utc"):  # cryptography 42
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    begins, ends = certificate.not_valid_before, certificate.not_valid_after
    return begins.replace(tzinfo=datetime.UTC), ends.replace(tzinfo=datetime.UTC)


def _day(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _name_faults(leaf: x509.Certificate, names: Sequence[str]) -> Iterator[Fault]:
    alternatives = _extension(leaf, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    own = []
    if isinstance(alternatives, x509.SubjectAlternativeName):
        own = [name.lower() for name in alternatives.get_values_for_type(x509.DNSName)]
    missing = [name for name in names if not any(_matches(pattern, name.lower()) for pattern in own)]
    if not missing:
        return
    if own:
        yield Fault(f"it is not for {', '.join(missing)}; it is for {_some(own)}", "Ask for one with this name in it")
    else:
        reason = "it has no alternative names, and clients do not look for names anywhere else (RFC 9525)"
        yield Fault(reason, f"Ask for one with {', '.join(missing)} among its alternative names")


def _matches(pattern: str, name: str) -> bool:
    """RFC 9525 6.3: a star is the whole leftmost label, and only one label."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:] and pattern.count(".") >= 2
    return pattern == name


def _strength_faults(leaf: x509.Certificate) -> Iterator[Fault]:
    try:
        key = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        yield Fault("its key is of a kind that nobody knows", "Take an ECDSA P-256 or RSA 3072 key")
        return
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < 2048:
            reason = f"its RSA key has {key.key_size} bits: clients refuse it"
            yield Fault(reason, "Take an ECDSA P-256 or RSA 3072 key")
        elif key.key_size < 3072:
            reason = f"its RSA key has {key.key_size} bits, which NCSC-NL (2025-05) wants phased out"
            yield Fault(reason, "Take an ECDSA P-256 or RSA 3072 key next time", warning=True)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            yield Fault(f"few clients know its curve, {key.curve.name}", "Take P-256")
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        reason = "its key is of EdDSA, which no public CA signs and many mail programs do not know"
        yield Fault(reason, "Take ECDSA P-256", warning=True)
    else:
        yield Fault("its key is neither RSA nor ECDSA", "Take an ECDSA P-256 or RSA 3072 key")


def _chain_faults(chain: Sequence[x509.Certificate], now: datetime.datetime) -> Iterator[Fault]:
    for number, (certificate, issuer) in enumerate(itertools.pairwise(chain), start=1):
        if certificate.issuer != issuer.subject:
            reason = f"number {number + 1} of the chain ({_subject(issuer)}) did not sign number {number}"
            fix = (
                f"Put there the certificate of {_name(certificate.issuer)}; each is followed by the one that signed it"
            )
            yield Fault(reason, fix)
        elif not _signed_by(certificate, issuer):
            reason = f"the signature of number {number} is not by number {number + 1} of the chain, only by its name"
            yield Fault(reason, "Get the chain once more from your CA: it changed its key")
        yield from _date_faults(issuer, f"number {number + 1} of the chain ({_subject(issuer)})", now)
    for number, certificate in enumerate(chain, start=1):
        if certificate.issuer == certificate.subject:
            continue  # nobody looks at a root's own signature
        name = certificate.signature_hash_algorithm.name if certificate.signature_hash_algorithm else ""
        if name in _WEAK_HASHES:
            reason = f"number {number} of the chain is signed with {name.upper()}, which clients refuse"
            yield Fault(reason, "Get one that is signed with SHA-256 or better")
    leaf = chain[0]
    if leaf.issuer == leaf.subject:
        reason = "it is self-signed: no client can tell it from that of an impostor"
        yield Fault(reason, "Only for tests; for others, let a CA sign it", warning=True)
    elif len(chain) == 1:
        reason = f"its chain is missing: clients that do not know {_name(leaf.issuer)} cannot verify it"
        yield Fault(reason, "Append the certificate that signed it (your CA calls it intermediate)", warning=True)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    verify = getattr(certificate, "verify_directly_issued_by", None)  # cryptography 40
    if verify is None:
        return True
    try:
        verify(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> object:
    try:
        return certificate.extensions.get_extension_for_oid(oid).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _subject(certificate: x509.Certificate) -> str:
    return _name(certificate.subject)


def _name(name: x509.Name) -> str:
    common = [str(each.value) for each in name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    text = common[0] if common else name.rfc4514_string()
    return "".join(char for char in text if char.isprintable())[:60] or "a CA without a name"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
