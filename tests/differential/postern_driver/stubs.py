# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What smtpd talks to, played from the data of a case: DNS, policy services, verify, SASL, and the system log."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

DnsData = Mapping[str, Mapping[str, Sequence[str]] | str]
QUEUE = Path("/var/spool/postfix")
_TTL = 60


class Log:
    """Listens on /dev/log and keeps the lines of each process."""

    _MARK = b"all before this"
    _LINE = re.compile(rb"<\d+>\S+ +\d+ [\d:]{8} ([^\[:]+)\[(\d+)\]: (.*)", re.DOTALL)

    def __init__(self) -> None:
        self._lines: dict[int, list[str]] = {}
        self._changed = threading.Condition()
        self.alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._dying: set[int] = set()
        Path("/dev/log").unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind("/dev/log")
        Path("/dev/log").chmod(0o666)
        self._marks = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._settled = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            line = self._socket.recv(65536)
            if line == self._MARK:
                with self._changed:
                    self._settled += 1
                    self._changed.notify_all()
            found = self._LINE.match(line)
            if found:
                with self._changed:
                    text = found.group(3).decode(errors="replace").rstrip("\n\0")
                    self._lines.setdefault(int(found.group(2)), []).append(text)
                    if text.startswith(("fatal: ", "panic: ")):
                        self._dying.add(int(found.group(2)))
                        os.eventfd_write(self.alarm, 1)
                    self._changed.notify_all()

    def settle(self) -> None:
        """Wait until all is read that was logged before: a process that has ended has nothing more to say."""
        wanted = self._settled + 1  # only one thread asks
        self._marks.sendto(self._MARK, "/dev/log")
        with self._changed:
            self._changed.wait_for(lambda: self._settled >= wanted, 60)

    def dying(self, pid: int) -> bool:
        """Whether the process has said its last word: Postfix then sleeps for a second. Resets the alarm."""
        with self._changed, contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.alarm)
        with self._changed:
            return pid in self._dying

    def connected(self, pid: int) -> bool:
        """Whether smtpd got as far as to a client, after it has ended."""
        self.settle()
        with self._changed:
            return any(line.startswith("connect from") for line in self._lines.get(pid, []))

    def take(self, pid: int) -> list[str]:
        """The lines of process ``pid`` so far. They are forgotten."""
        self.settle()
        with self._changed:
            lines = self._lines.pop(pid, [])
            self._dying.discard(pid)
            if len(self._lines) > 1000:  # other daemons' lines are of no use here
                self._lines.clear()
            return lines


class Dns:
    """A name server on 127.0.0.1 and ::1, port 53, that knows the case's names and no others."""

    def __init__(self) -> None:
        self.data: DnsData = {}
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 53))
        threading.Thread(target=self._listen, args=(udp,), daemon=True).start()
        Path("/etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")  # Debian's
        Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:1\n")

    def _listen(self, udp: socket.socket) -> None:
        while True:
            wire, peer = udp.recvfrom(4096)
            with contextlib.suppress(Exception):  # a query that cannot be read gets no answer, as anywhere
                udp.sendto(self.reply(wire), peer)

    def reply(self, wire: bytes) -> bytes:
        """The answer to a query, both in wire format."""
        query = dns.message.from_wire(wire)
        # In lower case, for names in the answer are compressed into it, and must have the case that the data give them.
        query.question[0].name = dns.name.from_text(query.question[0].name.to_text().lower())
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        question = query.question[0]
        name, rcode = question.name.to_text(omit_final_dot=True).lower(), dns.rcode.NXDOMAIN
        rdtype = dns.rdatatype.to_text(question.rdtype)
        for _hop in range(10):
            records = self.find(name)
            if isinstance(records, str):
                rcode = dns.rcode.SERVFAIL if records.upper() == "SERVFAIL" else dns.rcode.NXDOMAIN
                break
            if records is None:
                break
            rcode = dns.rcode.NOERROR
            values = records.get(rdtype)
            alias = records.get("CNAME")
            if values is None and alias and rdtype != "CNAME":
                target = alias if isinstance(alias, str) else alias[0]
                response.answer.append(_rrset(name, "CNAME", [target]))
                name, rcode = target.rstrip(".").lower(), dns.rcode.NXDOMAIN
                continue
            if values == "SERVFAIL":
                rcode = dns.rcode.SERVFAIL
            elif values:
                response.answer.append(_rrset(name, rdtype, [values] if isinstance(values, str) else list(values)))
            break
        response.set_rcode(rcode)
        return response.to_wire(max_size=65000, want_shuffle=False)

    def find(self, name: str) -> Mapping[str, Sequence[str]] | str | None:
        """Records of a name: its own, else the closest wildcard's. None: no such name."""
        data = {key.lower().rstrip("."): value for key, value in self.data.items()}
        if name in data:
            return data[name]
        labels = name.split(".")
        for start in range(1, len(labels)):
            wildcard = "*." + ".".join(labels[start:])
            if wildcard in data:
                return data[wildcard]
        # A name that only has names below it exists, without records (RFC 8020).
        return {} if any(key.endswith(f".{name}") for key in data if not key.startswith("*.")) else None


def _rrset(name: str, rdtype: str, values: Sequence[str]) -> dns.rrset.RRset:
    found = []
    for value in values:
        text = value
        if rdtype == "MX" and " " not in value.strip():
            text = f"10 {value}"
        if rdtype == "TXT" and not value.startswith('"'):
            text = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if rdtype in ("MX", "CNAME", "NS", "PTR"):
            text = text.rstrip(".") + "."
        rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(rdtype), text)
        found.append(rdata)
    return dns.rrset.from_rdata_list(dns.name.from_text(name), _TTL, found)


class Service:
    """A server on a socket that calls ``talk(reader, writer)`` for every connection until it is closed."""

    def __init__(self, family: socket.AddressFamily, address: str | tuple[str, int], talk: Talk) -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(ConnectionError, EOFError):
                    talk(self.rfile, self.wfile)

        class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
            address_family = family
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def server_bind(self) -> None:
                if isinstance(address, str):
                    Path(address).unlink(missing_ok=True)
                    Path(address).parent.mkdir(parents=True, exist_ok=True)
                    self.socket.bind(address)
                    os.chmod(address, 0o666)
                else:
                    super().server_bind()

        self._server = Server(address, Handler)  # type: ignore[arg-type]
        self._address = address
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        if isinstance(self._address, str):
            Path(self._address).unlink(missing_ok=True)


Talk = Callable[[socketserver.BufferedIOBase, socketserver.BufferedIOBase], None]  # type: ignore[name-defined]


def policy_service(endpoint: str, answer: str) -> Service:
    """A policy service (SMTPD_POLICY_README) on ``unix:path`` or ``inet:host:port`` with one answer to everything."""
    action = answer.removeprefix("action=")

    def talk(reader, writer) -> None:  # type: ignore[no-untyped-def]
        while True:
            while (line := reader.readline()) not in (b"\n", b""):
                pass
            if not line:
                return
            writer.write(f"action={action}\n\n".encode())

    kind, _colon, rest = endpoint.partition(":")
    if kind == "unix":
        return Service(socket.AF_UNIX, str(QUEUE / rest), talk)
    host, _colon, port = rest.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Service(family, (host if host not in ("", "localhost") else "127.0.0.1", int(port)), talk)


class Verify:
    """The address verification service, private/verify, with the case's answers."""

    # global/verify_clnt.h and deliver_request.h: status of the request 0; of the address 0 ok, 1 deferred, 2 bounced.
    _STATUS: Mapping[str, int] = {"ok": 0, "deferred": 1, "undeliverable": 2}

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        Service(socket.AF_UNIX, str(QUEUE / "private/verify"), self._talk)

    def _talk(self, reader, writer) -> None:  # type: ignore[no-untyped-def]
        writer.write(_attributes(protocol="address_verification_prrotocol"))  # so spelt in Postfix
        while request := _read_attributes(reader):
            word, _space, why = self.answers.get(request.get("address", ""), "ok").partition(" ")
            status = self._STATUS[word]
            writer.write(_attributes(status="0", recipient_status=str(status), reason=why or "250 2.1.5 OK"))


def _attributes(**pairs: str) -> bytes:
    return b"".join(f"{name}\0{value}\0".encode() for name, value in pairs.items()) + b"\0"


def _read_attributes(reader) -> dict[str, str]:  # type: ignore[no-untyped-def]
    pairs: dict[str, str] = {}
    while name := _read_string(reader):
        pairs[name] = _read_string(reader)
    return pairs


def _read_string(reader) -> str:  # type: ignore[no-untyped-def]
    text = b""
    while (byte := reader.read(1)) not in (b"", b"\0"):
        text += byte
    return text.decode(errors="replace")


def sasl_service() -> Service:
    """Dovecot's authentication server at private/auth, as far as announcing PLAIN and LOGIN."""

    def talk(reader, writer) -> None:  # type: ignore[no-untyped-def]
        writer.write(
            b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n"
            b"SPID\t1\nCUID\t1\nCOOKIE\t00000000000000000000000000000000\nDONE\n"
        )
        while reader.readline():
            pass

    return Service(socket.AF_UNIX, str(QUEUE / "private/auth"), talk)
