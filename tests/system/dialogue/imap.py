# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""A mailbox read over IMAP: what arrived, byte for byte."""

from __future__ import annotations

import imaplib
from collections import Counter
from types import TracebackType
from typing import Any, Self

from dialogue.lab import Account, Server, insistently, wait_for
from dialogue.smtp import tls_context

TIMEOUT_SECONDS = 120.0

# A line of a message may be longer than imaplib's default of a megabyte, which is about IMAP's own lines.
imaplib._MAXLINE = 20_000_000  # type: ignore[attr-defined]


class Mailbox:
    """A folder of an account, opened over IMAP with implicit TLS. Messages are found by a token in their subject."""

    def __init__(self, server: Server, account: Account | str, folder: str = "INBOX") -> None:
        owner = server.account(account) if isinstance(account, str) else account
        self.label = f"{owner.address}/{folder} on {server.name}"
        self.folder = folder
        self.client = imaplib.IMAP4_SSL(
            server.address, server.ports["imaps"], ssl_context=tls_context(), timeout=TIMEOUT_SECONDS
        )
        self.client.login(owner.address, owner.password)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.shutdown()

    def select(self) -> bool:
        """Open (or look again into) the folder; false when there is none."""
        status, _ = self.client.select(f'"{self.folder}"')
        return status == "OK"

    def find(self, token: str) -> list[bytes]:
        """UIDs of the messages with ``token`` in the subject."""
        return self.search("HEADER", "SUBJECT", f'"{token}"')

    def search(self, *criteria: str) -> list[bytes]:
        """UIDs of the messages that IMAP SEARCH finds (RFC 3501 6.4.4)."""
        if not self.select():
            return []
        status, found = self.client.uid("SEARCH", *criteria)
        assert status == "OK", found
        return found[0].split() if found and found[0] else []

    def fetch(self, uid: bytes, what: str = "BODY.PEEK[]") -> bytes:
        """What is asked of one message: by default all of it, as stored."""
        status, parts = self.client.uid("FETCH", uid.decode(), f"({what})")
        assert status == "OK", parts
        return _literal(parts)

    def wait(self, token: str, *, count: int = 1, timeout: float = 30) -> list[bytes]:
        """The messages with ``token`` in the subject, once there are ``count``. AssertionError after ``timeout`` s."""
        wait_for(f"{count} x {token} in {self.label}", lambda: len(self.find(token)) >= count, timeout=timeout)
        return [self.fetch(uid) for uid in self.find(token)]

    def wait_search(self, *criteria: str, timeout: float = 30) -> list[bytes]:
        """As ``wait``, for messages that have no subject to find them by."""
        wait_for(f"{criteria} in {self.label}", lambda: self.search(*criteria), timeout=timeout)
        return [self.fetch(uid) for uid in self.search(*criteria)]

    def subjects(self, token: str) -> Counter[str]:
        """How often each subject with ``token`` is in the folder, its other words removed from the left."""
        if not self.find(token):
            return Counter()
        status, parts = self.client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert status == "OK", parts
        headers = [part[1].decode(errors="replace") for part in parts if isinstance(part, tuple)]
        return Counter(header.split()[-1] for header in headers if token in header)

    def folders(self) -> dict[str, set[str]]:
        """Folder name to its flags (RFC 6154 special uses among them)."""
        status, lines = self.client.list()
        assert status == "OK", lines
        found: dict[str, set[str]] = {}
        for line in lines:
            assert isinstance(line, bytes)
            flags, _, rest = line.decode().removeprefix("(").partition(") ")
            found[rest.split(" ", 1)[1].strip('"')] = set(flags.split())
        return found

    def delete(self, token: str) -> None:
        """Remove the messages with ``token`` in the subject."""
        uids = self.find(token)
        for start in range(0, len(uids), 500):
            chunk = b",".join(uids[start : start + 500]).decode()
            self.client.uid("STORE", chunk, "+FLAGS.SILENT", r"(\Deleted)")
        self.client.expunge()


def _literal(parts: list[Any]) -> bytes:
    for part in parts:
        if isinstance(part, tuple):
            return bytes(part[1])
    return b" ".join(part for part in parts if isinstance(part, bytes))


def arrived(
    server: Server,
    account: Account | str,
    token: str,
    *,
    timeout: float = 30,
    folder: str = "INBOX",
    flush: bool = False,
) -> bytes:
    """The one message with ``token`` in its subject. AssertionError when there are none in time, or several.

    ``flush``: it may wait in the server's own queue for another attempt.
    """
    with Mailbox(server, account, folder) as mailbox:
        if flush:
            wait_for(f"{token} in {mailbox.label}", insistently(server, lambda: mailbox.find(token)), timeout=timeout)
        messages = mailbox.wait(token, timeout=timeout)
    assert len(messages) == 1, f"{len(messages)} copies of {token} in {mailbox.label}"
    return messages[0]
