# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Phrases in headers and names of attachments, asked of real servers; the rules are those of lab ``edge``.

The expressions are tested one by one in tests/unit; here Postfix of each release reads the live tables.
"""

from __future__ import annotations

import base64
import itertools
import quopri
from collections.abc import Iterator
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from random import Random

import pytest
from dialogue.clients import FRIEND, stranger
from dialogue.lab import Server
from dialogue.message import new_token, plain
from dialogue.smtp import Reply

LABEL = "(광고)"
CODECS = {"utf-8": "utf-8", "euc-kr": "euc_kr", "ks_c_5601-1987": "cp949"}


def b_word(text: str, label: str) -> str:
    return f"=?{label}?B?{base64.b64encode(text.encode(CODECS[label])).decode()}?="


def q_word(text: str, label: str) -> str:
    coded = quopri.encodestring(text.encode(CODECS[label]), header=True).decode().replace("=\n", "")
    return f"=?{label}?Q?{coded}?="


def subjects(text: str) -> Iterator[bytes]:
    """The text in many forms; each character of it in another word too."""
    yield text.encode()
    yield text.encode("euc_kr")
    for label in CODECS:
        for before in ("", "a", "ab"):
            yield b_word(before + text, label).encode()
            yield q_word(before + text, label).encode()
        for cut in range(1, len(text)):
            for first, second in itertools.product((b_word, q_word), repeat=2):
                yield f"{first(text[:cut], label)}\n {second(text[cut:], label)}".encode()
        yield " ".join(b_word(char, label) for char in text).encode()
        yield f"{text[0]}{q_word(text[1:-1], label)}{text[-1]}".encode()
    for charset in ("utf-8", "euc-kr"):
        yield Header(f"{text} 오늘만 특별한 가격으로 드립니다", charset, header_name="Subject").encode().encode()


def answers(server: Server, table: str, headers: list[bytes]) -> list[bool]:
    """What postmap says of each header, which it reads from a message as cleanup does."""
    marked = [b"%s\nX-Mark: %d\n" % (header, number) for number, header in enumerate(headers)]
    script = f'exec postmap -hq - "$(postconf -hx {table})" pcre:/tmp/postern-mark'
    server.run("sh", "-c", "echo '/^X-Mark: /' MARK > /tmp/postern-mark")
    done = server.run("sh", "-c", script, data=b"".join(marked) + b"\n", check=False)
    assert done.stderr == b""
    found, hit = [], False
    for line in done.stdout.split(b"\n"):
        if line.startswith(b"X-Mark: "):
            found.append(hit)
            hit = False
        elif b"\t" in line.strip():
            hit = True
    return found


def test_postfix_finds_every_form(server: Server) -> None:
    headers = [b"Subject: " + subject for subject in subjects(LABEL)]
    wrong = [
        header for header, found in zip(headers, answers(server, "header_checks", headers), strict=True) if not found
    ]
    assert wrong == []


def test_postfix_takes_nothing_else_for_it(server: Server) -> None:
    random = Random(1)
    texts = [
        "광고",
        "(광 고",
        "광고)",
        "(광",
        "고)",
        *("".join(random.choices("(광고)가나 a", k=8)) for _ in range(60)),
    ]
    texts = [text for text in texts if LABEL not in text and len(text) > 1]
    headers = [b"Subject: " + subject for text in texts for subject in subjects(text) if LABEL.encode() not in subject]
    headers += [b"X-Subject: " + LABEL.encode(), b"Comments: " + b_word(LABEL, "euc-kr").encode()]
    headers += [b"Subject: KLGksO0p", b"Subject: =?iso-8859-1?B?KLGksO0p?=", b"Subject: (=B1=A4=B0=ED)"]
    # A text whose ends meet around it is found, and rightly so.
    found = answers(server, "header_checks", headers)
    assert [header for header, hit in zip(headers, found, strict=True) if hit] == []


def send(server: Server, message: bytes) -> Reply:
    with stranger(server) as client:
        return client.transaction(FRIEND, server.address_of("alice"), message)


def with_subject(subject: bytes) -> bytes:
    message = plain(new_token(), FRIEND, "alice@example.org")
    head, __, rest = message.partition(b"Subject: ")
    return head + b"Subject: " + subject.replace(b"\n", b"\r\n") + b"\r\n" + rest.partition(b"\r\n")[2]


@pytest.mark.parametrize(
    "subject",
    [
        f"{LABEL} raw".encode(),
        f"{LABEL} raw".encode("euc_kr"),
        b_word(f"today {LABEL}", "ks_c_5601-1987").encode(),
        q_word(f"{LABEL} today", "euc-kr").encode(),
        f"{b_word('(광', 'utf-8')}\n\t{q_word('고)', 'utf-8')}".encode(),
        f"({b_word('광고', 'euc-kr')})".encode(),
    ],
    ids=["utf-8", "euc-kr", "base64", "q", "split", "brackets"],
)
def test_the_sender_reads_why(server: Server, subject: bytes) -> None:
    reply = send(server, with_subject(subject))
    assert reply.code == 550
    assert "광고 메일은 받지 않습니다" in reply.text


@pytest.mark.parametrize(
    "subject", ["광고".encode(), b_word("광고 (x)", "euc-kr").encode(), b"=?iso-8859-1?B?KLGksO0p?="]
)
def test_near_misses_arrive(server: Server, subject: bytes) -> None:
    assert send(server, with_subject(subject)).code == 250


def attached(name: str, parameter: str = "") -> bytes:
    """A message of Python's with an attachment; ``parameter`` in place of what Python makes of the name."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = FRIEND, "alice@example.org", new_token()
    message.set_content("Hello.")
    message.add_attachment(b"MZ", "application", "octet-stream", filename=name)
    data = message.as_bytes()
    return data.replace(f'filename="{name}"'.encode(), parameter.encode()) if parameter else data


@pytest.mark.parametrize(
    "message",
    [
        attached("setup.exe"),
        attached("송장 2026.exe"),
        attached("송장" * 40 + ".JS"),
        attached("x.exe", 'filename*0="x.e";\r\n filename*1*=x%65'),
        attached("x.exe", 'filename="=?utf-8?B?eC5l?=\r\n =?utf-8?Q?xe?="'),
        attached("x.exe", "filename*=utf-8''x%2Ee%58e%2E"),
    ],
    ids=["plain", "korean", "long", "pieces", "words", "percent"],
)
def test_programs_are_refused(server: Server, message: bytes) -> None:
    reply = send(server, message)
    assert reply.code == 550
    assert "실행 파일은 받지 않습니다" in reply.text


@pytest.mark.parametrize("name", ["executive.pdf", "setup.exe.txt", "송장.exe.zip", "data.json"])
def test_other_attachments_arrive(server: Server, name: str) -> None:
    assert send(server, attached(name)).code == 250
