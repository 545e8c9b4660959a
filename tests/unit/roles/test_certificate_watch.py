# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What certificate-watch says of the certificates that ports have served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from programs import load_program

watch = load_program("certificate_watch/files/certificate-watch")
DAY = watch.DAY
NOW = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
NAME = "mx.example.org"


def certificate(left: float, lifetime: float = 90, **settings: Any) -> Any:
    """:param left, lifetime: in days"""
    ends = NOW + left * DAY
    given = {"fingerprint": str(left), "covered": frozenset({NAME}), "names": NAME} | settings
    return watch.Certificate(begins=ends - lifetime * DAY, ends=ends, **given)


def answers(*served: Any, kinds: tuple[str, ...] = ("",)) -> list[Any]:
    """One answer a certificate, at ports 25, 465, 587, 993; text is the reason why there is none."""
    return [
        watch.Answer(watch.Port(port, "smtp"), kind, None, one)
        if isinstance(one, str)
        else watch.Answer(watch.Port(port, "smtp"), kind, one)
        for kind in kinds
        for port, one in zip((25, 465, 587, 993), served, strict=False)
    ]


FINE = certificate(60)
SHORT = {"lifetime": 6}


@pytest.mark.parametrize(
    ("served", "days", "expected"),
    [
        ([FINE, FINE], 14, []),
        ([certificate(14)], 14, []),
        ([certificate(13.9)], 14, [(1, "port 25: the certificate expires in 13 days, on 2027-01-29 05:36 UTC")]),
        ([certificate(60)], 90, [(1, "port 25: the certificate expires in 60 days, on 2027-03-16 08:00 UTC")]),
        ([certificate(4)], 14, [(2, "port 25: the certificate expires in 4 days, on 2027-01-19 08:00 UTC")]),
        ([certificate(0.5)], 14, [(2, "port 25: the certificate expires in 12 hours, on 2027-01-15 20:00 UTC")]),
        ([certificate(0.01)], 14, [(2, "port 25: the certificate expires in 14 minutes, on 2027-01-15 08:14 UTC")]),
        ([certificate(0)], 14, [(2, "port 25: the certificate has expired on 2027-01-15 08:00 UTC")]),
        ([certificate(-2)], 14, [(2, "port 25: the certificate has expired on 2027-01-13 08:00 UTC")]),
        ([certificate(91)], 14, [(2, "port 25: the certificate is not valid before 2027-01-16 08:00 UTC")]),
        # Renewed by itself at half-time, so that fourteen days would be an alarm for ever.
        ([certificate(3, **SHORT)], 14, []),
        ([certificate(1.4, **SHORT)], 14, [(1, "port 25: the certificate expires in 1 day, on 2027-01-16 17:36 UTC")]),
        ([certificate(3, 10)], 14, []),
        ([certificate(3, 10.1)], 14, [(2, "port 25: the certificate expires in 3 days, on 2027-01-18 08:00 UTC")]),
        ([certificate(6, 7)], 1, []),
        (
            [certificate(5, 7, self_signed=True)],
            14,
            [(1, "port 25: the certificate expires in 5 days, on 2027-01-20 08:00 UTC")],
        ),
        (
            [certificate(60, covered=frozenset(), names="a.example, b.example")] * 2,
            14,
            [(2, f"ports 25, 465: the certificate is not for {NAME}: it is for a.example, b.example")],
        ),
        (
            [certificate(60, covered=frozenset(), names="")],
            14,
            [(2, f"port 25: the certificate is not for {NAME}: it has no names at all")],
        ),
        ([FINE, "Connection refused"], 14, [(2, "port 465 serves none: Connection refused")]),
        (
            [FINE, FINE, certificate(40)],
            14,
            [
                (
                    1,
                    "not all ports serve the same certificate: "
                    "ports 25, 465 the one until 2027-03-16 08:00 UTC, port 587 the one until 2027-02-24 08:00 UTC",
                )
            ],
        ),
        (
            [certificate(10), "timed out", certificate(10)],
            14,
            [
                (2, "port 465 serves none: timed out"),
                (1, "ports 25, 587: the certificate expires in 10 days, on 2027-01-25 08:00 UTC"),
            ],
        ),
    ],
)
def test_what_is_found(served: list[Any], days: int, expected: list[tuple[int, str]]) -> None:
    found = watch.judge(answers(*served), [NAME], days, NOW)
    assert [(each.status, each.text) for each in found] == expected


RSA = certificate(61, key="rsaEncryption")
ECDSA = certificate(60, key="id-ecPublicKey")


@pytest.mark.parametrize(
    ("rsa", "ecdsa", "expected"),
    [
        ([RSA, RSA], [ECDSA, ECDSA], []),
        (["no cipher"], [ECDSA], ["port 25 serves none (asked for its RSA certificate): no cipher"]),
        (["refused"], ["refused"], ["port 25 serves none: refused"]),
        (
            [RSA, certificate(62, key="rsaEncryption")],
            [ECDSA, ECDSA],
            [
                "not all ports serve the same certificate: "
                "port 25 the one until 2027-03-17 08:00 UTC, port 465 the one until 2027-03-18 08:00 UTC"
            ],
        ),
    ],
)
def test_certificates_of_two_key_types_are_two(rsa: list[Any], ecdsa: list[Any], expected: list[str]) -> None:
    both = answers(*rsa, kinds=("rsa",)) + answers(*ecdsa, kinds=("ecdsa",))
    assert [finding.text for finding in watch.judge(both, [NAME], 14, NOW)] == expected


@pytest.mark.parametrize(
    ("served", "line"),
    [
        ([FINE, FINE], "CERTIFICATE OK - ports 25, 465: valid until 2027-03-16 08:00 UTC | days=60;14;4"),
        ([], "CERTIFICATE OK - nothing is served with TLS"),
        (
            [certificate(9)],
            "CERTIFICATE WARNING - port 25: the certificate expires in 9 days, on 2027-01-24 08:00 UTC | days=9;14;4",
        ),
        (["refused"], "CERTIFICATE CRITICAL - port 25 serves none: refused"),
    ],
)
def test_one_line_for_monitoring(served: list[Any], line: str) -> None:
    found = answers(*served)
    assert watch.summary(watch.judge(found, [NAME], 14, NOW), found, 14, NOW) == line


SERVED = {
    "hostname": NAME,
    "probe": "/nowhere/probe",
    "with_rsa": False,
    "consumers": [
        {"name": "a", "reload": ["true"], "ports": [{"port": 25, "protocol": "smtp", "tls": "starttls"}]},
        {"name": "b", "reload": ["true"], "rsa": False, "ports": [{"port": 993, "protocol": "imap", "address": "::1"}]},
        {"name": "c", "reload": ["true"]},
    ],
}
WATCHED = {"names": ["imap.example.org", NAME], "days": 14, "mail_to": "postmaster"}


def _settings(directory: Path, served: object, watched: object) -> Any:
    (directory / "served").write_text(json.dumps(served), encoding="utf-8")
    (directory / "watched").write_text(json.dumps(watched), encoding="utf-8")
    return watch.Settings.read(directory / "served", directory / "watched")


def test_settings_are_what_the_roles_wrote(tmp_path: Path) -> None:
    settings = _settings(tmp_path, SERVED, WATCHED)
    assert settings.names == [NAME, "imap.example.org"]
    assert settings.ports == [
        watch.Port(25, "smtp", "starttls", "127.0.0.1", False, "a", True),
        watch.Port(993, "imap", "implicit", "::1", False, "b", False),
    ]


@pytest.mark.parametrize(("served", "watched"), [({}, WATCHED), (SERVED, {}), ([], WATCHED), (SERVED, None)])
def test_settings_that_are_none_are_told(tmp_path: Path, served: object, watched: object) -> None:
    with pytest.raises(watch.WatchError):
        _settings(tmp_path, served, watched)


def test_mail_is_sent_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(tmp_path, SERVED, WATCHED)
    sent = tmp_path / "sent"
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\necho "$@" >>{sent}\ncat >>{sent}\n', encoding="utf-8")
    sendmail.chmod(0o755)
    monkeypatch.setattr(watch, "SENDMAIL", str(sendmail))
    findings = [watch.Finding(2, "port 25 serves none: refused")]
    for day in ("2027-01-15", "2027-01-15", "2027-01-16"):
        assert watch.send(settings, findings, tmp_path / "told", day) == ""
    text = sent.read_text(encoding="utf-8")
    assert text.count("Auto-Submitted: auto-generated") == 2
    assert text.count("- port 25 serves none: refused") == 2
    assert text.startswith("-i -f  -- postmaster\n")


def test_mail_that_cannot_be_sent_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SENDMAIL", "/bin/false")
    settings = _settings(tmp_path, SERVED, WATCHED)
    assert "no mail could be sent to postmaster" in watch.send(settings, [], tmp_path / "told", "2027-01-15")
    assert not (tmp_path / "told").exists()
