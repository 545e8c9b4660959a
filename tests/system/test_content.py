# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Messages that are odd, huge or wrong: refused with a permanent code, or stored and readable."""

from __future__ import annotations

import time

from dialogue.clients import FRIEND, send_in, stranger
from dialogue.imap import Mailbox, arrived
from dialogue.lab import Server
from dialogue.message import new_token, plain
from dialogue.smtp import Reply, elapsed


def send_to_alice(server: Server, message: bytes) -> Reply:
    with stranger(server, timeout=240) as client:
        return client.transaction(FRIEND, server.address_of("alice"), message)


def test_two_from_fields_are_refused(server: Server) -> None:
    message = b"From: <boss@world.example>\r\n" + plain(new_token(), FRIEND, server.address_of("alice"))
    reply = send_to_alice(server, message)
    assert reply.rejected, reply


def test_one_from_field_with_a_long_folded_value_is_accepted(server: Server) -> None:
    token = new_token()
    sender = b"From: =?utf-8?q?a_very_long_name?=\r\n =?utf-8?q?that_is_folded?=\r\n <friend@world.example>"
    message = plain(token, FRIEND, server.address_of("alice")).replace(b"From: <friend@world.example>", sender)
    assert send_to_alice(server, message).code == 250
    assert sender.replace(b"\r\n", b"\n") in arrived(server, "alice", token).replace(b"\r\n", b"\n")


def test_from_in_the_body_is_not_a_second_from(server: Server) -> None:
    """A forwarded message inside, as text and as an attachment, has a From of its own."""
    token = new_token()
    inner = "From: <other@world.example>\r\nSubject: inner\r\n\r\nHello.\r\n"
    message = plain(token, FRIEND, server.address_of("alice")).replace(
        b"\r\n\r\n",
        b'\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\n'
        + inner.encode()
        + b"--b\r\nContent-Type: message/rfc822\r\n\r\n"
        + inner.encode()
        + b"--b--\r\n",
        1,
    )
    assert send_to_alice(server, message).code == 250
    arrived(server, "alice", token)


def test_mail_that_went_in_circles_is_refused(server: Server) -> None:
    hop = b"Received: from a.example by b.example with SMTP; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    reply = send_to_alice(server, hop * 60 + plain(new_token(), FRIEND, server.address_of("alice")))
    assert reply.rejected and "hops" in reply.text, reply


def test_forty_hops_are_no_circle(server: Server) -> None:
    token = new_token()
    hop = b"Received: from a.example by b.example with SMTP; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    assert send_to_alice(server, hop * 40 + plain(token, FRIEND, server.address_of("alice"))).code == 250
    arrived(server, "alice", token)


def test_message_without_header_is_delivered(server: Server) -> None:
    token = new_token()
    assert send_to_alice(server, f"\r\n{token} is all there is.\r\n".encode()).code == 250
    with Mailbox(server, "alice") as mailbox:
        assert len(mailbox.wait_search("BODY", token)) == 1


def test_empty_message_is_answered(server: Server) -> None:
    reply = send_to_alice(server, b"")
    assert reply.code == 250 or reply.rejected, reply


def test_nul_in_the_body_is_readable_by_imap(server: Server) -> None:
    token = new_token()
    body = "before\0after"
    assert send_to_alice(server, plain(token, FRIEND, server.address_of("alice"), body)).code == 250
    stored = arrived(server, "alice", token)
    assert b"before" in stored and b"after" in stored


def test_megabyte_of_header_is_readable_by_imap(server: Server) -> None:
    token = new_token()
    field = b"X-Filler: " + b"x" * 900 + b"\r\n"
    message = _after_first(plain(token, FRIEND, server.address_of("alice")), field * 1200)
    assert send_to_alice(server, message).code == 250
    _read(server, token)


def test_fifty_thousand_fields_are_readable_by_imap(server: Server) -> None:
    token = new_token()
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(50_000))
    message = _after_first(plain(token, FRIEND, server.address_of("alice")), fields)
    assert send_to_alice(server, message).code == 250
    _read(server, token)


def test_deeply_nested_parts_are_readable_by_imap(server: Server) -> None:
    token, depth = new_token(), 150
    opening = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (number, number) for number in range(depth)
    )
    closing = b"".join(b"--b%d--\r\n" % number for number in reversed(range(depth)))
    header = plain(token, FRIEND, server.address_of("alice")).partition(b"\r\n\r\n")[0]
    message = header + b"\r\nMIME-Version: 1.0\r\n" + opening + b"\r\nHello.\r\n" + closing
    assert send_to_alice(server, message).code == 250
    _read(server, token)


def test_line_of_a_hundred_kilobytes_is_delivered(server: Server) -> None:
    token = new_token()
    line = "y" * 100_000
    assert send_to_alice(server, plain(token, FRIEND, server.address_of("alice"), line)).code == 250
    stored = arrived(server, "alice", token)
    assert stored.count(b"y") >= 100_000, "Postfix may fold the line, but keeps what is in it"


def test_eight_bit_body_arrives_unchanged(server: Server) -> None:
    body = "Grüße aus Zürich, Αθήνα, Москва, 東京."
    token = new_token()
    send_in(server, server.address_of("alice"), plain(token, FRIEND, server.address_of("alice"), body))
    assert body.encode() in arrived(server, "alice", token)


def _after_first(message: bytes, fields: bytes) -> bytes:
    """``message`` with more header fields at the end of its header, so that the subject stays near the start."""
    header, _, body = message.partition(b"\r\n\r\n")
    return header + b"\r\n" + fields + b"\r\n" + body


def _read(server: Server, token: str) -> None:
    """All of it and its structure come over IMAP; the server's own limit is not in the way."""
    with Mailbox(server, "alice") as mailbox:
        mailbox.wait(token)
        (uid,) = mailbox.find(token)
        started = time.monotonic()
        assert token.encode() in mailbox.fetch(uid)
        assert b"BODYSTRUCTURE" in mailbox.fetch(uid, "BODYSTRUCTURE")
        print(f"fetched in {elapsed(started):.1f} s")
