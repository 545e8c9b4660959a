# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""An SMTP client that can misbehave: bytes go out exactly as given, every line of the dialogue is noted."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dialogue.notes import note

# A limit that ends a hang; postscreen lets strangers wait, and a busy machine everybody.
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Reply:
    """An SMTP reply (RFC 5321 4.2); code 0 is a connection that was closed or reset instead of an answer."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines without their codes."""
        return "\n".join(line[4:] for line in self.lines)

    @property
    def enhanced(self) -> str:
        """Enhanced status code (RFC 3463) of the first line; empty when there is none."""
        found = re.match(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)", self.text)
        return found.group() if found else ""

    @property
    def closed(self) -> bool:
        return self.code == 0

    @property
    def rejected(self) -> bool:
        """A permanent refusal."""
        return 500 <= self.code <= 599

    def __str__(self) -> str:
        return " | ".join(self.lines) or "(connection closed)"


CLOSED = Reply(0, ())


class Smtp:
    """One connection. Use as a context manager; leaving it closes the socket without ceremony.

    ``connection``: a socket that leads there already.
    """

    def __init__(
        self,
        address: str,
        port: int = 25,
        *,
        connection: socket.socket | None = None,
        implicit_tls: bool = False,
        timeout: float = TIMEOUT_SECONDS,
        quiet: bool = False,
        read_greeting: bool = True,
    ) -> None:
        self.label = f"{address}]:{port}" if ":" in address else f"{address}:{port}"
        self.quiet = quiet
        self.extensions: dict[str, str] = {}
        self.socket: socket.socket = connection or socket.create_connection((address, port), timeout=timeout)
        if implicit_tls:
            self.socket = tls_context().wrap_socket(self.socket)
        self.buffer = b""
        self.greeting = self.read() if read_greeting else CLOSED

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def _note(self, who: str, text: bytes) -> None:
        if not self.quiet:
            shown = text if len(text) <= 300 else text[:200] + b"... (%d bytes)" % len(text)
            note(f"[{self.label}] {who} {shown!r}"[:600])

    def send(self, data: bytes) -> None:
        """Bytes as they are, in as few segments as the kernel makes of them."""
        self._note(">", data)
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as error:
            self._note("!", str(error).encode())

    def read_line(self) -> bytes | None:
        """One line without its end; None when the connection is closed. Raises TimeoutError."""
        while b"\n" not in self.buffer:
            try:
                chunk = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                chunk = b""
            if not chunk:
                self._note("<", b"(connection closed)")
                return None
            self.buffer += chunk
        line, _, self.buffer = self.buffer.partition(b"\n")
        line = line.rstrip(b"\r")
        self._note("<", line)
        return line

    def read(self) -> Reply:
        """The next reply. Raises TimeoutError when none comes in time, AssertionError when it is none."""
        lines: list[str] = []
        while True:
            raw = self.read_line()
            if raw is None:
                return CLOSED
            line = raw.decode("utf-8", "replace")
            assert re.match(r"\d{3}[ -]|\d{3}$", line), f"not an SMTP reply: {line!r}"
            lines.append(line)
            if line[3:4] != "-":
                return Reply(int(line[:3]), tuple(lines))

    def read_to_the_end(self) -> list[Reply]:
        """All replies until the server closes the connection."""
        replies = []
        while not (reply := self.read()).closed:
            replies.append(reply)
        return replies

    def say(self, line: str | bytes) -> Reply:
        """One command line and its reply."""
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.read()

    def ehlo(self, name: str) -> Reply:
        """EHLO; remembers the extensions offered, upper case keyword to its parameters."""
        reply = self.say(f"EHLO {name}")
        words = [line.partition(" ") for line in reply.text.split("\n")[1:]]
        self.extensions = {keyword.upper(): parameters for keyword, _, parameters in words}
        return reply

    def wrap(self) -> None:
        """The TLS handshake, after the server agreed to it."""
        self.socket = tls_context().wrap_socket(self.socket)
        self._note("=", str(self.socket.version()).encode() if isinstance(self.socket, ssl.SSLSocket) else b"")

    def starttls(self, name: str) -> Reply:
        """STARTTLS, the handshake, and EHLO again; the reply is the EHLO's."""
        reply = self.say("STARTTLS")
        assert reply.code == 220, reply
        self.wrap()
        return self.ehlo(name)

    def auth_plain(self, user: str | bytes, password: str | bytes) -> Reply:
        """AUTH PLAIN with an initial response (RFC 4616)."""
        user, password = _bytes(user), _bytes(password)
        return self.say(b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password))

    def auth_login(self, user: str, password: str) -> Reply:
        """AUTH LOGIN, the two prompts of old mail programs."""
        reply = self.say("AUTH LOGIN")
        for words in (user, password):
            if reply.code != 334:
                return reply
            reply = self.say(base64.b64encode(words.encode()))
        return reply

    def mail(self, sender: str, parameters: str = "") -> Reply:
        return self.say(f"MAIL FROM:<{sender}>{' ' if parameters else ''}{parameters}")

    def rcpt(self, recipient: str) -> Reply:
        return self.say(f"RCPT TO:<{recipient}>")

    def data(self, message: bytes) -> Reply:
        """DATA and the message, its lines ended by CRLF and its dots doubled; the reply is the final one."""
        reply = self.say("DATA")
        if reply.code != 354:
            return reply
        self.send(transparent(message) + b".\r\n")
        return self.read()

    def transaction(self, sender: str, recipients: str | Sequence[str], message: bytes) -> Reply:
        """MAIL, RCPT, DATA: the first reply that is not what it should be, or the final one."""
        reply = self.mail(sender)
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            if reply.code == 250:
                reply = self.rcpt(recipient)
        return self.data(message) if reply.code == 250 else reply


def tls_context() -> ssl.SSLContext:
    """A client that encrypts and believes every certificate; who serves which is asked elsewhere."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def transparent(message: bytes) -> bytes:
    """The message as it travels after DATA: CRLF line ends, leading dots doubled (RFC 5321 4.5.2)."""
    lines = re.split(rb"\r\n|\n", message)
    if lines[-1] == b"":
        lines.pop()
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)


def first_refusal(replies: Iterable[Reply]) -> Reply | None:
    """The first reply that is not a 2xx."""
    return next((reply for reply in replies if not 200 <= reply.code <= 299), None)


def elapsed(started: float) -> float:
    """Seconds since ``started`` (time.monotonic)."""
    return time.monotonic() - started


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
