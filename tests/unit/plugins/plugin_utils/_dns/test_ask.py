# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Questions to a name server that runs in this process."""

from __future__ import annotations

import base64
import errno
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import dns.tsigkeyring
import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._dns import ask, primary
from ansible_collections.postern.mail.plugins.plugin_utils._dns.ask import Key
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import DnsError, RecordSet

SECRET = base64.b64encode(b"k" * 32).decode()
KEY = Key("key.example.org", SECRET)
SOA = "example.org. 60 IN SOA ns.example.org. h.example.org. 1 2 3 4 5"
ZONE = {
    ("example.org.", "SOA"): SOA,
    ("example.org.", "TXT"): 'example.org. 60 IN TXT "foreign" "ly"',
    ("www.example.org.", "CNAME"): "www.example.org. 60 IN CNAME Host.example.net.",
    ("mx.example.org.", "A"): "mx.example.org. 60 IN A 192.0.2.1",
}


class Handler(socketserver.StreamRequestHandler):
    """DNS over TCP: two octets of length, then the message."""

    def handle(self) -> None:
        (length,) = struct.unpack("!H", self.rfile.read(2))
        ring = dns.tsigkeyring.from_text({KEY.name: SECRET})
        query = dns.message.from_wire(self.rfile.read(length), keyring=ring)
        wire = answer(query).to_wire()
        self.wfile.write(struct.pack("!H", len(wire)) + wire)


def answer(query: dns.message.Message) -> dns.message.Message:
    response = dns.message.make_response(query)
    name, kind = query.question[0].name.to_text(), dns.rdatatype.to_text(query.question[0].rdtype)
    if not name.endswith("example.org."):
        response.set_rcode(dns.rcode.REFUSED)
        return response
    response.flags |= dns.flags.AA
    alias = ZONE.get((name, "CNAME")) if kind != "CNAME" else None
    wild = f'{name} 60 IN TXT "v=spf1 -all"' if kind == "TXT" and name.endswith(".wild.example.org.") else None
    line = ZONE.get((name, kind)) or alias or wild
    section = response.answer if line else response.authority
    owner, ttl, _class, rdtype, rdata = (line or SOA).split(" ", 4)
    section.append(dns.rrset.from_text(owner, int(ttl), "IN", rdtype, rdata))
    return response


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "kind", "status", "values", "alias"),
    [
        ("example.org", "TXT", "found", ("foreignly",), ""),
        ("mx.example.org", "A", "found", ("192.0.2.1",), ""),
        ("mx.example.org", "AAAA", "empty", (), ""),
        ("www.example.org", "TXT", "empty", (), "host.example.net"),
        ("www.example.org", "CNAME", "found", ("host.example.net.",), ""),
    ],
)
def test_answers_are_read(port: int, name: str, kind: str, status: str, values: tuple[str, ...], alias: str) -> None:
    reply = ask.ask("127.0.0.1", name, kind, port=port, recursive=False, key=KEY)
    assert (reply.status, reply.values, reply.alias, reply.authoritative) == (status, values, alias, True)


def test_a_refusal_is_a_failure_in_words(port: int) -> None:
    reply = ask.ask("127.0.0.1", "example.com", "MX", port=port, key=KEY)
    assert (reply.status, reply.detail) == ("failed", "it answers REFUSED")


def test_nobody_there_is_a_failure_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
    reply = ask.ask("127.0.0.1", "example.org", "MX", port=closed, key=KEY)
    assert reply.status == "failed"
    assert reply.detail.startswith("it cannot be reached")


def test_a_secret_that_is_none_is_said_without_showing_it() -> None:
    with pytest.raises(DnsError) as error:
        ask.sign(dns.message.make_query("example.org", "SOA"), Key("k", "not!base64"))
    assert "not!base64" not in str(error.value)
    assert "not!base64" not in repr(Key("k", "not!base64"))


def test_a_controller_without_dnspython_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "HAS_DNSPYTHON", False)
    with pytest.raises(DnsError, match="pip install dnspython"):
        primary.find("127.0.0.1", 53, KEY, [], "example.org")


def found(port: int, *zones: str) -> primary.Primary:
    return primary.find("127.0.0.1", port, KEY, zones, "example.org")


def test_a_plan_keeps_what_is_foreign_and_tells_what_is_outside(port: int) -> None:
    wanted = [
        RecordSet("example.org", "TXT", ("v=spf1 -all",), 60),
        RecordSet("mx.example.org", "A", ("192.0.2.1",), 60),
        RecordSet("mx.example.com", "A", ("192.0.2.1",), 60),
    ]
    plan = found(port).plan(wanted)
    assert [(change.zone, change.title, change.after) for change in plan.changes] == [
        ("example.org", "example.org TXT", ("foreignly", "v=spf1 -all"))
    ]
    assert plan.outside == ["mx.example.com A"]


def test_what_this_machine_has_no_way_to_is_not_a_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for code, expected in ((errno.ENETUNREACH, True), (errno.EAFNOSUPPORT, True), (errno.ECONNREFUSED, False)):

        def fail(*_arguments: object, code: int = code) -> None:
            raise OSError(code, "reason")

        monkeypatch.setattr(ask, "_exchange", fail)
        reply = ask.ask("2001:db8::1", "example.org", "TLSA")
        assert (reply.status, reply.no_way) == ("failed", expected)


def test_an_alias_in_the_way_and_a_zone_of_somebody_else_stop_everything(port: int) -> None:
    for zones in ([], ["example.org"]):
        with pytest.raises(DnsError, match=r"alias of host\.example\.net"):
            found(port, *zones).plan([RecordSet("www.example.org", "TXT", ("x",), 60)])
    with pytest.raises(DnsError, match=r"none of the zones of mx\.example\.com"):
        found(port).plan([RecordSet("mx.example.com", "A", ("192.0.2.1",), 60)])
    with pytest.raises(DnsError, match=r"example\.com: .*REFUSED"):
        found(port, "example.org", "example.com")


def test_what_a_wildcard_says_belongs_to_nobody_in_particular(port: int) -> None:
    """It would be written down at every name."""
    (change,) = found(port).plan([RecordSet("_dmarc.wild.example.org", "TXT", ("v=DMARC1; p=none",), 60)]).changes
    assert (change.before, change.after) == ((), ("v=DMARC1; p=none",))


def test_a_cname_is_not_put_beside_other_records(port: int) -> None:
    with pytest.raises(DnsError, match="A at this name"):
        found(port, "example.org").plan([RecordSet("mx.example.org", "CNAME", ("a.example.",), 60)])
