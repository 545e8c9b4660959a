# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The address in a MAIL or RCPT command. The expectations are answers of the real smtpd."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.paths import command_words, extract

PATHS = [
    ("<user@example.org>", "user@example.org", False),
    ("user@example.org", "user@example.org", False),
    ("<>", "", False),
    ('<"a b"@example.org>', "a b@example.org", False),
    ("<a\\ b@example.org>", "a b@example.org", False),
    ("<a b@example.org>", "b@example.org", True),
    ("<@a.example,@b.example:user@example.org>", "user@example.org", False),
    ("<user(comment)@example.org>", "user@example.org", False),
    ("<a@b.example,c@d.example>", "c@d.example", True),
    ('<"user@example.com"@example.org>', "user@example.com@example.org", False),
]


@pytest.mark.parametrize(("text", "address", "bad"), PATHS)
def test_paths(text: str, address: str, bad: bool) -> None:
    path = extract(text, strict=False)
    assert (path.address, path.bad) == (address, bad)


@pytest.mark.parametrize("text", ["user@example.org", "<user(comment)@example.org>"])
def test_strict_paths(text: str) -> None:
    assert extract(text, strict=True).bad


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("MAIL FROM:<a@b> SIZE=1", [("MAIL", False), ("FROM:", False), ("<a@b>", False), ("SIZE=1", False)]),
        ("RCPT TO: <a b@c>", [("RCPT", False), ("TO:", False), ("<a b@c>", False)]),
        ('RCPT TO:<"a>b"@c>', [("RCPT", False), ("TO:", False), ('<"a>b"@c>', False)]),
        ("RCPT TO:<a@b", [("RCPT", False), ("TO:", False), ("<a@b", True)]),
        ("VRFY  a\\ b", [("VRFY", False), ("a\\ b", False)]),
        ("", []),
    ],
)
def test_command_words(command: str, words: list[tuple[str, bool]]) -> None:
    assert command_words(command) == words
