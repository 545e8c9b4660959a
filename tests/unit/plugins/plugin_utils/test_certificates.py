# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Certificates that must not reach a daemon, each told in words that lead to its mending."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._certificates import pair_faults
from ansible_collections.postern.mail.plugins.plugin_utils._own_certificates import Seen, mistakes
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from sample_certificates import CHAIN, CLIENT_AUTH, INTERMEDIATE, NAME, NOW, ROOT, Authority, key, key_pem, leaf

GOOD = leaf() + CHAIN
# Another authority that calls itself the same.
IMPOSTOR = Authority("Root", key("ec", "impostor")).sign("Intermediate", INTERMEDIATE.key, days=(-100, 900))
ENCRYPTED = key_pem(passphrase=b"secret")
TRADITIONAL = (
    key("rsa2048")
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"secret"),
    )
    .decode()
)


def told(certificate: str, key_text: str | None = None, now: datetime.datetime = NOW) -> list[str]:
    """Each fault as a word for what must change, a word for how bad it is, and the reason."""
    return [
        f"{fault.about} {'warning' if fault.warning else 'error'}: {fault.reason}"
        for fault in pair_faults(certificate, key_text, [NAME], now)
    ]


@pytest.mark.parametrize(
    ("certificate", "key_text", "expected"),
    [
        (GOOD, key_pem(), []),
        (GOOD, None, []),
        (f"Bag Attributes\n{GOOD}", f"some words\n{key_pem()}", []),
        (leaf(names=["*.example.org"]) + CHAIN, key_pem(), []),
        (leaf(names=["other.example.net", NAME.upper()]) + CHAIN, key_pem(), []),
        # Keys
        (GOOD, key_pem(owner="other"), ["key error: it is not the key of the certificate"]),
        (GOOD, "", ["key error: there is no private key in it"]),
        (GOOD, GOOD, ["key error: there is no private key in it"]),
        (GOOD, key_pem() * 2, ["key error: there are several private keys in it"]),
        (GOOD, ENCRYPTED, ["key error: it is protected by a passphrase"]),
        (GOOD, TRADITIONAL, ["key error: it is protected by a passphrase"]),
        (GOOD, key_pem().replace("M", "N", 1), ["key error: it cannot be read"]),
        # Texts that are none
        ("", key_pem(), ["certificate error: there is no certificate in it"]),
        (
            key_pem(),
            key_pem(owner="other"),
            ["certificate error: there is a private key in it"],
        ),
        (GOOD + key_pem(), key_pem(), ["certificate error: there is a private key in it"]),
        (GOOD.replace("MII", "MIX", 1), key_pem(), ["certificate error: certificate 1 of 2 cannot be read"]),
        (leaf()[:-40], key_pem(), ["certificate error: there is no certificate in it"]),
        # Dates
        (leaf(days=(-90, -1)) + CHAIN, None, ["certificate error: it has expired on 2027-01-14 08:00 UTC"]),
        (leaf(days=(1, 90)) + CHAIN, None, ["certificate error: it is not valid before 2027-01-16 08:00 UTC"]),
        (leaf(days=(-80, 10)) + CHAIN, None, ["certificate warning: it expires on 2027-01-25 08:00 UTC"]),
        (leaf(days=(-1, 6)) + CHAIN, None, []),  # for a week in all
        (
            leaf() + ROOT.sign("Intermediate", INTERMEDIATE.key, days=(-100, -1)),
            None,
            ["certificate error: number 2 of the chain (Intermediate) has expired on 2027-01-14 08:00 UTC"],
        ),
        # Names
        (
            leaf(names=["example.org", "*.mx.example.org"]) + CHAIN,
            None,
            [f"certificate error: it is not for {NAME}; it is for example.org, *.mx.example.org"],
        ),
        (leaf(names=["*.org"]) + CHAIN, None, [f"certificate error: it is not for {NAME}; it is for *.org"]),
        (leaf(names=[]) + CHAIN, None, ["certificate error: it has no alternative names"]),
        # The chain
        (leaf(), None, ["certificate warning: its chain is missing: clients that do not know Intermediate"]),
        (
            leaf() + ROOT.sign("Root", ROOT.key),
            None,
            ["certificate error: number 2 of the chain (Root) did not sign number 1"],
        ),
        (
            leaf() + IMPOSTOR + ROOT.sign("Root", ROOT.key, days=(-100, 900)),
            None,
            ["certificate error: the signature of number 2 is not by number 3 of the chain"],
        ),
        (
            CHAIN + leaf(),
            key_pem(),
            [
                "certificate error: the order is wrong: the certificate of the key is number 2",
                "certificate error: it has no alternative names",
                "certificate error: number 2 of the chain (mx.example.org) did not sign number 1",
            ],
        ),
        (
            Authority(NAME, key()).sign(NAME, key(), [NAME]),
            key_pem(),
            ["certificate warning: it is self-signed: no client can tell it from that of an impostor"],
        ),
        # Strength and use
        (leaf("rsa1024") + CHAIN, None, ["certificate error: its RSA key has 1024 bits: clients refuse it"]),
        (leaf("rsa2048") + CHAIN, None, ["certificate warning: its RSA key has 2048 bits"]),
        (leaf("p224") + CHAIN, None, ["certificate error: few clients know its curve, secp224r1"]),
        (leaf("ed25519") + CHAIN, None, ["certificate warning: its key is of EdDSA"]),
        (leaf(usage=CLIENT_AUTH) + CHAIN, None, ["certificate error: it may not be used by a server"]),
    ],
)
def test_faults(certificate: str, key_text: str | None, expected: list[str]) -> None:
    found = told(certificate, key_text)
    assert len(found) == len(expected), found
    assert [text for text, start in zip(found, expected, strict=True) if not text.startswith(start)] == []


def test_a_sha1_signature_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library signs with SHA-1 any more, so the certificate says that it was."""

    class Sha1:
        name = "sha1"

    loaded = x509.load_pem_x509_certificate

    class Old:
        def __init__(self, pem: bytes) -> None:
            self.real = loaded(pem)

        def __getattr__(self, name: str) -> Any:
            return Sha1 if name == "signature_hash_algorithm" else getattr(self.real, name)

    monkeypatch.setattr(x509, "load_pem_x509_certificate", Old)
    assert told(leaf())[0] == "certificate error: number 1 of the chain is signed with SHA1, which clients refuse"


def test_all_faults_are_told_at_once() -> None:
    found = told(leaf("rsa1024", names=["other.example"], days=(-90, -1)) + ROOT.sign("Root", ROOT.key), key_pem())
    assert len(found) == 5


SEEN = {
    "certificate": GOOD,
    "certificate_problem": "",
    "certificate_has_key": False,
    "key": "fits",
    "key_problem": "",
    "key_open": False,
}
PAIR = {"certificate": "/a.pem", "key": "/a.key", "certificate_variable": "file", "key_variable": "key_file"}


@pytest.mark.parametrize(
    ("looked", "expected"),
    [
        ({}, []),
        (
            {"certificate": "", "certificate_problem": "no such file or directory", "key": "unjudged"},
            ["file error /a.pem"],
        ),
        ({"key": "", "key_problem": "permission denied"}, ["key_file error /a.key"]),
        ({"key": "mismatch"}, ["key_file error /a.key"]),
        ({"key": "encrypted"}, ["key_file error /a.key"]),
        ({"key": "unreadable"}, ["key_file error /a.key"]),
        ({"key": "none"}, ["key_file error /a.key"]),
        ({"key_open": True}, ["key_file warning /a.key"]),
        ({"certificate_has_key": True}, ["file warning /a.pem"]),
        ({"certificate": ""}, ["file error /a.pem"]),
        (
            {"certificate": leaf(names=["other.example"]) + CHAIN, "key": "mismatch"},
            ["file error /a.pem", "key_file error /a.key"],
        ),
    ],
)
def test_files_on_a_host(looked: dict[str, Any], expected: list[str]) -> None:
    found = mistakes(Seen.of(PAIR, SEEN | looked), [NAME], NOW)
    assert [f"{each.variable} {each.severity} {each.value.strip(chr(34))}" for each in found] == expected
