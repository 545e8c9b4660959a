# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""One smtpd process and what is said to it."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postern_driver.services import LIBEXEC
from postern_driver.stubs import Dns, Log

_SECONDS = 240.0
_DSN = re.compile(r"([245]\.\d{1,3}\.\d{1,3}) ?(.*)", re.DOTALL)
_MESSAGE = b"From: a@example.net\r\nSubject: test\r\n\r\ntest\r\n.\r\n"
# A session must be able to make more mistakes than a client on the network may.
_HARNESS = {
    "smtpd_authorized_xclient_hosts": "0.0.0.0/0, [::]/0",
    "smtpd_soft_error_limit": "100000",
    "smtpd_hard_error_limit": "100001",
    "smtpd_junk_command_limit": "100000",
}


class Closed(Exception):
    """smtpd ended the connection instead of answering."""


@dataclass(frozen=True)
class Reply:
    """A reply; of several lines the text of the first. ``last`` is the text of the last."""

    code: int
    dsn: str | None
    text: str

    def as_dict(self, stage: str, recipient: str | None = None) -> dict[str, Any]:
        return {"stage": stage, "recipient": recipient, "code": self.code, "dsn": self.dsn, "text": self.text}


def parse_reply(lines: list[str]) -> Reply:
    """Split a reply into code, enhanced status code, and text."""
    code, rest = int(lines[0][:3]), lines[0][4:]
    found = _DSN.fullmatch(rest)
    if found and found.group(1)[0] == lines[0][0]:
        return Reply(code, found.group(1), found.group(2))
    return Reply(code, None, rest)


class Smtpd:
    """``smtpd -S`` as user postfix: on pipes, or with ``client`` on a TCP connection from that address."""

    def __init__(self, overrides: Mapping[str, str], given: str, log: Log, client: str = "") -> None:
        self._log = log
        options = dict(overrides)
        for name, value in _HARNESS.items():
            if name not in overrides and not re.search(rf"^{name}\b", given, re.MULTILINE):
                options[name] = value
        arguments = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        self._sockets: list[socket.socket] = []
        self._address: list[str] = []
        theirs_in = theirs_out = subprocess.PIPE
        if client:
            theirs_in = theirs_out = self._connect(client)
        self.process = subprocess.Popen(
            [str(LIBEXEC / "smtpd"), "-S", *arguments],
            stdin=theirs_in,
            stdout=theirs_out,
            stderr=subprocess.DEVNULL,
            user="postfix",
            group="postfix",
            extra_groups=[],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"},
        )
        if client:
            os.close(theirs_in)
            self._read_from = self._write_to = self._sockets[0].fileno()
        else:
            assert self.process.stdin and self.process.stdout
            self._read_from, self._write_to = self.process.stdout.fileno(), self.process.stdin.fileno()
        self._pending = b""
        self._last = b""

    def _connect(self, client: str) -> int:
        """A TCP connection from ``client``; returns the server's end."""
        # For as long as it lasts: addresses of the host decide in which order getaddrinfo(3) gives others (RFC 6724).
        six = ":" in client
        self._address = [f"{client}/{128 if six else 32}", "dev", "lo", *(["nodad"] if six else [])]
        subprocess.run(["ip", "address", "add", *self._address], capture_output=True, check=False)
        family, here = (socket.AF_INET6, "::1") if six else (socket.AF_INET, "127.0.0.1")
        with socket.socket(family) as listener:
            listener.bind((here, 0))
            listener.listen(1)
            ours = socket.socket(family)
            ours.bind((client, 0))
            ours.connect(listener.getsockname()[:2])
            theirs, _peer = listener.accept()
        self._sockets.append(ours)
        return theirs.detach()

    def read(self) -> Reply:
        """The next reply. Raises Closed at the end of the connection."""
        lines: list[str] = []
        deadline = time.monotonic() + _SECONDS
        while not lines or lines[-1][3:4] == "-":
            line, newline, rest = self._pending.partition(b"\n")
            if newline:
                self._pending = rest
                lines.append(line.decode(errors="replace").rstrip("\r"))
                continue
            ready = select.select([self._read_from, self._log.alarm], [], [], max(0.0, deadline - time.monotonic()))[0]
            if not ready:
                raise TimeoutError(f"no reply to {self._last!r} after {_SECONDS} s")
            if self._read_from not in ready:
                if self._log.dying(self.process.pid):
                    raise Closed
                continue
            try:
                more = os.read(self._read_from, 65536)
            except ConnectionError as error:
                raise Closed from error
            if not more:
                raise Closed
            self._pending += more
        return parse_reply(lines)

    def say(self, command: str) -> Reply:
        """Send a command and read the reply."""
        return self.send(command.encode(errors="surrogateescape") + b"\r\n")

    def send(self, octets: bytes) -> Reply:
        """Send octets and read the reply."""
        self._last = octets
        try:
            os.write(self._write_to, octets)
        except OSError as error:  # EPIPE, ECONNRESET; a last reply may still be there
            with contextlib.suppress(Closed):
                return self.read()
            raise Closed from error
        return self.read()

    def over(self) -> bool:
        """Whether smtpd has hung up, after a reply that may be its last."""
        ready = select.select([self._read_from], [], [], 0.2)[0]
        if ready and not self._pending:
            with contextlib.suppress(ConnectionError):
                self._pending = os.read(self._read_from, 65536)
        return bool(ready) and not self._pending

    def end(self) -> int:
        """Close the connection and wait; returns the exit status, negative for a signal."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        for ours in self._sockets:
            ours.close()
        if self._address and self._address[0] not in ("127.0.0.1/32", "::1/128"):
            subprocess.run(["ip", "address", "del", *self._address[:3]], capture_output=True, check=False)
        if self._log.dying(self.process.pid):
            self.process.kill()
            self.process.wait()
            return 1  # what it would have come to
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def xclient(session: Mapping[str, Any]) -> str:
    """The XCLIENT command that makes the session's client."""
    addr = session["addr"]
    if isinstance(ipaddress.ip_address(addr), ipaddress.IPv6Address):
        addr = f"IPV6:{addr}"
    reverse = session["name"] if session.get("reverse") is None else session["reverse"]
    words = [f"ADDR={addr}", f"NAME={_name(session['name'])}", f"REVERSE_NAME={_name(reverse)}"]
    if session.get("login"):
        words.append(f"LOGIN={_xtext(session['login'])}")
    return "XCLIENT " + " ".join(words)


def _names(session: Mapping[str, Any], dns: Dns) -> dict[str, dict[str, list[str]]]:
    """Records that make the session's client have its names when it really connects."""
    address, name = ipaddress.ip_address(session["addr"]), session["name"]
    reverse = name if session.get("reverse") is None else session["reverse"]
    zone: dict[str, dict[str, list[str]]] = {}
    if reverse not in ("unknown", ""):
        zone[address.reverse_pointer] = {"PTR": [reverse]}
    if name not in ("unknown", "") and dns.find(name.lower()) is None:
        zone[name] = {"A" if address.version == 4 else "AAAA": [session["addr"]]}
    return zone


def _name(name: str) -> str:
    return "[UNAVAILABLE]" if name in ("unknown", "") else _xtext(name)


def _xtext(text: str) -> str:
    # RFC 3461, 4: "+" and "=" are written in hexadecimal.
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)


def commands(session: Mapping[str, Any]) -> list[tuple[str, str | None, str]]:
    """(stage, recipient, command) for everything after the greeting, but for the message itself."""
    said: list[tuple[str, str | None, str]] = []
    if session.get("helo") is not None:
        said.append(("HELO", None, f"{'EHLO' if session.get('ehlo', True) else 'HELO'} {session['helo']}"))
    rcpts, data = session.get("rcpts") or [], bool(session.get("data"))
    sender = session.get("sender")
    if sender is None and (rcpts or data):
        sender = ""
    if sender is not None:
        size = f" SIZE={session['size']}" if session.get("size") is not None else ""
        said.append(("MAIL", None, f"MAIL FROM:<{sender}>{size}"))
    said += [("RCPT", rcpt, f"RCPT TO:<{rcpt}>") for rcpt in rcpts]
    if data:
        said.append(("DATA", None, "DATA"))
    if session.get("vrfy") is not None:
        said.append(("VRFY", None, f"VRFY {session['vrfy']}"))
    if session.get("etrn") is not None:
        said.append(("ETRN", None, f"ETRN {session['etrn']}"))
    return said


class Conversation:
    """Holds sessions with one policy; a process is used again for as long as that changes nothing."""

    def __init__(self, overrides: Mapping[str, str], main_cf: str, log: Log, dns: Dns) -> None:
        self._overrides, self._main_cf, self._log, self._dns = overrides, main_cf, log, dns
        self._smtpd: Smtpd | None = None
        self._used = False

    def hold(self, session: Mapping[str, Any], *, fresh: bool) -> dict[str, Any]:
        """One session: stages in the order of the commands, and how the process ended if it did."""
        if fresh:
            self.close()
        stages: list[dict[str, Any]] = []
        stage, recipient = "CONNECT", None
        try:
            for stage, recipient, command in [("CONNECT", None, ""), *commands(session)]:
                reply = self._smtpd.say(command) if self._smtpd and command else self._greet(session)
                stages.append(reply.as_dict(stage, recipient))
                assert self._smtpd
                if reply.code in (421, 521) and self._smtpd.over():
                    self.close()
                    break
                if stage == "DATA" and reply.code == 354:
                    stage = "EOD"
                    reply = self._smtpd.send(_MESSAGE)
                    stages.append(reply.as_dict(stage))
                    if reply.code in (421, 521) and self._smtpd.over():
                        self.close()
                        break
            return {"fatal": False, "crash": False, "reason": "", "stages": stages}
        except Closed:
            return self._died(stages, stage, recipient)

    def _greet(self, session: Mapping[str, Any]) -> Reply:
        """The reply to the connection of the session's client."""
        command = xclient(session)
        self._used = self._smtpd is not None
        if self._smtpd:
            self._smtpd.say("RSET")  # XCLIENT is refused within a transaction
            reply = self._smtpd.say(command)
            if reply.code != 503:
                return reply
            self.close()
        self._smtpd = Smtpd(self._overrides, self._main_cf, self._log)
        try:
            if self._smtpd.read().code == 220:
                return self._smtpd.say(command)
        except Closed:
            if not self._log.connected(self._smtpd.process.pid):
                raise  # it does not start at all
        # smtpd_delay_reject=no judges the real client, here 127.0.0.1, before XCLIENT can be said.
        self.close()
        self._dns.data = {**self._dns.data, **_names(session, self._dns)}
        self._smtpd = Smtpd(self._overrides, self._main_cf, self._log, session["addr"])
        greeting = self._smtpd.read()
        return self._smtpd.say(command) if session.get("login") and greeting.code == 220 else greeting

    def _died(self, stages: list[dict[str, Any]], stage: str, recipient: str | None) -> dict[str, Any]:
        assert self._smtpd
        pid = self._smtpd.process.pid
        status = self._smtpd.end()
        self._smtpd = None
        lines = self._log.take(pid)
        fatal = [line for line in lines if line.startswith(("fatal", "panic"))]
        result: dict[str, Any] = {"fatal": False, "crash": False, "reason": "", "stages": stages, "log": lines}
        if status == 0 and not fatal:
            return result  # it said good-bye in an earlier reply
        # The line was taken with an earlier session's when the process is not new.
        connected = bool(stages) or self._used or any(line.startswith("connect from") for line in lines)
        if status < 0:
            reason = f"killed by {signal.Signals(-status).name}"
        else:
            reason = fatal[0].split(": ", 1)[1] if fatal else f"exit status {status}"
        result["reason"] = reason
        if connected:
            stages.append(Reply(0, None, "").as_dict(stage, recipient))
        result["crash"] = status < 0 or connected
        result["fatal"] = not result["crash"]
        return result

    def warnings(self) -> list[str]:
        """What smtpd logged since it was last asked."""
        return self._log.take(self._smtpd.process.pid) if self._smtpd else []

    def close(self) -> None:
        """End the process."""
        if self._smtpd:
            self._smtpd.end()
            self._smtpd = None
