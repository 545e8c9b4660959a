# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What each feature of the edge costs: accepted messages a second, as a ratio to Postfix without any of them.

One server of a laboratory gets all features; then each set of features is given to its Postfix in turn, round by round,
so that whatever else the machine does meanwhile is in all figures alike. Incoming mail is sent by smtp-source(1) in
world, one signed message in each session; outgoing mail by smtp-source on the server itself, in the name of its own
domain. Deliveries wait, so that the figure is that of acceptance.

Prints each figure as it is known and writes tests/output/bench-features.json. The ratios are the result; the messages a
second belong to the machine.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dkim

ROOT = Path(__file__).resolve().parents[2]
LAB = [str(ROOT / "bin/lab"), "--lab", "bench-features"]
OUTPUT = ROOT / "tests/output/bench-features.json"
SAVED = "/var/lib/bench-features"
MESSAGES = int(os.environ.get("MESSAGES", "300"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SESSIONS = 8
# Names of SETS beside plain Postfix, separated by commas; empty: all.
ONLY = [name for name in os.environ.get("ONLY", "").split(",") if name]

PLAIN = ["dovecot", "sasl", "postfix"]
CONTENT: dict[str, Any] = {
    "postfix_header_phrases": [{"header": "Subject", "phrase": "(광고)", "action": "REJECT", "text": "Advertisement"}],
    "postfix_attachment_names": [{"extensions": ["dangerous"], "action": "REJECT", "text": "No programs"}],
    "postfix_sender_access": [{"domain": "spammer.example", "action": "REJECT"}],
}
# Name -> features beside the plain ones, and further variables.
SETS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "plain Postfix": ([], {}),
    "access and content checks": ([], CONTENT),
    "postscreen": (["postscreen"], {}),
    "policyd_spf": (["policyd_spf"], {}),
    "header_guard": (["header_guard"], {}),
    "opendkim": (["opendkim"], {}),
    "opendmarc": (["opendmarc"], {}),
    "everything": (["postscreen", "policyd_spf", "header_guard", "opendkim", "opendmarc"], CONTENT),
}
OUTGOING = ("plain Postfix", "header_guard", "opendkim", "everything")

COMMON = {
    "postscreen_greet_wait": 2,
    "postscreen_dnsbl_sites": [{"domain": "dnsbl.example", "filter": "127.0.0.2", "weight": 1}],
    "postfix_client_connection_rate_limit": 0,
    "postfix_client_message_rate_limit": 0,
    "postfix_client_recipient_rate_limit": 0,
    # Accepted mail waits in the queue.
    "postfix_main_cf_extra": {"defer_transports": "lmtp smtp relay"},
}


def run(command: list[str], data: bytes | None = None) -> str:
    """Standard output; an exit status other than 0 ends the benchmark."""
    stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, **stdin)
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)[:300]} failed:\n{output[-4000:]}\n{done.stderr.decode(errors='replace')[-4000:]}")
    return output


def on(host: str, script: str, data: bytes | None = None) -> str:
    return run([*LAB, "exec", host, "--", "bash", "-euc", script], data)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prepare(name: str) -> None:
    """Let the role write the configuration for a set of features, and keep it."""
    features, variables = SETS[name]
    values = {**COMMON, **variables, "mail_features": [*features, *PLAIN]}
    tags = [] if name == "everything" else ["--tags", "postfix"]
    run([*LAB, "converge", *tags, "--extra-vars", json.dumps(values)])
    on("mx", f"mkdir -p {SAVED} && cp -a /etc/postfix '{SAVED}/{name}'")


def switch(name: str) -> None:
    """Give Postfix a configuration that was kept, and an empty queue."""
    on(
        "mx",
        f"""
        systemctl stop postfix.service
        rm -rf /etc/postfix && cp -a '{SAVED}/{name}' /etc/postfix
        postsuper -d ALL 2> /dev/null
        systemctl start postfix.service
        """,
    )


def measure(host: str, target: str, sender: str, recipient: str) -> float:
    """Messages a second that are accepted from ``host``, which has /tmp/message."""
    source = f"$(command -v smtp-source || echo /usr/sbin/smtp-source) -F /tmp/message -f {sender} -t {recipient}"
    on(host, f"{source} -m 10 -s 2 {target}")  # who comes for the first time waits
    words = on(host, f"TIMEFORMAT=%R; {{ time {source} -m {MESSAGES} -s {SESSIONS} {target}; }} 2>&1")
    seconds = re.fullmatch(r"\s*(\d+[.]\d+)\s*", words)
    if not seconds:
        sys.exit(f"smtp-source: {words[-2000:]}")
    return MESSAGES / float(seconds.group(1))


def message(sender: str, recipient: str) -> bytes:
    """Four kilobytes, like most mail."""
    lines = [f"From: <{sender}>", f"To: <{recipient}>", "Subject: bench", "Date: Sun, 22 Nov 2026 10:00:00 +0000"]
    lines += [
        "Message-ID: <bench@world.example>",
        "",
        *["The quick brown fox jumps over the lazy dog. " * 2] * 44,
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def write_messages(address: str) -> None:
    """A message of a stranger's, with a signature, in world; one of alice's on the server."""
    key = on("world", "cat /etc/lab/dkim/rsa2048.pem").encode()
    text = message("someone@signed.example", address)
    signed = dkim.sign(text, b"rsa2048", b"signed.example", key, canonicalize=(b"relaxed", b"simple")) + text
    on("world", "tr -d '\\r' > /tmp/message", signed)
    on("mx", "tr -d '\\r' > /tmp/message", message(address, "friend@world.example"))


def main() -> int:
    started = time.monotonic()
    say("A laboratory of one server ...")
    run([*LAB, "up"])
    server = next(host for host in json.loads(run([*LAB, "json"]))["hosts"] if host["kind"] == "server")
    address = f"alice@{server['hostname'].partition('.')[2]}"
    names = [name for name in SETS if not ONLY or name in ("plain Postfix", *ONLY)]
    # First what installs all that the others need.
    for name in ("everything", *(name for name in names if name != "everything")):
        say(f"Configuring {name} ...")
        prepare(name)
    write_messages(address)
    figures: dict[str, list[float]] = {}
    for number in range(1, ROUNDS + 1):
        for name in names:
            switch(name)
            measured = {f"in: {name}": measure("world", f"{server['address']}:25", "someone@signed.example", address)}
            if name in OUTGOING:
                measured[f"out: {name}"] = measure("mx", "127.0.0.1:25", address, "friend@world.example")
            for key, value in measured.items():
                figures.setdefault(key, []).append(value)
                say(f"  round {number}, {key}: {value:.0f}/s")
    report(figures)
    say(f"{time.monotonic() - started:.0f} s")
    run([*LAB, "down"])
    return 0


def report(figures: dict[str, list[float]]) -> None:
    """The table, and the same as JSON. A ratio is the median of those of the rounds."""
    result = {}
    print(f"{'accepted messages':34}{'a second':>9}{'ratio':>7}")
    for key, values in figures.items():
        plain = figures[f"{key.partition(':')[0]}: plain Postfix"]
        ratio = statistics.median(value / base for value, base in zip(values, plain, strict=True))
        result[key] = {"per_second": statistics.median(values), "ratio": ratio, "rounds": values}
        print(f"{key:34}{statistics.median(values):9.0f}{ratio:7.2f}")
    OUTPUT.parent.mkdir(exist_ok=True)
    document = {"messages": MESSAGES, "sessions": SESSIONS, "figures": result}
    OUTPUT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
