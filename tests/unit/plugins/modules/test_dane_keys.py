"""The keys of a host: what is made, kept for root alone, told to DNS, and thrown away."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.module_utils import _dnssec
from ansible_collections.postern.mail.plugins.modules.dane_keys import Action, Problem, describe, make_key

NAME = "mx.example.org"


class Host:
    def __init__(self, root: Path) -> None:
        self.directory = root / "dane"
        self.certificate = root / "certificate.pem"
        self.key = root / "key.pem"

    def serve(self, pem: bytes) -> None:
        self.key.write_bytes(pem)
        words = [
            "openssl",
            "req",
            "-x509",
            "-key",
            str(self.key),
            "-subj",
            f"/CN={NAME}",
            "-out",
            str(self.certificate),
        ]
        subprocess.run(words, capture_output=True, check=True)

    def act(self, name: str, *, check_mode: bool = False, **params: Any) -> tuple[Action, Any]:
        defaults: dict[str, Any] = {
            "directory": str(self.directory),
            "hostname": NAME,
            "ports": [25],
            "ttl": 60,
            "certificates": [{"pair": "main", "file": str(self.certificate)}],
            "visible": [],
        }
        action = Action(SimpleNamespace(params={**defaults, **params}, check_mode=check_mode))
        return action, action.run(name)[1]

    def files(self) -> dict[str, str]:
        return {
            path.name: oct(stat.S_IMODE(path.stat().st_mode))
            for path in self.directory.glob("*.*")
            if path.name != ".lock"
        }


@pytest.fixture
def host(tmp_path: Path) -> Host:
    found = Host(tmp_path)
    found.serve(make_key("ec:prime256v1"))
    return found


def by_status(there: Any) -> dict[str, str]:
    return {key.status: key.digest for key in there.keys}


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:prime256v1", "ec:secp384r1", "ed25519"])
def test_a_next_key_is_of_the_kind_in_use(host: Host, kind: str) -> None:
    host.serve(make_key(kind))
    _action, there = host.act("ensure")
    assert [(key.status, key.kind) for key in there.keys] == [("current", kind), ("next", kind)]


def test_a_second_run_changes_nothing(host: Host) -> None:
    first, __ = host.act("ensure")
    second, __ = host.act("ensure")
    assert (first.store.changed, second.store.changed) == (True, False)


def test_private_keys_are_for_root_alone(host: Host) -> None:
    _action, there = host.act("ensure")
    assert host.files() == {"state.json": "0o600", f"main-{by_status(there)['next'][:32]}.pem": "0o600"}
    assert stat.S_IMODE(host.directory.stat().st_mode) == 0o700


def test_a_dry_run_writes_nothing(host: Host) -> None:
    action, there = host.act("ensure", check_mode=True)
    assert action.store.changed
    assert not host.directory.exists()
    assert set(by_status(there)) == {"current", "next"}


def test_a_dry_run_on_a_bare_host_needs_no_certificate(host: Host) -> None:
    host.certificate.unlink()
    assert host.act("ensure", check_mode=True)[1].keys == ()
    with pytest.raises(Problem, match="cannot be read"):
        host.act("ensure")


def test_a_key_that_came_into_use_is_kept_once(host: Host) -> None:
    _action, before = host.act("ensure")
    waiting = by_status(before)["next"]
    host.serve((host.directory / f"main-{waiting[:32]}.pem").read_bytes())
    _action, after = host.act("ensure")
    assert by_status(after)["current"] == waiting
    assert by_status(after)["retiring"] == by_status(before)["current"]
    assert sorted(host.files()) == sorted(["state.json", f"main-{by_status(after)['next'][:32]}.pem"])


def test_reading_tells_what_is_served_now_and_writes_nothing(host: Host) -> None:
    host.act("ensure")
    kept = (host.directory / "state.json").read_text()
    pem = make_key("ec:prime256v1")
    host.serve(pem)
    action, there = host.act("read")
    public = subprocess.run(["openssl", "pkey", "-pubout"], input=pem, capture_output=True, check=True).stdout
    assert by_status(there)["current"] == describe(public)[0]
    assert (action.store.changed, (host.directory / "state.json").read_text()) == (False, kept)


def test_a_lost_key_is_replaced_by_another(host: Host) -> None:
    _action, before = host.act("ensure")
    (host.directory / f"main-{by_status(before)['next'][:32]}.pem").unlink()
    _action, after = host.act("ensure")
    assert by_status(after)["next"] != by_status(before)["next"]


def test_an_offered_key_is_published_until_it_is_in_use(host: Host) -> None:
    host.act("ensure")
    pem = make_key("ec:prime256v1")
    public = subprocess.run(["openssl", "pkey", "-pubout"], input=pem, capture_output=True, check=True).stdout
    digest, kind = describe(public)
    offers = host.directory / "offers.json"
    since = host.act("read")[0].now
    offers.write_text(json.dumps({digest: {"pair": "main", "kind": kind, "since": since, "seen": 0}}))
    action, there = host.act("see", visible=[digest])
    assert [(step["digest"], step["usable"], step["file"]) for step in action.steps(there, [])] == [(digest, False, "")]
    host.serve(pem)
    _action, after = host.act("ensure")
    assert by_status(after)["current"] == digest
    assert json.loads(offers.read_text()) == {}


@pytest.mark.parametrize(("file", "text"), [("state.json", "{"), ("state.json", "{}"), ("offers.json", '{"a": 1}')])
def test_damage_is_told_and_nothing_is_made_anew(host: Host, file: str, text: str) -> None:
    host.act("ensure")
    (host.directory / file).write_text(text)
    with pytest.raises(Problem, match=file):
        host.act("ensure")


def test_another_ttl_is_remembered_with_the_former(host: Host) -> None:
    assert host.act("ensure", ttl=3600)[1].lifetime.ttl == 3600
    action, there = host.act("ensure", ttl=60)
    assert (there.lifetime.ttl, there.lifetime.longest(action.now)) == (60, 3600)


def tlsa(*digests: str) -> tuple[bytes, ...]:
    return tuple(bytes([3, 1, 1]) + bytes.fromhex(digest) for digest in digests)


@pytest.mark.parametrize(
    ("records", "proved", "words"),
    [
        (["current", "next"], True, []),
        (["current"], True, ["the next key is not there yet"]),
        (["next"], True, ["the key in use is not in DNS, others are"]),
        ([], True, ["there is no record yet"]),
        ([], False, ["there is no record yet", "a zone that is not signed"]),
        (["current", "next"], False, ["is the zone signed?"]),
    ],
)
def test_what_dns_says_otherwise_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch, records: list[str], proved: bool, words: list[str]
) -> None:
    own = by_status(host.act("ensure")[1])
    answer = _dnssec.Answer(_dnssec.NOERROR, proved, tlsa(*(own[status] for status in records)))
    monkeypatch.setattr(_dnssec, "ask", lambda *__: answer)
    action, there = host.act("test")
    told = list(action.unpublished(there))
    assert len(told) == len(words)
    assert [word for word, text in zip(words, told, strict=True) if word not in text] == []


def test_records_that_nobody_keeps_any_more_are_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answers = [_dnssec.Answer(_dnssec.NOERROR, True, tlsa("ab" * 32)), _dnssec.Answer(_dnssec.NXDOMAIN, True)]

    def ask(_server: str, name: str, _kind: str) -> _dnssec.Answer:
        asked.append(name)
        return answers[len(asked) - 1]

    monkeypatch.setattr(_dnssec, "ask", ask)
    action, __ = host.act("left", certificates=[])
    assert (list(action.left()), asked) == ([], [])  # there never were any
    host.act("ensure")
    (told,) = action.left()
    assert told.startswith(f"_25._tcp.{NAME} has TLSA records")
    assert list(action.left()) == []  # they are gone
    assert asked == [f"_25._tcp.{NAME}"] * 2
