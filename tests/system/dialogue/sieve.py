# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""A ManageSieve client (RFC 5804)."""

from __future__ import annotations

import base64
import socket
import ssl
from types import TracebackType
from typing import Self

from dialogue.lab import Account, Server
from dialogue.notes import note
from dialogue.smtp import TIMEOUT_SECONDS, tls_context


class ManageSieve:
    """One connection; ``capabilities`` are those announced last, upper case name to value."""

    def __init__(self, server: Server) -> None:
        self.label = f"{server.address}:{server.ports['sieve']}"
        self.socket: socket.socket = socket.create_connection(
            (server.address, server.ports["sieve"]), timeout=TIMEOUT_SECONDS
        )
        self.buffer = b""
        self.capabilities: dict[str, str] = {}
        self._learn(self.read())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        note(f"[{self.label}] > {data[:200]!r}")
        self.socket.sendall(data)

    def read(self) -> list[str]:
        """Lines up to and including OK, NO or BYE. Raises EOFError when the connection is closed before."""
        lines: list[str] = []
        while not lines or lines[-1].split(" ", 1)[0].upper() not in ("OK", "NO", "BYE"):
            while b"\r\n" not in self.buffer:
                chunk = self.socket.recv(65536)
                if not chunk:
                    raise EOFError(f"{self.label}: closed after {lines}")
                self.buffer += chunk
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            lines.append(line.decode("utf-8", "replace"))
            note(f"[{self.label}] < {lines[-1]!r}")
        return lines

    def say(self, command: str) -> str:
        """A command; the last line of its answer."""
        self.send(command.encode() + b"\r\n")
        return self.read()[-1]

    def _learn(self, lines: list[str]) -> None:
        words = [line.partition(" ") for line in lines[:-1]]
        self.capabilities = {name.strip('"').upper(): value.strip('"') for name, _, value in words}

    def wrap(self) -> None:
        """The handshake, and the capabilities that the server announces after it."""
        self.socket = tls_context().wrap_socket(self.socket)
        assert isinstance(self.socket, ssl.SSLSocket)
        self._learn(self.read())

    def starttls(self) -> None:
        answer = self.say("STARTTLS")
        assert answer.startswith("OK"), answer
        self.wrap()

    def login(self, account: Account) -> str:
        """AUTHENTICATE PLAIN; the answer."""
        secret = base64.b64encode(f"\0{account.address}\0{account.password}".encode()).decode()
        return self.say(f'AUTHENTICATE "PLAIN" "{secret}"')

    def put(self, name: str, script: str) -> str:
        """Upload a script and make it the active one; the answer that failed, or the last."""
        answer = self.say(f'PUTSCRIPT "{name}" {{{len(script.encode())}+}}\r\n{script}')
        return self.say(f'SETACTIVE "{name}"') if answer.startswith("OK") else answer

    def remove(self, name: str) -> str:
        """Deactivate and delete a script."""
        self.say('SETACTIVE ""')
        return self.say(f'DELETESCRIPT "{name}"')
