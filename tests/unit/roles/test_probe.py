"""The probe, against servers that answer well and servers that do not."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from programs import load_program

probe = load_program("mail/files/probe")

# (what the client sends, what the server answers); "" is said unasked, "<tls>" begins a handshake.
Script = list[tuple[str, str]]
SMTP: Script = [
    ("", "220 mx.example.org ESMTP"),
    ("EHLO probe.invalid", "250-mx.example.org\r\n250 AUTH PLAIN"),
    ("QUIT", "221 2.0.0 Bye"),
]
SMTP_STARTTLS: Script = [
    ("", "220 mx.example.org ESMTP"),
    ("EHLO probe.invalid", "250-mx.example.org\r\n250 STARTTLS"),
    ("STARTTLS", "220 2.0.0 Ready"),
    ("<tls>", ""),
    ("EHLO probe.invalid", "250-mx.example.org\r\n250 AUTH PLAIN"),
    ("QUIT", "221 2.0.0 Bye"),
]
IMAP: Script = [
    ("", "* OK ready"),
    ("p CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\np OK done"),
    ("p LOGOUT", "* BYE\r\np OK done"),
]
POP3: Script = [("", "+OK ready"), ("CAPA", "+OK\r\nUIDL\r\nSASL PLAIN\r\n."), ("QUIT", "+OK bye")]
SIEVE: Script = [
    ("", '"SIEVE" "fileinto"\r\nOK "ready"'),
    ("CAPABILITY", '"SASL" ""\r\nOK "done"'),
    ("LOGOUT", 'OK "bye"'),
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate of its own."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "pair.pem")


def make_certificate(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()) + certificate.public_bytes(pem))
    return path


def play(listener: socket.socket, script: Script, pair: Path | None) -> None:
    connection, _ = listener.accept()
    with connection:
        if script[0][0] == "<tls>":
            connection = encrypt(connection, pair)
            script = script[1:]
        reader = connection.makefile("rb")
        for heard, said in script:
            if heard == "<tls>":
                connection = encrypt(connection, pair)
                reader = connection.makefile("rb")
                continue
            if heard:
                line = reader.readline().decode().rstrip("\r\n")
                if line != heard:
                    return
            connection.sendall(said.encode() + b"\r\n")
        reader.readline()  # the client closes


def encrypt(connection: socket.socket, pair: Path | None) -> ssl.SSLSocket:
    assert pair is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context.wrap_socket(connection, server_side=True)


@contextmanager
def server(script: Script, pair: Path | None = None) -> Iterator[int]:
    """A server for one connection; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=play, args=(listener, script, pair), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["probe", *arguments])
    status: int = probe.main()
    return status


@pytest.mark.parametrize(
    ("service", "script"),
    [("smtp", SMTP), ("imap", IMAP), ("pop3", POP3), ("sieve", SIEVE)],
    ids=lambda value: str(value)[:5],
)
def test_a_service_that_works(service: str, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(script) as port:
        assert run(monkeypatch, service, "--port", str(port)) == 0


def test_a_load_balancer_says_who_its_client_is_before_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with server([("PROXY TCP4 127.0.0.1 127.0.0.1 25 25", SMTP[0][1]), *SMTP[1:]]) as port:
        assert run(monkeypatch, "smtp", "--port", str(port), "--proxy") == 0


def test_starttls_and_the_certificate(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(SMTP_STARTTLS, certificate) as port:
        wanted = ["--starttls", "--auth", "offered", "--certificate", str(certificate)]
        assert run(monkeypatch, "smtp", "--port", str(port), *wanted) == 0


def test_tls_from_the_first_octet(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server([("<tls>", ""), *IMAP], certificate) as port:
        assert run(monkeypatch, "imap", "--port", str(port), "--tls", "--certificate", str(certificate)) == 0


def test_another_certificate_is_a_failure(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_certificate(tmp_path / "other.pem")
    with server([("<tls>", ""), *IMAP], certificate) as port:
        assert run(monkeypatch, "imap", "--port", str(port), "--tls", "--certificate", str(other)) == 1
    assert "is not the first one in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "arguments", "complaint"),
    [
        ([("", "554 5.3.2 No service")], [], "expected '220', got '554 5.3.2 No service'"),
        ([("", "220 x"), ("EHLO probe.invalid", "421 4.3.0 later")], [], "EHLO: expected '250'"),
        (SMTP, ["--auth", "absent"], "AUTH should be absent"),
        (
            [("", "220 x"), ("EHLO probe.invalid", "250 x"), ("QUIT", "221 x")],
            ["--auth", "offered"],
            "AUTH should be offered",
        ),
        (
            [("", "220 x"), ("EHLO probe.invalid", "250 x"), ("STARTTLS", "454 4.7.0 no")],
            ["--starttls"],
            "STARTTLS: expected",
        ),
    ],
    ids=["no service", "put off", "auth where none should be", "no auth", "no tls"],
)
def test_what_is_wrong_is_said(
    script: Script,
    arguments: list[str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with server(script) as port:
        assert run(monkeypatch, "smtp", "--port", str(port), *arguments) == 1
    assert complaint in capsys.readouterr().err


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert run(monkeypatch, "smtp", "--port", str(port)) == 1
    assert f"probe smtp 127.0.0.1 port {port}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("service", "answer", "status"),
    [
        ("socket", b"", 0),
        ("auth", b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nDONE\n", 0),
        ("auth", b"VERSION\t1\t2\nDONE\n", 1),
        ("policy", b"action=DUNNO\n\n", 0),
        ("policy", b"error\n", 1),
        ("lmtp", b"220 mx\r\n250 mx\r\n221 bye\r\n", 0),
        ("lmtp", b"421 mx\r\n", 1),
        ("socketmap", b"9:NOTFOUND ,", 0),
        ("socketmap", b"9:OK secure,", 0),
        ("socketmap", b"10:TEMP later,", 1),
        ("socketmap", b"no netstring", 1),
    ],
)
def test_unix_sockets(
    service: str, answer: bytes, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def respond(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):  # who only looks whether somebody listens is gone at once
            connection.sendall(answer)
            while connection.recv(4096):
                pass

    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=respond, args=(listener,), daemon=True).start()
        assert run(monkeypatch, service, str(path)) == status


@pytest.mark.parametrize(
    ("answer", "arguments", "complaint"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage", [], ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage", ["--status", "404"], "expected status 404, got 200"),
        ("HTTP/1.1 301 Moved\r\nLocation: /b\r\n\r\n", [], "expected status 200, got 301"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nother", [], "is not what"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npage", [], "no answer of HTTP"),
        ("220 mx.example.org ESMTP", [], "no answer of HTTP"),
    ],
    ids=["as it should be", "another status", "redirection", "another page", "half a page", "no HTTP"],
)
@pytest.mark.parametrize("service", ["http", "https"])
def test_a_page(
    service: str,
    answer: str,
    arguments: list[str],
    complaint: str,
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "page"
    page.write_bytes(b"page")
    request = ["GET /a HTTP/1.1", "Host: www.example.org", "User-Agent: probe", "Connection: close", ""]
    wanted = ["--server-name", "www.example.org", "--path", "/a", "--body", str(page), *arguments]
    with page_server(request, answer, certificate if service == "https" else None) as port:
        status = run(monkeypatch, service, "--port", str(port), *wanted)
    assert status == (1 if complaint else 0)
    assert complaint in capsys.readouterr().err


@contextmanager
def page_server(request: list[str], answer: str, pair: Path | None) -> Iterator[int]:
    """Answers one request, if it is the expected one, and closes."""

    def respond(listener: socket.socket) -> None:
        connection, __ = listener.accept()
        with encrypt(connection, pair) if pair else connection as line:
            reader = line.makefile("rb")
            if [reader.readline().decode().rstrip("\r\n") for __ in request] == request:
                line.sendall(answer.encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=respond, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)
