"""A server from nothing, and mail through it, shown step by step.

Every step proves what it shows: a step that fails ends the demonstration with its output and a non-zero status, so that
it serves as a test as well.
"""

from __future__ import annotations

import imaplib
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "bin/lab"
T = TypeVar("T")

WORLD_USER = "friend@world.example"
PATIENCE_SECONDS = 300


class DemoError(Exception):
    """A step did not show what it should."""


def title(number: int, text: str) -> None:
    print(f"\n\033[1m{number}. {text}\033[0m" if sys.stdout.isatty() else f"\n{number}. {text}", flush=True)


def show(text: str) -> None:
    print("\n".join(f"     {line}" for line in text.strip().splitlines()), flush=True)


def lab(*arguments: str) -> None:
    """Run bin/lab; its progress goes to the terminal."""
    if subprocess.run([LAB, *arguments], check=False).returncode != 0:
        raise DemoError(f"bin/lab {' '.join(arguments)} failed")


def in_world(*command: str, data: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LAB, "exec", "world", "--", *command], input=data, capture_output=True, text=True, check=False
    )


def swaks(*arguments: str) -> str:
    """A dialogue of the outside host; what the server answered is in it."""
    run = in_world("swaks", "--timeout", "30", *arguments)
    return run.stdout + run.stderr


def replies(dialogue: str, *wanted: str) -> str:
    """The lines of a dialogue that tell the story."""
    return "\n".join(line for line in dialogue.splitlines() if any(part in line for part in wanted))


def wait_for(what: str, attempt: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if (found := attempt()) is not None:
            return found
        time.sleep(0.5)
    raise DemoError(f"{what} did not arrive within {PATIENCE_SECONDS} s")


def fetch_by_imap(server: dict[str, Any], account: dict[str, Any], subject: str) -> EmailMessage | None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the laboratory's certificate is self-signed
    with imaplib.IMAP4_SSL(server["address"], server["ports"]["imaps"], ssl_context=context) as session:
        session.login(account["address"], account["password"])
        session.select("INBOX")
        _, (numbers,) = session.search(None, "SUBJECT", f'"{subject}"')
        if not numbers:
            return None
        _, parts = session.fetch(numbers.split()[-1], "(RFC822)")
        return message_from_bytes(parts[0][1], policy=policy.default)


def fetch_in_world(subject: str) -> str | None:
    found = in_world("grep", "-rlF", f"Subject: {subject}", "/var/mail/world").stdout.split()
    return in_world("cat", found[-1]).stdout if found else None


def hotel_address(world: str) -> str:
    """The address of world that has no name in the DNS."""
    return world.rpartition(".")[0] + ".66"


def head(message: str) -> str:
    return message.split("\n\n", 1)[0]


def receive(server: dict[str, Any], account: dict[str, Any], subject: str) -> None:
    dialogue = swaks(
        *["--server", server["hostname"], "--from", WORLD_USER, "--to", account["address"], "--tls"],
        *["--header", f"Subject: {subject}", "--body", "Good morning from the outside world."],
    )
    show(replies(dialogue, "=== TLS started", "RCPT TO", "250 2.1.5", "queued as"))
    if "queued as" not in dialogue:
        raise DemoError(f"the server did not take the message:\n{dialogue}")
    message = wait_for("the message", lambda: fetch_by_imap(server, account, subject))
    show(f"... and in {account['address']}'s mailbox, by IMAP:")
    fields = ("Received-SPF", "Authentication-Results", "From", "To", "Subject")
    lines = [f"{name}: {' '.join(value.split())}" for name in fields for value in message.get_all(name, [])]
    show("\n".join([*lines, message.get_content()]))


def submit(server: dict[str, Any], hotel: str, account: dict[str, Any], subject: str) -> None:
    dialogue = swaks(
        *["--local-interface", hotel],
        *["--server", server["hostname"], "--port", "587", "--tls", "--auth", "PLAIN", "--auth-hide-password"],
        *["--auth-user", account["address"], "--auth-password", account["password"], "--helo", "laptop.hotel.invalid"],
        *["--from", account["address"], "--to", WORLD_USER],
        *["--header", f"Subject: {subject}", "--body", "Thank you, it works."],
    )
    show(replies(dialogue, "=== TLS started", "235 ", "RCPT TO", "queued as"))
    if "queued as" not in dialogue:
        raise DemoError(f"the server did not take the message:\n{dialogue}")
    message = wait_for("the reply", lambda: fetch_in_world(subject))
    show(f"... and at {WORLD_USER}, signed, and nothing tells which hotel it came from:")
    fields = ("Received", "DKIM-Signature", "From", "To", "Subject")
    show("\n".join(line for line in head(message).splitlines() if line.startswith(fields)))
    if "hotel" in message:
        raise DemoError(f"the client's name left with the message:\n{message}")


def refuse_relaying(server: dict[str, Any]) -> None:
    dialogue = swaks(
        *[
            "--server",
            server["hostname"],
            "--from",
            WORLD_USER,
            "--to",
            "victim@elsewhere.example",
            "--quit-after",
            "RCPT",
        ]
    )
    show(replies(dialogue, "MAIL FROM", "RCPT TO", "554 "))
    if "554 5.7.1" not in dialogue:
        raise DemoError(f"the server did not refuse:\n{dialogue}")


def summary(server: dict[str, Any], account: dict[str, Any], seconds: float) -> None:
    print(f"""
Everything above happened on a real server, made in {seconds:.0f} s:

  {server["hostname"]} (Debian {server["release"]}), {server["address"]} and {server["address6"]}
  {account["address"]}, password {account["password"]}

Look at it:
  bin/lab exec {server["name"]} -- postconf -n        the configuration of Postfix
  bin/lab exec {server["name"]} -- doveconf -n        the configuration of Dovecot
  bin/lab exec {server["name"]} -- journalctl -f      what it does
  bin/lab converge --check --diff          a second run: nothing changes
  bin/lab status, bin/lab down             what is up; remove it all

Your own server: write a short inventory, then `ansible-playbook -i inventory.yml postern.mail.site`.
README.md has it under "A real server".""")


def main() -> int:
    begin = time.monotonic()
    token = f"{time.time_ns():x}"
    try:
        title(1, "A laboratory: one bare Debian machine, and a world around it")
        lab("up")
        title(2, "site.yml makes a mail server of it")
        lab("converge")
        made = time.monotonic() - begin
        facts = json.loads(subprocess.run([LAB, "json"], capture_output=True, check=True).stdout)
        (server,) = (host for host in facts["hosts"] if host["kind"] == "server")
        account = facts["accounts"][0]
        title(3, f"A stranger writes to {account['address']}")
        receive(server, account, f"Good morning {token}")
        title(4, "Alice answers from a hotel: no reverse DNS, a silly HELO, but her password")
        submit(server, hotel_address(facts["dns"]), account, f"Re: Good morning {token}")
        title(5, "A stranger tries to relay")
        refuse_relaying(server)
    except DemoError as error:
        print(f"\nThe demonstration failed: {error}", file=sys.stderr)
        return 1
    summary(server, account, made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
