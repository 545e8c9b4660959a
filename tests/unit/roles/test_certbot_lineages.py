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
        monkeypatch.setattr(program, "STATE", root / "state")
        monkeypatch.setattr(program, "SETTINGS", root / "settings.json")
        monkeypatch.setattr(program, "PAUSE_SECONDS", 0.0)

    def write_program(self, name: str, body: str = "") -> None:
        path = self.root / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{body}\n')
        path.chmod(0o755)

    def have(
        self,
        names: tuple[str, ...] = (NAME, "imap.example.org"),
        days: int = 60,
        conf: str = CONF,
        *,
        lineage: str = NAME,
        root: str = "letsencrypt",
    ) -> None:
        """A certificate as certbot keeps it."""
        live, archive, renewal = (self.root / root / kind / lineage for kind in ("live", "archive", "renewal"))
        for directory in (live, archive, renewal.parent):
            directory.mkdir(parents=True, exist_ok=True)
        text, key = certificate(names, days)
        for kind, content in {"cert": text, "chain": "", "fullchain": text, "privkey": key}.items():
            (archive / f"{kind}1.pem").write_text(content)
            (live / f"{kind}.pem").symlink_to(f"../../archive/{lineage}/{kind}1.pem")
        renewal.with_name(f"{lineage}.conf").write_text(conf)

    def will_issue(self, names: tuple[str, ...] = (NAME, "imap.example.org")) -> str:
        """Shell: certbot finds a new certificate in this archive, when there is none of the name."""
        self.have(names, root="next")
        (self.root / "letsencrypt").mkdir(exist_ok=True)
        return f'[ "$2" != certonly ] || cp -a {self.root}/next/. {self.root}/letsencrypt'

    def conf(self, lineage: str = NAME) -> str:
        return (self.root / "letsencrypt/renewal" / f"{lineage}.conf").read_text()

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


def test_of_names_under_a_wildcard_the_wildcard_alone_is_asked_for(host: Host, run: Run) -> None:
    """Let's Encrypt refuses a request with both."""
    names = [NAME, "*.example.org", "a.b.example.org", "example.org"]
    host.have((NAME,))
    run("issue", names=names)
    (call,) = host.called("certbot")
    assert "--domain *.example.org --domain a.b.example.org --domain example.org --force" in call
    assert NAME not in call.partition("--domain")[2]


@pytest.mark.parametrize("present", [("*.example.org",), (NAME, "*.example.org")])
def test_a_wildcard_has_the_names_under_it(present: tuple[str, ...], host: Host, run: Run) -> None:
    host.have(present)
    assert run("plan", names=[NAME, "*.example.org"]) == (0, "")
    (host.root / "served.pem").write_text(certificate(present, 10)[0])
    run("deploy", names=[NAME, "*.example.org"])
    assert host.called("tool")[0].endswith(f"--name {NAME} --name *.example.org")


def broken(host: Host, what: str) -> None:
    live, conf = host.root / "letsencrypt/live" / NAME, host.root / f"letsencrypt/renewal/{NAME}.conf"
    if what == "killed":
        conf.write_text("")
    elif what == "a copy":
        for path in live.iterdir():
            text = path.read_text()
            path.unlink()
            path.write_text(text)
    elif what == "no settings":
        conf.unlink()
    elif what == "no links":
        for path in live.iterdir():
            path.unlink()
        live.rmdir()


@pytest.mark.parametrize("what", ["killed", "a copy", "no settings", "no links"])
def test_what_is_left_of_a_certificate_is_not_in_the_way_of_the_next(what: str, host: Host, run: Run) -> None:
    """certbot would ask for one, find the place taken, and ask for another one each time."""
    host.have()
    broken(host, what)
    host.write_program("certbot", host.will_issue())
    assert run("plan")[1].endswith("what is left of it cannot be renewed\n")
    status, said = run("issue")
    assert status == 0 and "what was left of it is in" in said, said
    assert run("issue") == (0, "")
    assert len([call for call in host.called("certbot") if "certonly" in call]) == 1
    kept = list((host.root / "letsencrypt/aside").glob(f"{NAME}-*/archive/privkey1.pem"))
    assert len(kept) == 1


def test_a_certificate_that_is_not_where_it_belongs_is_no_success(host: Host, run: Run) -> None:
    status, said = run("issue")
    assert status == 1 and f"live/{NAME} is not there as it makes it" in said


def test_another_certbot_is_waited_for_and_may_have_done_it(host: Host, run: Run) -> None:
    busy = "Another instance of Certbot is already running."
    body = f"[ -e {host.root}/over ] || {{ {host.will_issue()}; touch {host.root}/over; echo {busy} >&2; exit 1; }}"
    host.write_program("certbot", body)
    assert run("issue")[0] == 0
    assert len(host.called("certbot")) == 1


def test_another_certbot_that_does_not_end(host: Host, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "BUSY_SECONDS", 0.0)
    host.write_program("certbot", "echo Another instance of Certbot is already running. >&2; exit 1")
    status, said = run("issue")
    assert status == 1 and "certbot says:\nAnother instance" in said


@pytest.mark.parametrize(("failures", "calls", "status"), [(2, 3, 0), (3, 3, 1)])
def test_a_number_used_up_is_tried_again(failures: int, calls: int, status: int, host: Host, run: Run) -> None:
    count = f"$(wc -l < {host.calls})"
    host.write_program(
        "certbot",
        f"[ {count} -gt {failures} ] || {{ echo urn:ietf:params:acme:error:badNonce >&2; exit 1; }}\n"
        + host.will_issue(),
    )
    assert run("issue")[0] == status
    assert len(host.called("certbot")) == calls


OLD = "old.example.org"


def test_what_is_wanted_no_more_is_kept_and_not_renewed(host: Host, run: Run) -> None:
    """The second certificate without any memory, one of a former name of the server with it."""
    host.have()
    host.have(lineage=f"{NAME}-rsa")
    host.have(lineage=OLD)
    assert run("plan")[1] == f"{NAME}-rsa: let certbot renew it no more\n"
    assert run("issue")[0] == 0
    assert "autorenew = False\n" in host.conf(f"{NAME}-rsa") and "autorenew" not in host.conf(OLD)
    assert run("issue") == run("plan") == (0, "")
    program.remember("certbot-lineages.json", [OLD, "gone.example.org"])
    assert f"{OLD}: certbot renews it no more" in run("issue")[1]
    assert "autorenew = False\n" in host.conf(OLD) and "autorenew" not in host.conf()
    assert host.called("certbot") == []


def test_what_is_wanted_again_is_renewed_again(host: Host, run: Run) -> None:
    host.have(conf=f"{CONF}autorenew = False\n")
    assert run("issue")[1] == f"{NAME}: certbot remembers autorenew\n"
    assert "autorenew" not in host.conf()


def test_a_trial_with_other_settings_ends_nothing(host: Host, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    host.have()
    host.have(lineage=f"{NAME}-rsa")
    monkeypatch.setattr(program, "SETTINGS", host.root / "others.json")
    assert run("plan") == run("issue") == (0, "")
    assert "autorenew" not in host.conf(f"{NAME}-rsa")


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
