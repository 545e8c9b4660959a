"""What keeps certificates, with a certbot that is a few lines of shell."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from programs import load_program

program = load_program("certbot/files/certbot-lineages")

NAME = "mx.example.org"
SERVER = "https://acme.example.org/directory"
DAY = datetime.timedelta(days=1)
CONF = f"""# renew_before_expiry = 30 days
version = 4.0.0
cert = /etc/letsencrypt/live/{NAME}/cert.pem

# Options used in the renewal process
[renewalparams]
reuse_key = True
account = 0123
key_type = ecdsa
server = {SERVER}
authenticator = standalone
"""


def certificate(names: tuple[str, ...], days: int) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - 9 * DAY, now + days * DAY
        )
        .add_extension(alternatives, critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), text.decode()


class Host:
    """A machine with /etc/letsencrypt, certbot and the tool; both programs write down how they were called."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.calls = root / "calls"
        self.calls.touch()
        self.record: dict[str, Any] = {
            "lineages": [{"name": NAME, "pair": "main", "key_type": "ecdsa"}],
            "names": [NAME, "imap.example.org"],
            "server": SERVER,
            "email": "hostmaster@example.org",
            "reuse_key": True,
            "arguments": ["--standalone"],
            "renewal": {"authenticator": "standalone"},
            "account_options": "",
            "tool": str(root / "bin" / "tool"),
            "tool_settings": str(root / "tool.json"),
            "any_issuer": False,
            "administrator": "postmaster@example.org",
        }
        (root / "tool.json").write_text(
            json.dumps({"from": "certbot", "main": {"certificate": str(root / "served.pem")}})
        )
        (root / "bin").mkdir()
        self.write_program("certbot")
        self.write_program("tool")
        monkeypatch.setenv("PATH", f"{root / 'bin'}:/usr/bin:/bin")
        monkeypatch.setattr(program, "LETSENCRYPT", root / "letsencrypt")
        monkeypatch.setattr(program, "LOG", root / "log")
        monkeypatch.setattr(program, "CONTACT", root / "contact.json")

    def write_program(self, name: str, body: str = "") -> None:
        path = self.root / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{body}\n')
        path.chmod(0o755)

    def have(self, names: tuple[str, ...] = (NAME, "imap.example.org"), days: int = 60, conf: str = CONF) -> None:
        live, renewal = self.root / "letsencrypt/live" / NAME, self.root / "letsencrypt/renewal"
        live.mkdir(parents=True)
        renewal.mkdir(parents=True)
        text, key = certificate(names, days)
        (live / "fullchain.pem").write_text(text)
        (live / "privkey.pem").write_text(key)
        (renewal / f"{NAME}.conf").write_text(conf)

    def conf(self) -> str:
        return (self.root / "letsencrypt/renewal" / f"{NAME}.conf").read_text()

    def called(self, name: str) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if line.startswith(f"{name} ")]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


@pytest.fixture
def run(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    def run(command: str, **changes: Any) -> tuple[int, str]:
        settings = host.root / "settings.json"
        settings.write_text(json.dumps({**host.record, **changes}))
        monkeypatch.setattr(sys, "argv", ["certbot-lineages", "--settings", str(settings), command])
        capsys.readouterr()
        status: int = program.main()
        output = capsys.readouterr()
        return status, output.out + output.err

    return run


Run = Callable[..., tuple[int, str]]


def test_nothing_is_asked_for_while_all_is_well(host: Host, run: Run) -> None:
    host.have()
    assert run("plan") == (0, "")
    assert run("issue") == (0, "")
    assert host.called("certbot") == []


@pytest.mark.parametrize(
    ("names", "days", "conf", "why"),
    [
        ((NAME,), 60, CONF, "it lacks imap.example.org"),
        ((NAME, "imap.example.org", "old.example.org"), 60, CONF, "it is still for old.example.org"),
        ((NAME, "imap.example.org"), -1, CONF, "it has expired"),
        (
            (NAME, "imap.example.org"),
            60,
            CONF.replace(SERVER, "https://other.example/dir"),
            "it comes from https://other",
        ),
    ],
)
def test_why_the_authority_is_asked(
    names: tuple[str, ...], days: int, conf: str, why: str, host: Host, run: Run
) -> None:
    host.have(names, days, conf)
    assert why in run("plan")[1]
    assert host.called("certbot") == []
    assert run("issue")[0] == 0
    (call,) = host.called("certbot")
    assert f"--domain {NAME} --domain imap.example.org --force-renewal" in call and "--reuse-key" in call


def test_the_first_certificate(host: Host, run: Run) -> None:
    assert run("plan") == (0, f"{NAME}: ask {SERVER} for a certificate: there is none\n")


def test_another_type_of_key_needs_a_new_key(host: Host, run: Run) -> None:
    host.have()
    run("issue", lineages=[{"name": NAME, "pair": "main", "key_type": "rsa"}])
    (call,) = host.called("certbot")
    assert "--key-type rsa --rsa-key-size 3072" in call and "--new-key" in call


def test_a_refusal_is_told_in_the_words_of_certbot_and_what_there_is_stays_in_use(host: Host, run: Run) -> None:
    host.have((NAME,))
    host.write_program("certbot", 'echo "Saving debug log to x" >&2; echo "urn:ietf:params:acme:error:caa" >&2; exit 1')
    status, said = run("issue")
    assert status == 1
    assert "certbot says:\nurn:ietf:params:acme:error:caa" in said and "debug log" not in said
    assert len(host.called("tool")) == 1


def test_what_the_authority_answered_is_told_where_certbot_does_not(host: Host, run: Run) -> None:
    (host.root / "log").write_text("acme.messages.Error: of another day\n")
    line = "acme.messages.Error: urn:ietf:params:acme:error:caa :: forbidden"
    host.write_program("certbot", f"echo '{line}' >> {host.root}/log; echo AttributeError >&2; exit 1")
    said = run("issue")[1]
    assert "AttributeError\nurn:ietf:params:acme:error:caa :: forbidden" in said and "another day" not in said


def test_an_authority_that_was_made_anew_gets_a_new_account(host: Host, run: Run) -> None:
    host.have((NAME,))
    accounts = host.root / "letsencrypt/accounts/acme.example.org"
    (accounts / "directory/0123").mkdir(parents=True)
    host.write_program("certbot", f"[ -d {accounts}/directory ] || exit 0; echo accountDoesNotExist >&2; exit 1")
    assert run("issue")[0] == 0
    assert len(host.called("certbot")) == 2
    assert [path.name.partition(".forgotten")[0] for path in accounts.iterdir()] == ["directory"]


def test_a_change_of_the_challenge_asks_for_nothing(host: Host, run: Run) -> None:
    host.have(conf=f"{CONF}webroot_path = /old,\n[[webroot_map]]\n{NAME} = /old\n")
    renewal = {"authenticator": "dns-rfc2136", "dns_rfc2136_credentials": "/etc/c.ini"}
    assert run("issue", renewal=renewal)[0] == 0
    conf = host.conf()
    assert "authenticator = dns-rfc2136\n" in conf and "dns_rfc2136_credentials = /etc/c.ini\n" in conf
    assert "webroot" not in conf and "standalone" not in conf and conf.startswith("# renew_before_expiry")
    assert host.called("certbot") == []
    assert run("plan", renewal=renewal) == (0, "")


def test_the_key_is_kept_or_not_as_wanted(host: Host, run: Run) -> None:
    host.have(conf=CONF.replace("reuse_key = True\n", ""))
    assert run("plan")[1] == f"{NAME}: let certbot remember reuse_key\n"
    assert run("plan", reuse_key=False) == (0, "")


def test_a_contact_that_changed(host: Host, run: Run) -> None:
    host.have()
    account = host.root / "letsencrypt/accounts/acme.example.org/directory/0123"
    account.mkdir(parents=True)
    (account / "regr.json").touch()
    assert "the contact hostmaster@example.org" in run("plan")[1]
    assert run("issue")[0] == 0
    assert "update_account" in host.called("certbot")[0]
    assert run("plan") == (0, "")


def test_a_renewal_may_lack_a_name_that_was_never_served_and_no_other(host: Host, run: Run) -> None:
    host.have()
    (host.root / "served.pem").write_text(certificate((NAME, "imap.example.org"), 10)[0])
    run("deploy", names=[NAME, "imap.example.org", "new.example.org"])
    (call,) = host.called("tool")
    assert call.endswith(f"--pair main --name {NAME} --name imap.example.org")


def test_a_deployment_that_failed_is_a_failure(host: Host, run: Run) -> None:
    host.have()
    host.write_program("tool", 'echo "it expired" >&2; exit 1')
    assert run("deploy") == (1, "it expired\n")


def test_it_keeps_its_hands_off_when_certificates_come_from_elsewhere(host: Host, run: Run) -> None:
    host.have()
    (host.root / "tool.json").write_text(json.dumps({"from": "files"}))
    assert run("deploy") == (0, "")
    assert host.called("tool") == []


def test_a_failed_run_of_the_timer_is_mailed(host: Host, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write_program("sendmail", f"cat > {host.root}/mail")
    host.write_program("journalctl", "echo certbot says why")
    monkeypatch.setattr(program, "SENDMAIL", host.root / "bin/sendmail")
    monkeypatch.setenv("SERVICE_RESULT", "success")
    run("report")
    assert host.called("sendmail") == []
    monkeypatch.setenv("SERVICE_RESULT", "exit-code")
    assert run("report") == (0, "")
    mail = (host.root / "mail").read_text()
    assert "certbot says why" in mail and "Auto-Submitted: auto-generated" in mail
