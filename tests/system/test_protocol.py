# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Clients that break the protocol, or use it to find something out."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from dialogue.clients import FRIEND, HELO, stranger, verdict
from dialogue.imap import Mailbox, arrived
from dialogue.lab import Server
from dialogue.message import new_token, plain
from dialogue.notes import Everywhere
from dialogue.smtp import Smtp, elapsed


def smtp(server: Server) -> Smtp:
    """A connection to port 25 that has not said anything yet."""
    return Smtp(server.address, server.ports["smtp"])


def test_vrfy_says_the_same_of_everybody(server: Server) -> None:
    with stranger(server) as client:
        answers = [client.say(f"VRFY {name}") for name in (server.address_of("alice"), server.address_of("nobody"))]
    assert [answer.code for answer in answers] == [502, 502]
    assert answers[0].text == answers[1].text


def test_expn_is_not_known(server: Server) -> None:
    with stranger(server) as client:
        assert client.say(f"EXPN {server.address_of('team')}").code in (500, 502)


@pytest.mark.parametrize("own", [False, True], ids=["foreign_domain", "own_domain"])
def test_etrn_is_refused(server: Server, own: bool) -> None:
    with stranger(server) as client:
        reply = client.say(f"ETRN {server.domain if own else 'world.example'}")
    assert reply.code == 459 or reply.rejected, reply


@pytest.mark.parametrize("command", ["XCLIENT ADDR=127.0.0.1", "XFORWARD ADDR=127.0.0.1 NAME=localhost"])
def test_client_cannot_claim_to_be_another(server: Server, command: str) -> None:
    with stranger(server) as client:
        assert not {"XCLIENT", "XFORWARD"} & set(client.extensions)
        reply = client.say(command)
    assert reply.rejected, reply


def test_greeting_and_help_name_no_product(server: Server) -> None:
    with stranger(server) as client:
        words = client.greeting.text.lower() + client.say("HELP").text.lower()
    assert server.hostname in words
    assert not [word for word in ("postfix", "debian", "ubuntu", "postern", "linux") if word in words]


def test_helo_is_required(server: Server) -> None:
    with smtp(server) as client:
        assert client.say(f"MAIL FROM:<{FRIEND}>").code == 503


@pytest.mark.parametrize(
    "name",
    ["localhost", "localhost.localdomain", "{host}", "{HOST}", "[{address}]", "[IPv6:{address6}]", "{address}",
     "192.0.2.1", "bad_name!"],
)  # fmt: skip
def test_forged_helo_is_refused(server: Server, name: str) -> None:
    helo = name.format(
        host=server.hostname,
        HOST=server.hostname.upper(),
        address=server.address,
        address6=server.address6,
    )
    reply = verdict(server, FRIEND, server.address_of("alice"), helo=helo)
    assert reply.rejected, reply


@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
def test_oversized_helo_is_refused_at_once(server: Server, verb: str) -> None:
    with smtp(server) as client:
        reply = client.say(f"{verb} {'a' * 4000}")
    assert reply.rejected, reply


# What a lenient server takes for the end of the message; RFC 5321 4.1.1.4 knows only CRLF.CRLF.
ENDS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CR.LF": b"\r.\n",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "LF.CR": b"\n.\r",
    "CRLFNUL.CRLF": b"\r\n\0.\r\n",
    "CRCRLF.CRLF": b"\r\r\n.\r\r\n",
}


@pytest.mark.parametrize("end", ENDS)
def test_smuggled_message_stays_inside_the_first(server: Server, end: str) -> None:
    token, alice, bob = new_token(), server.address_of("alice"), server.address_of("bob")
    smuggled = (
        f"MAIL FROM:<admin@world.example>\r\nRCPT TO:<{bob}>\r\nDATA\r\n"
        f"From: <admin@world.example>\r\nSubject: smuggled {token}\r\n\r\nsmuggled\r\n.\r\n"
    )
    with stranger(server) as client:
        for command in (f"MAIL FROM:<{FRIEND}>", f"RCPT TO:<{alice}>"):
            assert client.say(command).code == 250
        assert client.say("DATA").code == 354
        body = plain(token, FRIEND, alice, "first").removesuffix(b"\r\n")
        client.send(body + ENDS[end] + smuggled.encode())
        client.send(b"QUIT\r\n")
        codes = [reply.code for reply in client.read_to_the_end()]
    assert codes.count(250) <= 1, codes
    if 250 in codes:
        assert b"smuggled" in arrived(server, "alice", token)
    drain(server)
    with Mailbox(server, "bob") as mailbox:
        assert mailbox.find(token) == []


def drain(server: Server) -> None:
    """Wait until nothing is on its way any more."""
    server.wait_until("an empty queue", 'test -z "$(postqueue -j)"', timeout=30)


def test_commands_before_the_answer_to_ehlo_are_cut_off(server: Server) -> None:
    with smtp(server) as client:
        client.send(f"EHLO {HELO}\r\nMAIL FROM:<{FRIEND}>\r\nRCPT TO:<{server.address_of('alice')}>\r\n".encode())
        codes = [reply.code for reply in client.read_to_the_end()]
    assert codes[-1] in (503, 554) and 250 not in codes[1:], codes


def test_announced_pipelining_works(server: Server) -> None:
    token, alice = new_token(), server.address_of("alice")
    with stranger(server) as client:
        assert "PIPELINING" in client.extensions
        client.send(f"MAIL FROM:<{FRIEND}>\r\nRCPT TO:<{alice}>\r\nDATA\r\n".encode())
        assert [client.read().code for _ in range(3)] == [250, 250, 354]
        client.send(plain(token, FRIEND, alice) + b".\r\nQUIT\r\n")
        assert [client.read().code for _ in range(2)] == [250, 221]
    arrived(server, "alice", token)


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "POST / HTTP/1.0", "CONNECT mail.world.example:25 HTTP/1.1"])
def test_web_client_is_hung_up_on(server: Server, line: str) -> None:
    with smtp(server) as client:
        reply = client.say(line)
        assert (reply.code, reply.enhanced) == (221, "2.7.0"), reply
        assert client.read().closed


@Everywhere
def abuse(server: Server) -> dict[str, tuple[list[int], float]]:
    """Codes and seconds of three sessions that go on until they are hung up on, at the same time."""
    lines = {
        "nonsense": ("NONSENSE", 30),
        "noop": ("NOOP", 130),
        "unknown users": (f"RCPT TO:<{server.address_of('nobody')}>", 30),
    }

    def one(line: str, most: int) -> tuple[list[int], float]:
        started = time.monotonic()
        with stranger(server, timeout=60, quiet=True) as client:
            client.mail(FRIEND)
            return _until_hung_up(client, line, most), elapsed(started)

    with ThreadPoolExecutor() as pool:
        futures = {name: pool.submit(one, *arguments) for name, arguments in lines.items()}
        return {name: future.result() for name, future in futures.items()}


def _until_hung_up(client: Smtp, command: str, most: int) -> list[int]:
    codes: list[int] = []
    while len(codes) < most and 421 not in codes and 0 not in codes:
        codes.append(client.say(command).code)
    return codes


def test_twenty_bad_commands_end_the_session(server: Server, servers: list[Server]) -> None:
    codes, _ = abuse(server, servers)["nonsense"]
    assert codes[-1] == 421 and len(codes) <= 21, codes


def test_endless_noop_ends_the_session(server: Server, servers: list[Server]) -> None:
    codes, _ = abuse(server, servers)["noop"]
    assert codes[-1] == 421 and len(codes) <= 122, codes


def test_guessing_addresses_ends_the_session(server: Server, servers: list[Server]) -> None:
    codes, seconds = abuse(server, servers)["unknown users"]
    print(f"421 after {seconds:.1f} s")
    assert codes[-1] == 421 and len(codes) <= 21, codes


def smtpd_memory(server: Server) -> int:
    """kB that the largest smtpd holds."""
    return int(server.shell("ps -C smtpd -o rss= | sort -n | tail -1"))


def test_bdat_cannot_eat_memory(server: Server) -> None:
    """Chunks of one byte grew Debian 12's smtpd by 27 MB; without CHUNKING the first one is refused."""
    with stranger(server) as client:
        client.mail(FRIEND)
        client.rcpt(server.address_of("alice"))
        before = smtpd_memory(server)
        if "CHUNKING" not in client.extensions:
            client.send(b"BDAT 1\r\nx")
            reply = client.read()
            assert reply.rejected or reply.code == 421, reply
            return
        for _ in range(20):
            client.send(b"BDAT 1\r\nx" * 5000)
            assert {client.read().code for _ in range(5000)} == {250}
        assert smtpd_memory(server) - before < 3000


def test_size_limit_is_announced_and_enforced_at_mail(server: Server) -> None:
    with stranger(server) as client:
        limit = int(client.extensions["SIZE"])
        reply = client.mail(FRIEND, f"SIZE={limit + 1}")
        assert (reply.code, reply.enhanced) == (552, "5.3.4"), reply
        assert client.mail(FRIEND, f"SIZE={limit}").code == 250


def test_size_limit_holds_without_size(server: Server) -> None:
    alice = server.address_of("alice")
    with stranger(server, timeout=240) as client:
        limit = int(client.extensions["SIZE"])
        line = b"x" * 998 + b"\r\n"
        body = plain("too-big", FRIEND, alice) + line * (limit // len(line) + 2)
        assert client.transaction(FRIEND, alice, body).code == 552


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        (b"RCPT TO:<\xff\xfe@{own}>", {500, 501, 553}),
        (b"RCPT TO:<alice@{own}>\r NOTIFY=NEVER", {501, 555}),
        (b"RCPT TO:<>", {501, 550, 553, 554}),
        (b"RCPT TO:<alice@@{own}>", {501, 550, 553, 554}),
        (b"RCPT TO:alice at home", {501, 555}),
        (b"RCPT TO:<" + b"a" * 3000 + b"@{own}>", {500, 501, 550, 552}),
    ],
    ids=["not_utf8", "carriage_return", "empty", "two_at_signs", "words", "long"],
)
def test_broken_recipient_is_refused(server: Server, line: bytes, codes: set[int]) -> None:
    with stranger(server) as client:
        client.mail(FRIEND)
        reply = client.say(line.replace(b"{own}", server.domain.encode()))
    assert reply.code in codes, reply


@pytest.mark.parametrize(
    "sender", ["b@@b.test", "b@b@world.example", "b@", "@world.example", "b@-.example", "b c@world.example", "b"]
)
def test_broken_sender_is_refused(server: Server, sender: str) -> None:
    reply = verdict(server, sender, server.address_of("alice"))
    assert reply.rejected, reply


def test_carriage_return_in_mail_is_refused(server: Server) -> None:
    with stranger(server) as client:
        reply = client.say(f"MAIL FROM:<{FRIEND}>\rX".encode())
    assert (reply.code, reply.enhanced) == (555, "5.5.4"), reply


@pytest.mark.parametrize("port", ["smtp", "submission"])
def test_command_injected_before_the_handshake_is_not_executed(server: Server, port: str) -> None:
    with Smtp(server.address, server.ports[port]) as client:
        client.ehlo(HELO)
        client.send(b"STARTTLS\r\nRSET\r\nMAIL FROM:<injected@world.example>\r\n")
        assert client.read().code == 220
        with contextlib.suppress(OSError):
            client.wrap()
            # The session begins anew: MAIL has not been said, so RCPT is out of order.
            assert client.ehlo(HELO).code == 250
            assert client.say(f"RCPT TO:<{server.address_of('alice')}>").code in (503, 530)
            return
        # Hanging up in the middle of the handshake is right as well (Postfix 3.9 and later).


def test_bad_sequences_do_not_crash_or_bypass(server: Server) -> None:
    """CVE fixes of 2026: a broken BDAT, DATA without a recipient, a second transaction after a refused one."""
    alice, token = server.address_of("alice"), new_token()
    with stranger(server) as client:
        assert client.say("DATA").code == 503
        assert client.say("BDAT nonsense").code >= 500
    with stranger(server) as client:
        client.mail(FRIEND)
        assert client.say("DATA").code in (503, 554)
        assert client.rcpt("victim@world.example").code == 554
        assert client.say("DATA").code in (503, 554)
        assert client.say("RSET").code == 250
        assert client.transaction(FRIEND, alice, plain(token, FRIEND, alice)).code == 250
        client.mail(FRIEND)
        assert client.rcpt("victim@world.example").code == 554
    arrived(server, "alice", token)
