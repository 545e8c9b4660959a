# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""TLS handshakes made by openssl s_client in world, many in one command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from dialogue.lab import Host, Server

# Every suite that the library has, the worst ones too; without a configuration file that forbids them to the client.
EVERYTHING = "ALL:COMPLEMENTOFALL:eNULL:@SECLEVEL=0"

STARTTLS = {"smtp": "smtp", "submission": "smtp", "submissions": "", "imaps": "", "sieve": "sieve"}


@dataclass(frozen=True)
class Handshake:
    """What s_client printed."""

    text: str

    @property
    def version(self) -> str:
        """TLSv1.2, for example; empty when there was no agreement."""
        return self._agreed()[0]

    @property
    def suite(self) -> str:
        """OpenSSL's name of the cipher suite; empty when there was no agreement."""
        return self._agreed()[1]

    @property
    def made(self) -> bool:
        return bool(self.suite)

    @property
    def reached(self) -> bool:
        """The server was there and talked TLS, or refused to: not a connection that failed for another reason."""
        return "CONNECTED" in self.text and "Didn't find STARTTLS" not in self.text

    def _agreed(self) -> tuple[str, str]:
        found = re.search(r"^New, (\S+), Cipher is (\S+)$", self.text, re.MULTILINE)
        if not found or found.group(2) == "(NONE)":
            return "", ""
        # "New, SSLv3" is what OpenSSL says of old suites; the protocol proper is in the session.
        protocol = re.search(r"^\s*Protocol\s*: (\S+)$", self.text, re.MULTILINE)
        return (protocol.group(1) if protocol else found.group(1)), found.group(2)

    def __str__(self) -> str:
        return self.text


def shake(world: Host, server: Server, service: str, attempts: Mapping[str, str]) -> dict[str, Handshake]:
    """One handshake for each name -> further s_client arguments."""
    return run(world, f"{server.address}:{server.ports[service]}", STARTTLS[service], attempts)


def run(world: Host, target: str, starttls: str, attempts: Mapping[str, str]) -> dict[str, Handshake]:
    """As ``shake``, for any HOST:PORT."""
    upgrade = f"-starttls {starttls}" if starttls else ""
    lines = ["export OPENSSL_CONF=/dev/null"]
    for name, arguments in attempts.items():
        lines += [
            f"echo {shlex.quote(f'@@@ {name}')}",
            f"sleep 0.05 | timeout 60 openssl s_client -connect {target} {upgrade} {arguments} 2>&1 || true",
        ]
    output = world.shell("\n".join(lines), timeout=60 * len(attempts))
    parts = re.split(r"^@@@ (.+)$", output, flags=re.MULTILINE)[1:]
    return {name: Handshake(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def accepted_suites(world: Host, server: Server, service: str) -> set[str]:
    """Every TLS 1.2 suite the port agrees to: what it picks is struck off the offer until it picks nothing."""
    upgrade = f"-starttls {STARTTLS[service]}" if STARTTLS[service] else ""
    target = f"{server.address}:{server.ports[service]}"
    script = f"""
        export OPENSSL_CONF=/dev/null
        offer={shlex.quote(EVERYTHING)}
        for number in $(seq 40); do
            suite=$(sleep 0.05 | timeout 60 openssl s_client -tls1_2 -cipher "$offer" -connect {target} {upgrade} 2>&1 |
                sed -n 's/^New, .*, Cipher is //p')
            [ -n "$suite" ] || {{ echo "no answer"; exit 1; }}
            [ "$suite" != "(NONE)" ] || exit 0
            echo "$suite"
            offer="$offer:!$suite"
        done
        """
    return set(world.shell(script, timeout=600).split())
