# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What the web server serves: MTA-STS policies and settings of mail programs, as others see them, and nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import plistlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

import dns.message
import dns.query
import pytest
from dialogue import playbooks
from dialogue.lab import Host, Lab, Server, wait_for

# World believes its own authority, and that which certifies the servers.
ROOTS = "cat /etc/lab/authority/root.pem /run/acme-*/root.pem"
AUTODISCOVER = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"


@dataclass(frozen=True)
class Page:
    status: int
    kind: str
    location: str
    body: str


def get(world: Host, url: str, *options: str) -> Page:
    """From outside, by the name's own address, with a verified certificate; status 0 is no answer at all."""
    words = shlex.join(
        ["-sS", "--max-time", "60", "-w", r"\n%{http_code}|%{content_type}|%{redirect_url}", *options, url]
    )
    output = world.run("bash", "-c", f"curl --cacert <({ROOTS}) {words}", check=False).stdout.decode()
    body, __, last = output.rpartition("\n")
    status, kind, location = last.split("|", 2)
    return Page(int(status), kind, location, body)


def text_of(lab: Lab, name: str) -> list[str]:
    answer = dns.query.udp(dns.message.make_query(name, "TXT"), lab.dns, timeout=60).answer
    return ["".join(part.decode() for part in record.strings) for rrset in answer for record in rrset]


def policy_of(lab: Lab, domain: str) -> tuple[dict[str, list[str]], str]:
    """Keys and values of the policy as it is served, and its identifier."""
    page = get(lab.world, f"https://mta-sts.{domain}/.well-known/mta-sts.txt")
    assert (page.status, page.kind) == (200, "text/plain")
    policy: dict[str, list[str]] = {}
    for line in page.body.split("\r\n")[:-1]:
        key, __, value = line.partition(": ")
        policy.setdefault(key, []).append(value)
    return policy, hashlib.sha256(page.body.encode()).hexdigest()[:32]


@pytest.mark.usefixtures("published")
def test_the_policy_of_each_domain(lab: Lab, server: Server) -> None:
    for domain in (server.domain, server.second_domain):
        policy, identifier = policy_of(lab, domain)
        assert text_of(lab, f"_mta-sts.{domain}") == [f"v=STSv1; id={identifier};"]
        assert list(policy) == ["version", "mode", "mx", "max_age"]
        assert policy["version"] == ["STSv1"]
        assert policy["mode"] == ["testing"]
        assert policy["mx"] == [server.hostname]


@pytest.mark.usefixtures("published")
def test_thunderbird_finds_servers_that_answer(lab: Lab, server: Server) -> None:
    for path in ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"):
        page = get(lab.world, f"https://autoconfig.{server.domain}{path}")
        assert (page.status, page.kind) == (200, "application/xml")
    provider = ElementTree.fromstring(page.body).find("emailProvider")
    assert provider is not None
    assert provider.findtext("domain") == server.domain
    offered = [
        (each.get("type"), each.findtext("hostname"), int(each.findtext("port") or 0), each.findtext("socketType"))
        for each in provider
        if each.tag.endswith("Server")
    ]
    assert offered == [
        ("imap", server.hostname, 993, "SSL"),
        ("smtp", server.hostname, 465, "SSL"),
        ("smtp", server.hostname, 587, "STARTTLS"),
    ]
    assert {each.text for each in provider.iter("username")} == {"%EMAILADDRESS%"}
    for __, host, port, encryption in offered:
        assert answers(lab.world, str(host), port, starttls=encryption == "STARTTLS")


def answers(world: Host, host: str, port: int, *, starttls: bool) -> bool:
    """Whether TLS with the right name and a chain that ends at the authority's root is there."""
    words = ["-connect", f"{host}:{port}", "-verify_hostname", host, "-verify_return_error", "-brief"]
    words += ["-starttls", "smtp"] if starttls else []
    script = f"openssl s_client -CAfile <({ROOTS}) {shlex.join(words)} < /dev/null"
    return world.run("bash", "-c", script, check=False).returncode == 0


@pytest.mark.usefixtures("published")
def test_outlook_is_told_who_it_is(lab: Lab, server: Server) -> None:
    alice = server.address_of("alice")
    url = f"https://autodiscover.{server.domain}/Autodiscover/Autodiscover.xml"

    def logins(question: str) -> set[str | None]:
        page = get(lab.world, url, "-H", "Content-Type: text/xml", "--data-raw", question)
        assert (page.status, page.kind) == (200, "application/xml")
        protocols = list(ElementTree.fromstring(page.body).iter(f"{AUTODISCOVER}Protocol"))
        told = [
            [each.findtext(f"{AUTODISCOVER}{tag}") for tag in ("Type", "Server", "Port", "SSL")] for each in protocols
        ]
        assert told == [["IMAP", server.hostname, "993", "on"], ["SMTP", server.hostname, "465", "on"]]
        return {each.findtext(f"{AUTODISCOVER}LoginName") for each in protocols}

    def asked(address: str) -> str:
        return f"<Autodiscover><Request><EMailAddress>{address}</EMailAddress></Request></Autodiscover>"

    assert logins(asked(alice)) == {alice}
    assert logins(asked("alice@elsewhere.example")) == {None}
    assert logins(asked(f"&lt;b&gt;{alice}")) == {None}
    assert logins("no question at all") == {None}


@pytest.mark.usefixtures("published")
def test_apple_gets_a_profile(lab: Lab, server: Server) -> None:
    alice = server.address_of("alice")
    profiles = {}
    for query, address in (("", None), (f"?address={alice.replace('@', '%40')}", alice), ("?address=%3Cb%3E", None)):
        page = get(lab.world, f"https://autoconfig.{server.domain}/apple.mobileconfig{query}")
        assert (page.status, page.kind) == (200, "application/x-apple-aspen-config")
        profiles[query] = plistlib.loads(page.body.encode())
        (account,) = profiles[query]["PayloadContent"]
        assert account.get("EmailAddress") == account.get("IncomingMailServerUsername") == address
        incoming = (account["IncomingMailServerHostName"], account["IncomingMailServerPortNumber"])
        outgoing = (account["OutgoingMailServerHostName"], account["OutgoingMailServerPortNumber"])
        assert (incoming, outgoing) == ((server.hostname, 993), (server.hostname, 465))
        assert account["IncomingMailServerUseSSL"] is account["OutgoingMailServerUseSSL"] is True
    assert len({each["PayloadUUID"] for each in profiles.values()}) == 1
    other = get(lab.world, f"https://autoconfig.{server.second_domain}/apple.mobileconfig")
    assert plistlib.loads(other.body.encode())["PayloadUUID"] != profiles[""]["PayloadUUID"]


@pytest.mark.usefixtures("published")
def test_nothing_else_is_served(lab: Lab, server: Server) -> None:
    paths = ("/", "/.well-known/", "/postern/autodiscover.xml", "/autodiscover.xml", "/config-v1.1.xml", "/nginx.conf")
    hosts = (server.hostname, f"mta-sts.{server.domain}", f"autoconfig.{server.domain}")
    found = {
        f"https://{host}{path}": get(lab.world, f"https://{host}{path}").status for host in hosts for path in paths
    }
    assert {url: status for url, status in found.items() if status != 404} == {}
    strange = ["--resolve", f"*:443:{server.address}", "--resolve", f"*:80:{server.address}"]
    assert get(lab.world, "https://elsewhere.example/", "-k", *strange).status == 0
    assert get(lab.world, f"https://{server.address}/", "-k").status == 0
    assert get(lab.world, "http://elsewhere.example/", *strange).status == 404
    assert get(lab.world, f"http://[{server.address6}]/").status == 404
    for host in hosts:
        page = get(lab.world, f"http://{host}/x")
        assert (page.status, page.location) == (302, f"https://{host}/x")
    assert get(lab.world, "http://elsewhere.example/.well-known/acme-challenge/x", *strange).status == 404


@pytest.mark.disturbs
def test_a_killed_server_is_back(lab: Lab, server: Server) -> None:
    server.shell("kill -KILL $(cat /run/nginx.pid)")
    server.wait_until("nginx", f"/usr/local/lib/postern/probe https --server-name {server.hostname} --status 404")


def apply(lab: Lab, server: Server, *words: str) -> tuple[int, str]:
    """Exit status and output of a run for the web server of one server only."""
    return playbooks.run(lab, "site", "--tags=web", f"--limit=localhost,{server.name}", *words, check=False)


@contextlib.contextmanager
def put_back(server: Server, *paths: str) -> Iterator[None]:
    """Whatever becomes of files meanwhile."""
    server.shell("".join(f"cp -p {path} {path}.own; " for path in paths))
    try:
        yield
    finally:
        server.shell("".join(f"mv {path}.own {path}; " for path in paths) + "systemctl reload nginx.service")


@pytest.mark.disturbs
@pytest.mark.together
@pytest.mark.usefixtures("published")
def test_enforce_with_a_certificate_that_senders_accept(lab: Lab) -> None:
    server = lab.servers[0]
    before, __ = policy_of(lab, server.domain)
    with put_back(server, "/etc/nginx/nginx.conf"):
        assert apply(lab, server, "--extra-vars=web_mta_sts_stage=enforce")[0] == 0
        # nginx answers with its old configuration for a moment.
        enforced = {**before, "mode": ["enforce"]}
        wait_for("the new policy", lambda: policy_of(lab, server.domain)[0] == enforced)
        status, output = apply(lab, server, "--extra-vars=web_mta_sts_stage=off")
        assert status != 0
        assert "senders remember that for its max_age" in " ".join(output.split())
        assert policy_of(lab, server.domain)[0] == enforced
    wait_for("the former policy", lambda: policy_of(lab, server.domain)[0] == before)


@pytest.mark.disturbs
@pytest.mark.together
def test_enforce_is_refused_with_a_certificate_that_nobody_accepts(lab: Lab) -> None:
    """Before anything is changed; the authority's root is not among those that this machine believes."""
    server = lab.servers[0]
    roots = "/etc/ssl/certs"
    digest = server.shell("sha256sum /etc/nginx/nginx.conf")
    server.shell(f"mv {roots} {roots}.away && mkdir {roots}")
    try:
        status, output = apply(lab, server, "--extra-vars=web_mta_sts_stage=enforce")
    finally:
        server.shell(f"rmdir {roots} && mv {roots}.away {roots}")
    assert status != 0
    assert "senders would not accept the certificate" in " ".join(output.split())
    assert server.shell("sha256sum /etc/nginx/nginx.conf") == digest


@pytest.mark.disturbs
@pytest.mark.together
def test_other_sites_on_the_machine_are_not_taken_away(lab: Lab) -> None:
    """As if nginx had been there first, with a site of somebody's own."""
    server = lab.servers[-1]
    site = "server { listen 8080; return 200 theirs; }"
    with put_back(server, "/etc/nginx/nginx.conf"):
        server.shell(f"""
            printf 'events {{}}\\nhttp {{ include /etc/nginx/conf.d/*.conf; }}\\n' > /etc/nginx/nginx.conf
            echo '{site}' > /etc/nginx/conf.d/theirs.conf
            """)
        status, output = apply(lab, server)
        server.shell("rm /etc/nginx/conf.d/theirs.conf")
    assert status != 0
    assert "/etc/nginx/conf.d/theirs.conf" in output
