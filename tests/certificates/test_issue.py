# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Certificates of an authority: all names at every port, asked for no oftener than needed; refusals change nothing."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from dialogue import playbooks
from dialogue.lab import Host, Lab, Server
from dialogue.served import SERVICES, names, serials, shown
from postern_lab.authority import EAB_HMAC_KEY, EAB_KEY_ID
from postern_lab.world import UPDATE_KEY, UPDATE_SECRET

pytestmark = pytest.mark.disturbs

PROGRAM = "/usr/local/lib/postern/certbot-lineages"
SETTINGS = "/etc/postern-certbot/settings.json"
OTHER = "/root/other-settings.json"


def settings_of(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.output("cat", SETTINGS))
    return found


def issue(server: Server, settings: dict[str, Any]) -> tuple[int, str]:
    """Exit status and words of a run with other settings."""
    server.run("tee", OTHER, data=json.dumps(settings).encode())
    done = server.run(PROGRAM, "--settings", OTHER, "issue", check=False, timeout=400)
    server.run("rm", "-f", OTHER)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.fixture
def aside(server: Server) -> Iterator[dict[str, Any]]:
    """Settings of a certificate beside the server's own, which is asked for and put in use nowhere."""
    tool = json.loads(server.output("cat", "/etc/postern/certificate.json"))
    server.run("tee", "/root/tool.json", data=json.dumps({**tool, "from": "files"}).encode())
    lineage = {"name": "aside", "pair": "main", "key_type": "ecdsa"}
    yield {**settings_of(server), "lineages": [lineage], "names": [server.hostname], "tool_settings": "/root/tool.json"}
    server.shell("certbot delete --non-interactive --cert-name aside > /dev/null 2>&1 || true; rm -rf /root/tool.json")


def test_every_port_shows_all_names_and_leads_to_the_root(lab: Lab, server: Server) -> None:
    wanted = set(settings_of(server)["names"])
    shown_names = {service: names(shown(server, service)) for service in SERVICES}
    assert server.hostname in wanted
    assert shown_names == dict.fromkeys(SERVICES, wanted)
    line = f"openssl s_client -connect {server.hostname}:{server.ports['imaps']} -CAfile /run/acme-normal/root.pem"
    lab.world.shell(f"{line} -verify_hostname {server.hostname} -verify_return_error < /dev/null > /dev/null 2>&1")


def kept_by_certbot(server: Server) -> str:
    return server.shell("cd /etc/letsencrypt; find accounts archive live renewal; sha256sum renewal/*")


def test_nothing_is_asked_for_while_all_is_well(server: Server) -> None:
    before = kept_by_certbot(server)
    assert server.output(PROGRAM, "plan") == ""
    assert server.output(PROGRAM, "issue", timeout=180) == ""
    assert kept_by_certbot(server) == before


def test_a_name_comes_and_goes(server: Server) -> None:
    own = settings_of(server)
    extra = f"extra.{server.domain}"
    assert extra not in own["names"]
    try:
        status, said = issue(server, {**own, "names": [*own["names"], extra]})
        assert status == 0 and f"it lacks {extra}" in said, said
        assert names(shown(server, "imaps")) == {*own["names"], extra}
    finally:
        status, said = issue(server, own)
    assert status == 0 and f"it is still for {extra}" in said, said
    assert names(shown(server, "submissions")) == set(own["names"])


def test_a_name_that_the_authority_refuses(server: Server, aside: dict[str, Any]) -> None:
    before = serials(server)
    status, said = issue(server, {**aside, "names": [server.hostname, f"refused.{server.domain}"]})
    assert status == 1 and "gave no certificate. certbot says:" in said
    assert "refused." in said and "Traceback" not in said, said
    assert serials(server) == before


def test_proof_by_dns(lab: Lab, server: Server, aside: dict[str, Any]) -> None:
    """With the right key and then with another one."""
    credentials = "/root/credentials.ini"
    lines = {"server": lab.dns, "name": UPDATE_KEY, "secret": UPDATE_SECRET, "algorithm": "HMAC-SHA256"}
    arguments = ["--authenticator", "dns-rfc2136", "--dns-rfc2136-credentials", credentials]
    by_dns = {
        **aside,
        "names": [server.hostname, f"*.{server.domain}"],
        "arguments": [*arguments, "--dns-rfc2136-propagation-seconds", "3"],
        "renewal": {"authenticator": "dns-rfc2136", "dns_rfc2136_credentials": credentials},
    }
    if server.run("test", "-d", "/usr/lib/python3/dist-packages/certbot_dns_rfc2136", check=False).returncode:
        install = "apt-get install -y --no-install-recommends python3-certbot-dns-rfc2136"
        server.shell(f"for try in 1 2 3; do {install} && exit 0; sleep 10; done; exit 1", timeout=600)
    try:
        for secret, expected in ((UPDATE_SECRET, 0), ("d3JvbmcgZm9yIHRoaXMgdGVzdCwgbG9uZyBlbm91Z2g=", 1)):
            text = "".join(f"dns_rfc2136_{key} = {value}\n" for key, value in {**lines, "secret": secret}.items())
            server.shell(f"install -m 600 /dev/null {credentials}")
            server.run("tee", credentials, data=text.encode())
            status, said = issue(server, {**by_dns, "names": [*by_dns["names"], f"x{expected}.below.{server.domain}"]})
            assert status == expected, said
            assert secret not in said
    finally:
        server.run("rm", "-f", credentials)


@pytest.mark.parametrize("left", ["a killed run", "a copy without links"])
def test_what_is_left_of_a_certificate_is_not_in_the_way(server: Server, aside: dict[str, Any], left: str) -> None:
    """certbot would take it for another one's, put the new one elsewhere, and ask for one at each run."""
    assert issue(server, aside)[0] == 0
    if left == "a killed run":
        server.shell("cd /etc/letsencrypt; : > renewal/aside.conf; rm live/aside/chain.pem")
    else:
        server.shell("cd /etc/letsencrypt/live; cp -rL aside copy; rm -r aside; mv copy aside")
    try:
        status, said = issue(server, aside)
        assert status == 0 and "what was left of it is in /etc/letsencrypt/aside/" in said, said
        assert issue(server, aside) == (0, "")
        assert server.shell("ls /etc/letsencrypt/renewal/aside*").split() == ["/etc/letsencrypt/renewal/aside.conf"]
    finally:
        server.run("rm", "-rf", "/etc/letsencrypt/aside")


LOCKED = """
import fcntl, pathlib, time
with open("/etc/letsencrypt/.certbot.lock", "w") as stream:
    fcntl.lockf(stream, fcntl.LOCK_EX)
    pathlib.Path("/run/locked").touch()
    time.sleep(6)
"""


def test_another_certbot_at_work_is_waited_for(server: Server, aside: dict[str, Any]) -> None:
    server.run("systemd-run", "-q", "--unit=locking", "python3", "-c", LOCKED)
    try:
        server.wait_until("certbot is locked", "test -e /run/locked")
        status, said = issue(server, aside)
    finally:
        server.run("systemctl", "stop", "locking", check=False)
        server.run("rm", "-f", "/run/locked")
    assert status == 0 and "issued a certificate" in said, said


def test_what_is_wanted_no_more_is_kept_and_not_renewed(server: Server) -> None:
    own = settings_of(server)
    name = next((each["name"] for each in own["lineages"] if each["pair"] == "rsa"), "")
    if not name:
        pytest.skip("no second certificate")
    settings = f"/etc/letsencrypt/renewal/{name}.conf"
    server.shell(f"cp -p {SETTINGS} /root/kept.json")
    try:
        server.run("tee", SETTINGS, data=json.dumps({**own, "lineages": own["lineages"][:1]}).encode())
        assert f"{name}: certbot renews it no more" in server.output(PROGRAM, "issue", timeout=180)
        assert server.output(PROGRAM, "plan") == ""
        server.shell(f"sed -i '1i renew_before_expiry = 999 days' {settings}")  # due now, if it were renewed at all
        before = server.output("sha256sum", f"/etc/letsencrypt/live/{name}/cert.pem")
        server.run("certbot", "renew", "--cert-name", name, "--no-random-sleep-on-renew", timeout=180)
        assert server.output("sha256sum", f"/etc/letsencrypt/live/{name}/cert.pem") == before
    finally:
        server.shell(f"mv /root/kept.json {SETTINGS}; sed -i '/^renew_before_expiry = 999/d' {settings}")
        said = server.output(PROGRAM, "issue", timeout=180)
    assert said == f"{name}: certbot remembers autorenew"
    assert "autorenew" not in server.output("cat", settings)


def test_port_80_is_taken(server: Server, aside: dict[str, Any]) -> None:
    alone = {**aside, "arguments": ["--standalone"], "renewal": {"authenticator": "standalone"}}
    taken = "ss -Hltn 'sport = :80' | grep -q ."
    if server.run("sh", "-c", taken, check=False).returncode:
        server.shell("systemd-run -q --unit=taken python3 -m http.server 80")
        server.wait_until("port 80 is taken", taken)
    try:
        status, said = issue(server, alone)
    finally:
        server.run("systemctl", "stop", "taken", check=False)
    assert status == 1 and "port 80" in said, said


@contextlib.contextmanager
def authority_down(world: Host) -> Iterator[None]:
    world.run("systemctl", "stop", "acme-normal.socket")
    try:
        yield
    finally:
        world.run("systemctl", "start", "acme-normal.socket")


@pytest.mark.together
def test_a_run_without_the_authority_fails_at_its_end_and_tells_no_secret(lab: Lab) -> None:
    """All servers at once: the authority is down, and the inventory wants a name more, with an external account."""
    before = {server.name: serials(server) for server in lab.servers}
    for server in lab.servers:
        server.shell("cp -a /etc/postern-certbot /root/kept")
    wanted = {
        "certbot_names": "{{ ['extra.' ~ mail_domains[0]] }}",
        "certbot_eab_key_id": EAB_KEY_ID,
        "certbot_eab_hmac_key": EAB_HMAC_KEY,
        "certbot_challenge": "rfc2136",
        "certbot_propagation_seconds": 3,
    }
    try:
        with authority_down(lab.world):
            words = ["--tags=certbot", "--diff", "-v", f"--extra-vars={json.dumps(wanted)}"]
            status, said = playbooks.run(lab, "site", *words, check=False)
        assert status != 0
        assert "has no certificate as wanted" in said and "certbot says:" in said
        assert EAB_HMAC_KEY not in said and UPDATE_SECRET not in said
        for server in lab.servers:
            modes = server.output("stat", "-c", "%n %U %a", *_secret_files()).splitlines()
            assert modes == [f"{path} root 600" for path in _secret_files()]
            assert serials(server) == before[server.name]
    finally:
        for server in lab.servers:
            server.shell("rm -rf /etc/postern-certbot; mv /root/kept /etc/postern-certbot")
    assert {server.name: server.output(PROGRAM, "plan") for server in lab.servers} == dict.fromkeys(before, "")


def _secret_files() -> list[str]:
    return ["/etc/postern-certbot/account.ini", "/etc/postern-certbot/credentials.ini"]


def test_an_external_account(server: Server, aside: dict[str, Any]) -> None:
    """Registered anew, as a machine without an account does."""
    options = "/root/account.ini"
    server.shell(f"install -m 600 /dev/null {options}; mv /etc/letsencrypt/accounts /root/accounts")
    server.run("tee", options, data=f"eab-kid = {EAB_KEY_ID}\neab-hmac-key = {EAB_HMAC_KEY}\n".encode())
    try:
        status, said = issue(server, {**aside, "account_options": options})
        assert status == 0, said
        assert EAB_HMAC_KEY not in said
    finally:
        server.shell(f"rm -rf /etc/letsencrypt/accounts {options}; mv /root/accounts /etc/letsencrypt/accounts")
