"""The guard: no certificate comes into use whose key the world does not know, and no renewal is held up for nothing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from programs import load_program

guard = load_program("dane/files/guard")

TTL = 600
NAMES = ["_25._tcp.mx.example.org", "_465._tcp.mx.example.org"]


@dataclass
class Host:
    """A server with a state, and DNS with records."""

    root: Path
    certificate: bytes
    digest: str
    records: dict[str, list[bytes]] | str
    ports: tuple[int, ...] = (25, 465)

    def settings(self) -> Path:
        path = self.root / "settings.json"
        data: dict[str, Any] = {
            "hostname": "mx.example.org",
            "ports": self.ports,
            "ttl": TTL,
            "directory": str(self.root / "dane"),
        }
        data["certificates"] = {"main": str(self.root / "served.pem")}
        path.write_text(json.dumps(data))
        return path

    def state(self, status: str = "", seen: int = 0, digest: str = "", **lifetime: int) -> None:
        (self.root / "dane").mkdir(exist_ok=True)
        key = {"digest": digest or self.digest, "status": status, "seen": seen}
        data = {"lifetime": {"ttl": TTL, **lifetime}, "keys": [key] if status else []}
        (self.root / "dane/state.json").write_text(json.dumps(data))

    def offers(self) -> dict[str, Any]:
        path = self.root / "dane/offers.json"
        data: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return data


@pytest.fixture(scope="module")
def certificate() -> bytes:
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    made = subprocess.run([*words, "-subj", "/CN=mx", "-keyout", "/dev/null"], capture_output=True, check=True)
    return made.stdout


@pytest.fixture
def host(tmp_path: Path, certificate: bytes, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path, certificate, guard.describe(certificate)[0], {})

    def ask(_server: str, name: str) -> list[bytes]:
        if isinstance(found.records, str):
            raise guard.Refusal(found.records)
        return found.records.get(name, [])

    monkeypatch.setattr(guard, "ask", ask)
    return found


def judged(host: Host, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["guard", "--settings", str(host.settings()), "main"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(host.certificate)))
    status: int = guard.main()
    return status


def record(digest: str) -> bytes:
    return bytes([3, 1, 1]) + bytes.fromhex(digest)


STRANGER = record("ab" * 32)


@pytest.mark.parametrize("status", ["current", "retiring"])
def test_a_key_whose_record_is_there_asks_nobody(host: Host, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host.records = "DNS is down"
    host.state(status)
    assert judged(host, monkeypatch) == 0


def test_a_renewal_that_keeps_the_key_asks_nobody(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where what was known of keys is lost."""
    host.records = "DNS is down"
    (host.root / "served.pem").write_bytes(host.certificate)
    assert judged(host, monkeypatch) == 0


@pytest.mark.parametrize(
    ("age", "lifetime", "status"),
    [(2 * TTL + 1, {}, 0), (2 * TTL - 5, {}, 1), (2 * TTL + 1, {"former": 86400, "until": 4_000_000_000}, 1)],
)
def test_a_next_key_waits_two_lifetimes(
    host: Host, age: int, lifetime: dict[str, int], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.records = {key: [STRANGER] for key in NAMES}
    host.state("next", int(time.time()) - age, **lifetime)
    assert judged(host, monkeypatch) == status


def test_where_nobody_uses_dane_nothing_is_held_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(host, monkeypatch) == 0
    assert host.offers() == {}


def test_a_server_that_is_to_have_no_records_is_not_held_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.ports = ()
    host.state("current", 5, digest="cd" * 32)
    assert judged(host, monkeypatch) == 0


def test_records_that_were_seen_count_though_dns_says_there_are_none(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.state("current", 5, digest="cd" * 32)
    assert judged(host, monkeypatch) == 1
    assert "its key is not in DNS" in capsys.readouterr().err


@pytest.mark.parametrize(
    "records",
    [
        {key: [STRANGER] for key in NAMES},
        {NAMES[0]: [STRANGER]},
        "DNS does not say",
    ],
)
def test_an_unknown_key_is_refused(
    host: Host, records: dict[str, list[bytes]] | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.records = records
    assert judged(host, monkeypatch) == 1


def test_one_port_without_the_record_is_enough_to_refuse(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.records = {NAMES[0]: [record(host.digest)], NAMES[1]: [STRANGER]}
    assert judged(host, monkeypatch) == 1
    assert host.offers()[host.digest]["seen"] == 0


def test_it_is_offered_until_its_record_has_been_there_long_enough(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.records = {key: [STRANGER] for key in NAMES}
    assert judged(host, monkeypatch) == 1
    assert f"3 1 1 {host.digest}" in capsys.readouterr().err
    assert (host.offers()[host.digest]["pair"], host.offers()[host.digest]["kind"]) == ("main", "ec:prime256v1")
    host.records = {key: [STRANGER, record(host.digest)] for key in NAMES}
    assert judged(host, monkeypatch) == 1
    assert "until" in capsys.readouterr().err
    path = host.root / "dane/offers.json"
    path.write_text(json.dumps({host.digest: {**host.offers()[host.digest], "seen": int(time.time()) - 2 * TTL - 1}}))
    assert judged(host, monkeypatch) == 0


@pytest.mark.parametrize("damage", ["state", "certificate"])
def test_what_it_cannot_read_it_does_not_pass(host: Host, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if damage == "state":
        host.state("current")
        (host.root / "dane/state.json").write_text("{")
    else:
        host.certificate = b"none"
    assert judged(host, monkeypatch) == 1
