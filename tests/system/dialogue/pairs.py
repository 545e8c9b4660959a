# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Pairs of certificate and key on a server: made for a test, served for a while, and the former ones put back."""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sample_certificates import CHAIN, INTERMEDIATE, NOW, key, key_pem

from dialogue.lab import Server

SETTINGS = "/etc/postern/certificate.json"


def settings(server: Server) -> Any:
    """What the roles have written down of the certificate."""
    return json.loads(server.output("cat", SETTINGS))


def reloads(known: Any) -> list[list[str]]:
    """What lets each service take another certificate; guards serve none."""
    return [each["reload"] for each in known["consumers"] if each.get("reload")]


def certificate(names: Sequence[str], days: float, lifetime: float = 60, kind: str = "ec") -> str:
    """:param days: until it expires"""
    today = (datetime.datetime.now(datetime.UTC) - NOW) / datetime.timedelta(days=1)
    window = (today + days - lifetime, today + days)
    # The chain of a certificate for tests need not be old.
    return INTERMEDIATE.sign(names[0], key(kind), names, days=window) + CHAIN


def write(server: Server, path: str, text: str) -> None:
    """Into the file that is there, so that its owner and mode stay."""
    server.run("sh", "-c", 'cat >"$0"', path, data=text.encode())


@contextlib.contextmanager
def served(server: Server, names: Sequence[str], days: float) -> Iterator[None]:
    """Let the services serve another certificate."""
    known = settings(server)
    files = [known["main"]["certificate"], known["main"]["key"]]
    former = [server.run("cat", path).stdout.decode() for path in files]
    commands = reloads(known)
    try:
        for path, text in zip(files, (certificate(names, days), key_pem()), strict=True):
            write(server, path, text)
        for words in commands:
            server.run(*words)
        yield
    finally:
        for path, text in zip(files, former, strict=True):
            write(server, path, text)
        for words in commands:
            server.run(*words, check=False)
