# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Connections from any of the addresses outside: good, listed, with a name that does not lead back.

The numbers are those of tests/lab/README.md. The test speaks, world only passes the bytes on.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess

from postern_lab.engine import find_engine
from postern_lab.zones import CLEAN, FORGED, GATEWAY, LISTED

from dialogue.clients import FRIEND
from dialogue.lab import Lab, Server
from dialogue.message import new_token, plain
from dialogue.smtp import Reply, Smtp

WORLD = 2

__all__ = ["CLEAN", "FORGED", "GATEWAY", "HELO", "LISTED", "WORLD", "connect", "deliver", "send_from"]

# A name for each that exists; only for CLEAN, GATEWAY and WORLD it is their own.
HELO = {
    GATEWAY: "gateway.world.example",
    WORLD: "mail.world.example",
    CLEAN: "clean.world.example",
    FORGED: "nowhere.world.example",
    LISTED: "clean.world.example",
}

# Standard input and output <-> a connection from the address that is asked for.
_BRIDGE = """
import os, select, socket, sys
source, address, port = sys.argv[1:]
link = socket.create_connection((address, int(port)), timeout=30, source_address=(source, 0))
link.settimeout(None)
while True:
    ready, _, _ = select.select([0, link], [], [])
    try:
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                break
            link.sendall(data)
        if link in ready:
            data = link.recv(65536)
            if not data:
                break
            os.write(1, data)
    except OSError:
        break
"""


class BridgedSmtp(Smtp):
    """A connection that world passes on; closing it ends the bridge."""

    def __init__(
        self, address: str, port: int, bridge: subprocess.Popen[bytes], connection: socket.socket, **options: bool
    ) -> None:
        self.bridge = bridge
        try:
            super().__init__(address, port, connection=connection, **options)
        except BaseException:
            self._end(connection)
            raise

    def close(self) -> None:
        self._end(self.socket)

    def _end(self, connection: socket.socket) -> None:
        connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.bridge.wait(5)
        self.bridge.kill()
        self.bridge.wait()


def connect(
    lab: Lab,
    server: Server,
    number: int,
    *,
    ipv6: bool = False,
    port: int = 0,
    timeout: float = 60,
    read_greeting: bool = True,
    quiet: bool = False,
) -> Smtp:
    """A connection to port 25 (or ``port``) from the address with ``number``; without ``read_greeting`` talk at once.

    The timeout is generous: postscreen lets strangers wait, and again for every word on a busy machine.
    """
    address, port = server.addresses[ipv6], port or server.ports["smtp"]
    if number == GATEWAY:
        return Smtp(address, port, timeout=timeout, read_greeting=read_greeting, quiet=quiet)
    ours, theirs = socket.socketpair()
    ours.settimeout(timeout)
    source = lab.numbers[number][ipv6] if number in lab.numbers else lab.world.addresses[ipv6]
    words = ["exec", "--interactive", lab.world.container, "python3", "-c", _BRIDGE, source, address, str(port)]
    bridge = subprocess.Popen(find_engine().command(*words), stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
    theirs.close()
    return BridgedSmtp(address, port, bridge, ours, read_greeting=read_greeting, quiet=quiet)


def send_from(
    lab: Lab,
    server: Server,
    number: int,
    recipient: str,
    message: bytes = b"",
    *,
    sender: str = FRIEND,
    helo: str = "",
    ipv6: bool = False,
) -> Reply:
    """One whole session; the first reply that is not what it should be (the greeting's too), or the final one."""
    with connect(lab, server, number, ipv6=ipv6) as client:
        reply = client.greeting
        if reply.code == 220:
            reply = client.ehlo(helo or HELO[number])
        if reply.code != 250:
            return reply
        return client.transaction(sender, recipient, message or plain(new_token(), sender, recipient))


def deliver(
    lab: Lab,
    server: Server,
    number: int,
    recipient: str,
    message: bytes = b"",
    *,
    sender: str = FRIEND,
    ipv6: bool = False,
    tries: int = 3,
) -> Reply:
    """As ``send_from``, like an MTA that comes again when it is told to (4xx, or a closed connection)."""
    for _ in range(tries):
        reply = send_from(lab, server, number, recipient, message, sender=sender, ipv6=ipv6)
        if not (reply.closed or 400 <= reply.code <= 499):
            break
    return reply
