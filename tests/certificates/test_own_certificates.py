# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Certificates of one's own: the inventory's are served at once; bad ones on hosts stop the run before any change."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence

import pytest
from dialogue import playbooks
from dialogue.lab import Lab, Server, wait_for
from dialogue.pairs import SETTINGS, certificate, reloads, settings, write
from sample_certificates import key_pem

pytestmark = [pytest.mark.disturbs, pytest.mark.together]

# Without an authority, and without what guards its keys.
FEATURES = ["dovecot", "sasl", "postfix", "certificate_watch"]
OWN = "/root/own"
WATCH = "/usr/local/lib/postern/certificate-watch"
WATCHED = "/etc/postern/certificate-watch.json"
CHANGED = re.compile(r"changed=(\d+)")


def changes(output: str) -> list[int]:
    return [int(number) for number in CHANGED.findall(output)]


@contextlib.contextmanager
def kept(server: Server) -> Iterator[None]:
    """Put back what a run of the playbook changes: the pair that is served, and who it comes from."""
    known = settings(server)
    paths = [SETTINGS, WATCHED, known["main"]["certificate"], known["main"]["key"]]
    former = {path: server.run("cat", path).stdout.decode() for path in paths}
    try:
        yield
    finally:
        for path, text in former.items():
            write(server, path, text)
        for command in reloads(known):
            server.run(*command, check=False)


@pytest.fixture(scope="module")
def brought(lab: Lab, servers: Sequence[Server]) -> Iterator[list[int]]:
    """One certificate for all servers, from the inventory; changes of the second run."""
    given = {
        "mail_features": FEATURES,
        "mail_certificate_content": certificate([each.hostname for each in servers], 50),
        "mail_certificate_key_content": key_pem(),
    }
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(kept(server))
        arguments = ("--tags=mail,certificate_watch", f"--extra-vars={json.dumps(given)}")
        __, output = playbooks.run(lab, "site", *arguments)
        assert key_pem().splitlines()[1] not in output
        __, again = playbooks.run(lab, "site", *arguments)
        yield changes(again)


def test_certificate_of_the_inventory_is_served(server: Server, brought: list[int]) -> None:
    wait_for("it is served", lambda: "49 days" in server.run(WATCH, "--days", "90", check=False).stdout.decode())
    line = server.run(WATCH, check=False).stdout.decode()
    assert line.startswith("CERTIFICATE OK"), line


def test_second_run_changes_nothing(brought: list[int]) -> None:
    assert set(brought) == {0}


def test_key_of_the_inventory_is_for_root_only(server: Server, brought: list[int]) -> None:
    key = settings(server)["main"]["key"]
    assert server.output("stat", "-L", "-c", "%U %a", key) == "root 600"


def test_bad_certificates_on_hosts_are_told_together_before_anything_changes(
    lab: Lab, servers: Sequence[Server]
) -> None:
    """Each host has another fault."""
    faults = {
        "mismatch": (
            lambda name: certificate([name], 50),
            key_pem(owner="other"),
            "it is not the key of the certificate",
        ),
        "missing": (lambda __: "", key_pem(), "it cannot be read on the host: no such file or directory"),
        "name": (lambda __: certificate(["other.example"], 50), key_pem(), "it is for other.example"),
    }
    expected = []
    for server, (make, key, words) in zip(servers, faults.values(), strict=False):
        server.run("mkdir", "-p", OWN)
        if text := make(server.hostname):
            write(server, f"{OWN}/cert.pem", text)
        write(server, f"{OWN}/key.pem", key)
        server.run("chmod", "0600", f"{OWN}/key.pem")
        expected.append(rf"{server.name}: mail_certificate_(key_)?file: \"{OWN}/(cert|key)\.pem\": .*{words}")
    given = {
        "mail_features": FEATURES,
        "mail_certificate_file": f"{OWN}/cert.pem",
        "mail_certificate_key_file": f"{OWN}/key.pem",
    }
    try:
        status, output = playbooks.run(lab, "site", f"--extra-vars={json.dumps(given)}", check=False)
    finally:
        for server in servers:
            server.run("rm", "-r", OWN)
    assert status != 0
    assert [line for line in expected if not re.search(line, output)] == []
    assert set(changes(output)) == {0}
