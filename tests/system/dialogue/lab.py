# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The lab as the tests see it: `bin/lab json`, and commands run on its hosts."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from postern_lab.containers import container_name

from dialogue.agent import agent_of

BIN_LAB = Path(__file__).resolve().parents[3] / "bin" / "lab"

T = TypeVar("T")

# A limit ends a hang and claims no speed: a busy machine may take this many times as long as a quick one.
PATIENCE = 4

# A function of libc, its name and arguments from the command line.
_SYSCALL = """
import ctypes, os, sys
name, *words = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
if getattr(libc, name)(*[int(word) if word == "0" else word.encode() for word in words]) != 0:
    sys.exit(f"{name} {words}: {os.strerror(ctypes.get_errno())}")
"""


@dataclass(frozen=True)
class Account:
    """A mailbox with the password that its owner types."""

    address: str
    password: str
    aliases: tuple[str, ...]
    quota: str | None


@dataclass(frozen=True)
class Host:
    """A container of the lab. Equality and hash are those of its name."""

    lab: str = field(compare=False)
    name: str
    hostname: str = field(compare=False)
    address: str = field(compare=False)
    address6: str = field(compare=False)
    release: str = field(compare=False)
    ports: dict[str, int] = field(compare=False)

    @property
    def container(self) -> str:
        """Name of the container at the engine."""
        return container_name(self.lab, self.name)

    def __str__(self) -> str:
        return self.name

    @property
    def addresses(self) -> tuple[str, str]:
        """IPv4 and IPv6 address."""
        return self.address, self.address6

    def run(
        self, *command: str, data: bytes | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command on the host, with ``data`` on its standard input.

        Raises CalledProcessError when ``check`` is true and it fails, TimeoutExpired after ``timeout`` x PATIENCE.
        """
        done = agent_of(self.container).run(command, data, timeout * PATIENCE)
        if check and done.returncode != 0:
            print(f"[{self.name}] $ {' '.join(command)[:500]}\n{_words(done)}")
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done

    def output(self, *command: str, timeout: float = 60) -> str:
        """Standard output of a command that must succeed."""
        return self.run(*command, timeout=timeout).stdout.decode(errors="replace").strip()

    def shell(self, script: str, *, check: bool = True, timeout: float = 60) -> str:
        """Standard output of a shell script, by default one that must succeed."""
        done = self.run("bash", "-euc", script, check=check, timeout=timeout)
        return done.stdout.decode(errors="replace").strip()

    def mount_small(self, directory: str, size: str, mode: str, owner: str = "0:0") -> None:
        """Put a file system of its own, in memory, over a directory; minimal systems have no mount(8)."""
        uid, gid = owner.split(":")
        options = f"size={size},mode={mode},uid={uid},gid={gid}"
        self.run("python3", "-c", _SYSCALL, "mount", "small", directory, "tmpfs", "0", options)

    def unmount(self, directory: str) -> None:
        """Undo ``mount_small``; nothing is open there any more."""
        self.run("python3", "-c", _SYSCALL, "umount", directory)

    def wait_until(self, what: str, script: str, *, timeout: float = 30) -> float:
        """Seconds until the shell script succeeds; AssertionError when it never does."""
        return wait_for(f"{what} on {self.name}", lambda: self._succeeds(script), timeout=timeout)

    def _succeeds(self, script: str) -> bool:
        return self.run("bash", "-uc", script, check=False).returncode == 0


@dataclass(frozen=True)
class Server(Host):
    """A mail server under test: its two domains and who lives there."""

    domain: str = field(compare=False)
    second_domain: str = field(compare=False)
    accounts: dict[str, Account] = field(compare=False)

    def account(self, name: str) -> Account:
        """The account whose address begins with ``name``@."""
        return self.accounts[name]

    def address_of(self, name: str) -> str:
        """``name`` at the server's first domain."""
        return f"{name}@{self.domain}"


@dataclass(frozen=True)
class Lab:
    """Everything `bin/lab json` says; ``numbers`` are of tests/lab/README.md, each with its two addresses."""

    name: str
    dns: str
    nameservers: tuple[str, ...]
    numbers: dict[int, tuple[str, str]]
    mynetworks: tuple[str, ...]
    world: Host
    servers: tuple[Server, ...]

    @property
    def world_domain(self) -> str:
        """Mail domain of the outside host."""
        return self.world.hostname.partition(".")[2]


def load(name: str) -> Lab:
    """The running lab called ``name``. Raises RuntimeError with bin/lab's words when there is none."""
    facts = _ask(name, "json")
    hostvars = _ask(name, "inventory")["_meta"]["hostvars"]
    accounts = [
        Account(entry["address"], entry["password"], tuple(entry["aliases"]), entry.get("quota"))
        for entry in facts["accounts"]
    ]
    servers = [
        _server(name, entry, hostvars[entry["name"]]["mail_domains"], accounts)
        for entry in facts["hosts"]
        if entry["kind"] == "server"
    ]
    (world,) = [Host(**_host(name, entry)) for entry in facts["hosts"] if entry["kind"] == "world"]
    numbers = {int(number): (ipv4, ipv6) for number, (ipv4, ipv6) in facts["numbers"].items()}
    nameservers = tuple(facts["nameservers"])
    return Lab(name, facts["dns"], nameservers, numbers, tuple(facts["mynetworks"]), world, tuple(servers))


def _ask(name: str, question: str) -> Any:
    command = [str(BIN_LAB), "--lab", name, question]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def _host(lab: str, entry: dict[str, Any]) -> dict[str, Any]:
    keys = ("name", "hostname", "address", "address6", "release", "ports")
    return {"lab": lab, **{key: entry[key] for key in keys}}


def _server(lab: str, entry: dict[str, Any], domains: list[str], accounts: list[Account]) -> Server:
    domain, second = domains[:2]
    own = {a.address.partition("@")[0]: a for a in accounts if a.address.partition("@")[2] in (domain, second)}
    return Server(**_host(lab, entry), domain=domain, second_domain=second, accounts=own)


def wait_for(what: str, ready: Callable[[], T], *, timeout: float = 30, interval: float = 0.25) -> float:
    """Seconds until ``ready`` answers something true; AssertionError naming ``what`` after ``timeout`` x PATIENCE."""
    started = time.monotonic()
    while not ready():
        waited = time.monotonic() - started
        assert waited < timeout * PATIENCE, f"{what}: not within {timeout * PATIENCE} s"
        time.sleep(interval)
    return time.monotonic() - started


def insistently(server: Server, ready: Callable[[], T]) -> Callable[[], T]:
    """``ready``, and as long as it is not, the server tries deferred mail again at once, not in minutes.

    One ``postqueue -f`` is not enough: the last attempt may still be under way, or what was started not yet answer.
    """

    def ask() -> T:
        found = ready()
        if not found:
            server.run("postqueue", "-f", check=False)
        return found

    return ask


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    return (done.stdout + done.stderr).decode(errors="replace").strip()[-3000:]
