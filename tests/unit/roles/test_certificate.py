"""The program that checks, installs and deploys certificates, against pairs of every sort and services that lie."""

from __future__ import annotations

import datetime
import io
import json
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from programs import load_program

program = load_program("mail/files/certificate")

NAME = "mx.example.org"
DAY = datetime.timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass
class Authority:
    """A root with an intermediate below it, as public authorities are made."""

    root: x509.Certificate
    issuer: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def issue(self, key: Key, names: tuple[str, ...] = (NAME,), begin: int = -1, end: int = 90) -> x509.Certificate:
        return sign(names[0], key, self.issuer.subject, self.key, names, begin, end)


def sign(
    common_name: str,
    key: Key,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    names: tuple[str, ...] = (),
    begin: int = -1,
    end: int = 90,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(common_name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begin * DAY)
        .not_valid_after(now + end * DAY)
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def pem(*certificates: x509.Certificate) -> str:
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)


def key_pem(key: Key, password: bytes = b"") -> str:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


@pytest.fixture(scope="module")
def authority() -> Authority:
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = sign("root", root_key, subject("root"), root_key, end=3000)
    return Authority(root, sign("issuer", key, root.subject, root_key, end=2000), key)


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Host:
    """Settings, a pair to bring, and services that serve what they read at their last reload."""

    def __init__(self, root: Path, authority: Authority) -> None:
        self.root = root
        self.directory = root / "ssl" / NAME
        self.served = root / "served"
        self.served.mkdir()
        (root / "roots.pem").write_text(pem(authority.root))
        self.probe = root / "probe"
        self.write_probe()
        self.settings = root / "settings.json"
        self.reload = ["cp", "-r", f"{self.directory}/.", str(self.served)]
        self.guard: list[str] = []
        self.write_settings()

    def write_probe(self, body: str = 'cmp -s "$SERVED/fullchain.pem" "$FILE"') -> None:
        """A probe whose words are as those of the real one; it knows the port by its number."""
        self.probe.write_text(
            "#!/bin/sh\n"
            f"SERVED={self.served}; FILE=\n"
            "for word; do\n"
            "case $previous in --certificate) FILE=$word;; --port) PORT=$word;; esac; previous=$word; done\n"
            '[ "$PORT" = 1 ] && { echo "connection refused" >&2; exit 1; }\n'
            '[ -z "$FILE" ] && exit 0\n'
            f'{body} || {{ echo "another certificate" >&2; exit 1; }}\n'
        )
        self.probe.chmod(0o755)

    def write_settings(self, port: int = 25, with_rsa: bool = False) -> None:
        pairs = {
            which: {"certificate": f"{self.directory}/fullchain{end}.pem", "key": f"{self.directory}/privkey{end}.pem"}
            for which, end in (("main", ""), ("rsa", "-rsa"))
        }
        ports = [
            {"port": 993, "protocol": "imap", "tls": "implicit"},
            {"port": port, "protocol": "smtp", "tls": "starttls"},
        ]
        consumers = [{"name": "postfix", "reload": self.reload, "ports": ports}]
        consumers += [{"name": "guard", "reload": [], "guard": self.guard}] if self.guard else []
        record = {"hostname": NAME, "with_rsa": with_rsa, "probe": str(self.probe), "consumers": consumers, **pairs}
        self.settings.write_text(json.dumps(record))

    def bring(self, certificates: str, key: str) -> list[str]:
        (self.root / "new.pem").write_text(certificates)
        (self.root / "new.key").write_text(key)
        return [str(self.root / "new.pem"), str(self.root / "new.key")]

    def live(self) -> dict[str, str]:
        return {file.name: file.read_text() for file in self.directory.iterdir()} if self.directory.exists() else {}

    def left_over(self) -> list[str]:
        return [path.name for path in (self.root / "ssl").iterdir() if path.name != NAME]


@pytest.fixture
def host(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(program, "PROOF_SECONDS", 0.0)
    monkeypatch.setitem(program.KEY_OPTIONS, "rsa", ["-newkey", "rsa:2048"])  # quick to make
    monkeypatch.setattr(program.syslog, "syslog", lambda *_words: None)
    return Host(tmp_path, authority)


def run(monkeypatch: pytest.MonkeyPatch, host: Host, command: str, *words: str) -> int:
    trust = (
        ["--roots", str(host.root / "roots.pem")] if command != "self-signed" and "--any-issuer" not in words else []
    )
    monkeypatch.setattr(sys, "argv", ["certificate", "--settings", str(host.settings), command, *words, *trust])
    status: int = program.main()
    return status


def test_a_good_pair(host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
    assert run(monkeypatch, host, "check", *files) == 0
    assert host.live() == {}


def test_every_mistake_is_told_at_once(
    host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    stale = authority.issue(key, ("other.example.org",), -20, -10)
    files = host.bring(pem(stale), key_pem(other))
    assert run(monkeypatch, host, "install", *files) == 1
    said = capsys.readouterr().err.splitlines()
    wanted = ["not that of the certificate", f"not for {NAME}", "expired on", "leads to no root"]
    assert len(said) == len(wanted)
    assert [word for word, line in zip(wanted, said, strict=True) if word not in line] == []
    assert host.live() == {}


@pytest.mark.parametrize(
    ("begin", "end", "words", "said"),
    [
        (1, 90, [], "is not valid before"),
        (-90, -1, [], "expired on"),
        (-1, 5, ["--days", "14"], "in less than 14 days"),
        (-1, 90, ["--name", NAME, "--name", "imap.example.org"], "it is not for imap.example.org"),
    ],
)
def test_dates_and_names(
    begin: int,
    end: int,
    words: list[str],
    said: str,
    host: Host,
    authority: Authority,
    key: Key,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = host.bring(pem(authority.issue(key, begin=begin, end=end), authority.issuer), key_pem(key))
    assert run(monkeypatch, host, "check", *files, *words) == 1
    assert said in capsys.readouterr().err


def test_chains(
    host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leaf, stranger = authority.issue(key), ec.generate_private_key(ec.SECP256R1())
    cases = {
        "leads to no root": [leaf],  # the intermediate is missing
        "certificate 1 is not signed by certificate 2": [leaf, authority.root, authority.issuer],
        "this machine trusts": [sign(NAME, stranger, subject(NAME), stranger, (NAME,))],  # self-signed
    }
    for said, certificates in cases.items():
        owner = stranger if len(certificates) == 1 and certificates[0] is not leaf else key
        files = host.bring(pem(*certificates), key_pem(owner))
        assert run(monkeypatch, host, "check", *files) == 1
        assert said in capsys.readouterr().err
    assert run(monkeypatch, host, "check", *host.bring(pem(leaf), key_pem(key)), "--any-issuer") == 0


@pytest.mark.parametrize(
    ("certificate", "key_text", "said"),
    [
        ("", None, "there is no certificate in it"),
        (None, "", "there is no key in it"),
        (None, "locked", "passphrase"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None, "it is no certificate"),
    ],
)
def test_files_that_are_not_what_they_should_be(
    certificate: str | None,
    key_text: str | None,
    said: str,
    host: Host,
    authority: Authority,
    key: Key,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good, own = pem(authority.issue(key), authority.issuer), key_pem(key)
    locked = key_pem(key, b"secret") if key_text == "locked" else key_text
    files = host.bring(good if certificate is None else certificate, own if locked is None else locked)
    assert run(monkeypatch, host, "check", *files) == 1
    assert said in capsys.readouterr().err


def test_install_is_whole_private_and_done_once(
    host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
    assert run(monkeypatch, host, "install", *files, "--pretend") == 0
    assert "installed" in capsys.readouterr().out and host.live() == {}
    assert run(monkeypatch, host, "install", *files) == 0
    assert "installed" in capsys.readouterr().out
    assert set(host.live()) == {"fullchain.pem", "privkey.pem"}
    assert stat.S_IMODE((host.directory / "privkey.pem").stat().st_mode) == 0o600
    assert run(monkeypatch, host, "install", *files) == 0
    assert capsys.readouterr().out == ""
    assert host.left_over() == []


def test_one_text_on_standard_input(
    host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = key_pem(key) + pem(authority.issue(key), authority.issuer)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert run(monkeypatch, host, "install", "-", "-") == 0
    assert host.live()["privkey.pem"] == key_pem(key)


def test_a_directory_with_files_of_others_is_left_alone(
    host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.directory.mkdir(parents=True)
    (host.directory / "another.key").write_text("mine")
    files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
    assert run(monkeypatch, host, "install", *files) == 1
    assert "another.key" in capsys.readouterr().err
    assert host.live() == {"another.key": "mine"}


def test_what_an_administrator_permits_stays(
    host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, host, "self-signed")
    (host.directory / "privkey.pem").chmod(0o644)
    files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
    assert run(monkeypatch, host, "install", *files) == 0
    assert stat.S_IMODE((host.directory / "privkey.pem").stat().st_mode) == 0o640


@pytest.mark.parametrize("command", ["install", "deploy"])
@pytest.mark.parametrize(("answer", "status"), [("exit 0", 0), ("echo not yet >&2; exit 1", 1)])
def test_a_guard_may_refuse_what_is_fit(
    command: str,
    answer: str,
    status: int,
    host: Host,
    authority: Authority,
    key: Key,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    host.guard = ["/bin/sh", "-c", f'test "$1" = main && grep -q BEGIN.CERT && {answer}', "guard"]
    host.write_settings()
    files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
    assert run(monkeypatch, host, command, *files) == status
    assert ("guard: not yet" in capsys.readouterr().err) is bool(status)
    assert bool(host.live()) is not bool(status)


class TestDeploy:
    def test_services_serve_it(
        self, host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(monkeypatch, host, "self-signed")
        files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
        assert run(monkeypatch, host, "deploy", *files) == 0
        assert (host.served / "fullchain.pem").read_text() == (host.root / "new.pem").read_text()

    def test_once_is_enough(
        self,
        host: Host,
        authority: Authority,
        key: Key,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
        run(monkeypatch, host, "deploy", *files)
        said = [capsys.readouterr().out]
        run(monkeypatch, host, "deploy", *files)
        said.append(capsys.readouterr().out)
        assert "is served at 993, 25" in said[0] and said[1] == ""

    def test_files_in_place_that_nobody_has_read_yet_are_read(
        self, host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
        assert run(monkeypatch, host, "install", *files) == 0
        assert run(monkeypatch, host, "deploy", *files) == 0
        assert (host.served / "fullchain.pem").read_text() == (host.root / "new.pem").read_text()

    @pytest.mark.parametrize("reload", [["true"], ["false"]], ids=["reload that does nothing", "reload that fails"])
    def test_the_former_pair_comes_back(
        self,
        reload: list[str],
        host: Host,
        authority: Authority,
        key: Key,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        run(monkeypatch, host, "self-signed")
        former = host.live()
        host.reload = reload
        host.write_settings()
        files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
        assert run(monkeypatch, host, "deploy", *files) == 1
        assert "the former certificate is in use again" in capsys.readouterr().err
        assert host.live() == former and host.left_over() == []

    def test_a_broken_pair_reaches_nobody(
        self, host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(monkeypatch, host, "self-signed")
        former = host.live()
        other = ec.generate_private_key(ec.SECP256R1())
        files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(other))
        assert run(monkeypatch, host, "deploy", *files) == 1
        assert host.live() == former and list(host.served.iterdir()) == []

    def test_a_service_that_was_down_before_is_told_and_stops_nobody(
        self,
        host: Host,
        authority: Authority,
        key: Key,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        host.write_settings(port=1)
        files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
        assert run(monkeypatch, host, "deploy", *files) == 3
        assert "port 1 answers nobody" in capsys.readouterr().err
        assert (host.served / "fullchain.pem").read_text() == (host.root / "new.pem").read_text()

    def test_the_rsa_pair_is_another_one(
        self, host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host.write_settings(with_rsa=True)
        host.write_probe('cmp -s "$SERVED/$(basename "$FILE")" "$FILE"')
        run(monkeypatch, host, "self-signed")
        main = host.live()["fullchain.pem"]
        second = rsa.generate_private_key(65537, 3072)
        files = host.bring(pem(authority.issue(second), authority.issuer), key_pem(second))
        assert run(monkeypatch, host, "deploy", *files, "--pair", "rsa") == 0
        assert host.live()["fullchain.pem"] == main
        assert host.live()["privkey-rsa.pem"] == key_pem(second)


class TestSelfSigned:
    def test_what_it_makes_stands_its_own_check(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        assert run(monkeypatch, host, "self-signed") == 0
        pair = [str(host.directory / name) for name in ("fullchain.pem", "privkey.pem")]
        assert run(monkeypatch, host, "check", *pair, "--any-issuer") == 0

    def test_once_is_enough(
        self, host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(monkeypatch, host, "self-signed")
        before = host.live()
        capsys.readouterr()
        assert run(monkeypatch, host, "self-signed") == 0
        assert (capsys.readouterr().out, host.live()) == ("", before)

    def test_rsa_asked_for_later(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        run(monkeypatch, host, "self-signed")
        host.write_settings(with_rsa=True)
        run(monkeypatch, host, "self-signed")
        kinds = {name: program.key_type(text) for name, text in host.live().items() if name.startswith("full")}
        assert kinds == {"fullchain.pem": "ecdsa", "fullchain-rsa.pem": "rsa"}

    def test_another_name(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        run(monkeypatch, host, "self-signed")
        before = host.live()
        host.settings.write_text(host.settings.read_text().replace(f'"hostname": "{NAME}"', '"hostname": "b.example"'))
        run(monkeypatch, host, "self-signed")
        assert program.covers(host.live()["fullchain.pem"], "b.example")
        # DNS may have its key.
        assert host.live()["privkey.pem"] == before["privkey.pem"]

    def test_a_guard_may_want_to_keep_the_key(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        host.guard = ["/bin/false"]
        host.write_settings()
        assert run(monkeypatch, host, "self-signed") == 0  # the first one: there is nothing to keep
        before = host.live()
        host.write_settings(with_rsa=True)
        assert run(monkeypatch, host, "self-signed") == 1
        assert host.live() == before

    def test_a_guard_that_is_not_there_yet_is_asked_nothing(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        host.guard = [str(host.root / "later")]
        host.write_settings()
        run(monkeypatch, host, "self-signed")
        host.write_settings(with_rsa=True)
        assert run(monkeypatch, host, "self-signed") == 0

    def test_a_real_one_is_never_replaced(
        self, host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Expired and for another name: still not ours to replace.
        old = pem(authority.issue(key, ("other.example.org",), -20, -10), authority.issuer)
        host.directory.mkdir(parents=True)
        (host.directory / "fullchain.pem").write_text(old)
        (host.directory / "privkey.pem").write_text(key_pem(key))
        assert run(monkeypatch, host, "self-signed") == 0
        assert host.live()["fullchain.pem"] == old

    def test_half_a_pair_is_a_mistake(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        host.directory.mkdir(parents=True)
        (host.directory / "fullchain.pem").write_text("mine")
        assert run(monkeypatch, host, "self-signed") == 1
        assert host.live() == {"fullchain.pem": "mine"}


def test_a_full_disk_changes_nothing(
    host: Host, authority: Authority, key: Key, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, host, "self-signed")
    former = host.live()

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(program, "write", full)
    files = host.bring(pem(authority.issue(key), authority.issuer), key_pem(key))
    assert run(monkeypatch, host, "deploy", *files) == 1
    assert "No space left" in capsys.readouterr().err
    assert host.live() == former and host.left_over() == []
