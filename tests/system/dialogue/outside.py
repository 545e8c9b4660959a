# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Connections from any of the addresses outside: good, listed, with a name that does not lead back.

The numbers are those of tests/lab/README.md. The test speaks, world only passes the bytes on.
"""

from __future__ import annotations

import functools
import socket
import subprocess

from postern_lab.engine import find_engine
from postern_lab.zones import CLEAN, FORGED, GATEWAY, LISTED

from dialogue.clients import FRIEND
from dialogue.lab import Host, Lab, Server
from dialogue.message import new_token, plain
from dialogue.smtp import TIMEOUT_SECONDS, Reply, Smtp

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

# Whoever connects says in a line from which address to which port it wants to be connected. Ends with its input.
_BRIDGE = """
import os, select, socket, sys, threading
def serve(client):
    with client:
        line = word = client.recv(1)
        while word not in (b"", b"\\n"):
            word = client.recv(1)
            line += word
        source, address, port = line.decode().split()
        with socket.create_connection((address, int(port)), timeout=120, source_address=(source, 0)) as link:
            link.settimeout(None)
            ways = {client: link, link: client}
            while True:
                for one in select.select(ways, [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    ways[one].sendall(data)
def quietly(client):
    try:
        serve(client)
    except (OSError, ValueError):
        pass
def accept(listener):
    while True:
        threading.Thread(target=quietly, args=(listener.accept()[0],), daemon=True).start()
listener = socket.create_server((sys.argv[1], 0))
threading.Thread(target=accept, args=(listener,), daemon=True).start()
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


@functools.cache
def _bridge(world: Host) -> tuple[int, subprocess.Popen[bytes]]:
    """World's port where the bridge is, which lasts as long as this process."""
    words = ["exec", "--interactive", world.container, "python3", "-c", _BRIDGE, world.address]
    process = subprocess.Popen(find_engine().command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    return int(process.stdout.readline()), process


def connect(
    lab: Lab,
    server: Server,
    number: int,
    *,
    ipv6: bool = False,
    port: int = 0,
    timeout: float = 2 * TIMEOUT_SECONDS,
    read_greeting: bool = True,
    quiet: bool = False,
) -> Smtp:
    """A connection to port 25 (or ``port``) from the address with ``number``; without ``read_greeting`` talk at once.

    The timeout is generous: postscreen lets strangers wait, and again for every word on a busy machine.
    """
    address, port = server.addresses[ipv6], port or server.ports["smtp"]
    if number == GATEWAY:
        return Smtp(address, port, timeout=timeout, read_greeting=read_greeting, quiet=quiet)
    source = lab.numbers[number][ipv6] if number in lab.numbers else lab.world.addresses[ipv6]
    link = socket.create_connection((lab.world.address, _bridge(lab.world)[0]), timeout=timeout)
    link.sendall(f"{source} {address} {port}\n".encode())
    return Smtp(address, port, connection=link, read_greeting=read_greeting, quiet=quiet)


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
