# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Messages to send: each with a token of its own, by which the test finds it again."""

from __future__ import annotations

import random
import secrets
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime


def new_token() -> str:
    """A word that is in no other message."""
    return f"token-{secrets.token_hex(8)}"


def plain(token: str, sender: str, recipient: str, body: str = "Hello.") -> bytes:
    """A small, correct message with ``token`` as its subject."""
    lines = (
        f"From: <{sender or 'nobody@world.example'}>",
        f"To: <{recipient}>",
        f"Subject: {token}",
        f"Date: {format_datetime(localtime())}",
        f"Message-ID: <{token}@client.invalid>",
        "",
        body,
    )
    return "\r\n".join((*lines, "")).encode()


def with_attachments(token: str, sender: str, recipient: str) -> bytes:
    """Text in two alphabets and two binary attachments, a name outside ASCII among them, lines of every kind."""
    noise = random.Random(token)
    message = EmailMessage(policy=SMTP.clone(max_line_length=76))
    message["From"] = f"Frïend <{sender}>"
    message["To"] = recipient
    message["Subject"] = token
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = f"<{token}@client.invalid>"
    message["X-Folded"] = " ".join(f"word{number}" for number in range(40))
    message.set_content("Zürich, Αθήνα.\n.\n..\nFrom the start of a line.\n trailing blanks   \n\n\n-- \nF\n")
    message.add_attachment(noise.randbytes(100_000), "application", "octet-stream", filename="noise.bin")
    message.add_attachment(bytes(range(256)) * 16, "image", "png", filename="Bücher ☃.png")
    return message.as_bytes()


def body_of(message: bytes) -> bytes:
    """Everything after the header."""
    return message.replace(b"\r\n", b"\n").partition(b"\n\n")[2]


def header_of(message: bytes) -> bytes:
    """The header with LF line ends, without the empty line."""
    return message.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
