# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""A new pair on its way to the services: whatever is wrong with it or with the machine, the former one is served."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
from dialogue.journal import Journal
from dialogue.lab import Server
from dialogue.served import Authority, Pair, new_key, serials, settled

pytestmark = pytest.mark.disturbs

TOOL = "/usr/local/lib/postern/certificate"
SETTINGS = "/etc/postern/certificate.json"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/postern"
BROUGHT = "/root/brought"
DEPLOY = (TOOL, "deploy", f"{BROUGHT}/cert.pem", f"{BROUGHT}/key.pem", "--roots", f"{BROUGHT}/root.pem")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def in_use(server: Server) -> Iterator[dict[str, int]]:
    """What is served now, and must be afterwards: files and services are put back by certbot's own command."""
    # A test before may have let the services change.
    yield settled(server, within=lambda now: len(set(now.values())) == 1)
    server.run("rm", "-rf", BROUGHT)
    server.run("/usr/local/lib/postern/certbot-lineages", "deploy", timeout=180)


def bring(server: Server, authority: Authority, pair: Pair) -> None:
    server.run("install", "-d", "-m", "700", BROUGHT)
    for name, text in (("cert.pem", pair.certificate), ("key.pem", pair.key), ("root.pem", authority.root)):
        server.run("tee", f"{BROUGHT}/{name}", data=text.encode())


def directory(server: Server) -> PurePosixPath:
    settings = json.loads(server.output("cat", SETTINGS))
    return PurePosixPath(settings["main"]["certificate"]).parent


def own_key(server: Server) -> str:
    """The key in use: of another one DNS says nothing, and where DANE is on it would be refused for that."""
    return server.output("cat", json.loads(server.output("cat", SETTINGS))["main"]["key"]) + "\n"


def fingerprint(server: Server) -> str:
    """Content, owner and permissions of all that services read."""
    place = directory(server)
    return server.shell(f"cd {place} && stat -c '%n %U %G %a' . * && sha256sum * && ls -A {place.parent}")


def refused(server: Server, *command: str) -> str:
    done = server.run(*command, check=False, timeout=180)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.decode()


def test_a_pair_that_is_not_fit_is_never_seen_by_anybody(
    server: Server, authority: Authority, in_use: dict[str, int]
) -> None:
    name, before, log, key = server.hostname, fingerprint(server), Journal(server), own_key(server)
    cases = {
        "the key is not that of the certificate": Pair(authority.pair([name], key).certificate, new_key()),
        "expired on": authority.pair([name], key, begin=-9, end=-2),
        "is not valid before": authority.pair([name], key, begin=2, end=9),
        f"it is not for {name}": authority.pair(["other.example"], key),
    }
    for reason, pair in cases.items():
        bring(server, authority, pair)
        said = refused(server, *DEPLOY).splitlines()
        assert len(said) == 1 and reason in said[0], said
        assert log.wait(f"postern-certificate.*{reason}")
    bring(server, authority, authority.pair([name], key))
    assert "leads to no root" in refused(server, *DEPLOY[:4])  # the test's root is nobody's
    assert (fingerprint(server), serials(server)) == (before, in_use)


def test_a_good_pair_is_served_everywhere_and_the_way_back_as_well(
    server: Server, authority: Authority, in_use: dict[str, int]
) -> None:
    bring(server, authority, authority.pair([server.hostname], own_key(server)))
    said = server.output(*DEPLOY, timeout=180)
    assert "is served at" in said
    settled(server, within=lambda now: len(set(now.values())) == 1 and not set(now.values()) & set(in_use.values()))
    assert server.output(*DEPLOY, timeout=180) == ""


def test_services_that_do_not_take_it_get_the_former_one_back(
    server: Server, authority: Authority, in_use: dict[str, int]
) -> None:
    """A reload that ends with success and does nothing, as reloads do."""
    before = fingerprint(server)
    bring(server, authority, authority.pair([server.hostname], own_key(server)))
    settings = json.loads(server.output("cat", SETTINGS))
    for consumer in settings["consumers"]:
        consumer["reload"] = ["true"]
    server.run("tee", f"{BROUGHT}/settings.json", data=json.dumps(settings).encode())
    said = refused(server, TOOL, "--settings", f"{BROUGHT}/settings.json", *DEPLOY[1:])
    assert "the former certificate is in use again" in said and "the certificate served is not" in said
    assert fingerprint(server) == before
    server.run("systemctl", "reload", "dovecot")  # what started meanwhile may have read the new one
    server.shell("systemctl reload postfix 2> /dev/null || postfix reload")
    settled(server, within=lambda now: now == in_use)


def test_the_hook_gets_a_key_that_is_another_one(server: Server, authority: Authority, in_use: dict[str, int]) -> None:
    before, key = fingerprint(server), f"/etc/letsencrypt/live/{server.hostname}/privkey.pem"
    bring(server, authority, authority.pair([server.hostname], new_key()))
    server.shell(f"cp -p $(readlink -f {key}) {BROUGHT}/kept && cat {BROUGHT}/key.pem > $(readlink -f {key})")
    try:
        assert "the key is not that of the certificate" in refused(server, HOOK)
        assert (fingerprint(server), serials(server)) == (before, in_use)
    finally:
        server.shell(f"cat {BROUGHT}/kept > $(readlink -f {key})")


@contextlib.contextmanager
def full(server: Server, place: PurePosixPath) -> Iterator[None]:
    """The directory above the pair, on a file system of its own that has no room left."""
    server.shell(f"cp -a {place.parent} /root/above")
    server.mount_small(str(place.parent), "64k", "0755")
    try:
        server.shell(f"cp -a /root/above/. {place.parent}/; head -c 200000 /dev/zero > {place.parent}/.fill || true")
        yield
    finally:
        server.unmount(str(place.parent))
        server.run("rm", "-rf", "/root/above")


def test_a_full_disk_changes_nothing(server: Server, authority: Authority, in_use: dict[str, int]) -> None:
    place = directory(server)
    bring(server, authority, authority.pair([server.hostname], own_key(server)))
    with full(server, place):
        before = fingerprint(server)
        assert "No space left on device" in refused(server, *DEPLOY)
        assert (fingerprint(server), serials(server)) == (before, in_use)
