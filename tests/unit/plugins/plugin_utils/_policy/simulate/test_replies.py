# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reply texts: enhanced status codes, and what happens to them on their way out."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import replies
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.dnsbl import address_filter


@pytest.mark.parametrize(
    ("text", "code", "rest"),
    [
        ("5.7.1 no", "5.7.1", "no"),
        ("  4.3.2\tlater", "4.3.2", "later"),
        ("5.1.2", "5.1.2", ""),
        ("no", "5.7.0", "no"),
        ("5.1 no", "5.7.0", "5.1 no"),
        ("3.1.1 no", "5.7.0", "3.1.1 no"),
        ("5.1.1.1 no", "5.7.0", "5.1.1.1 no"),
        ("5.1000.1 no", "5.7.0", "5.1000.1 no"),
        ("5.7.1x no", "5.7.0", "5.7.1x no"),
    ],
)
def test_split_enhanced_code(text: str, code: str, rest: str) -> None:
    assert replies.split_enhanced_code("5.7.0", text) == (code, rest)


@pytest.mark.parametrize(
    ("code", "reply_class", "fitted"),
    [
        ("5.7.1", replies.SENDER, "5.7.1"),
        ("5.1.1", replies.SENDER, "4.1.7"),
        ("5.1.2", replies.SENDER, "4.1.8"),
        ("5.1.9", replies.SENDER, "4.1.0"),
        ("5.1.8", replies.RECIPIENT, "4.1.2"),
        ("5.1.6", replies.RECIPIENT, "4.1.6"),
        ("5.1.1", replies.CLIENT, "4.0.0"),
    ],
)
def test_address_codes_fit_what_is_rejected(code: str, reply_class: str, fitted: str) -> None:
    assert replies.fit_enhanced_code(code, reply_class) == fitted


@pytest.mark.parametrize(
    ("code", "dsn", "text", "line"),
    [
        (554, "5.7.1", "no", "554 5.7.1 no"),
        (55, "5.7.1", "no", replies.SERVICE_UNAVAILABLE),
        (250, "2.0.0", "no", replies.SERVICE_UNAVAILABLE),
        (554, "no", "no", replies.SERVICE_UNAVAILABLE),
        (554, "5.7.1", "a\tb\x7fc", "554 5.7.1 a b c"),
    ],
)
def test_rejection(code: int, dsn: str, text: str, line: str) -> None:
    assert replies.rejection(code, dsn, text) == line


@pytest.mark.parametrize(
    ("line", "softened"),
    [
        ("554 5.7.1 no", "454 4.7.1 no"),
        ("503 Error: x", "403 Error: x"),
        ("450 4.7.1 no", "450 4.7.1 no"),
        ("250 5.7.1 odd", "250 5.7.1 odd"),
    ],
)
def test_soft_bounce(line: str, softened: str) -> None:
    assert replies.softened(line) == softened


def test_octets_without_smtputf8_are_not_printable() -> None:
    assert replies.printable("ü", utf8=False) == "  "
    assert replies.printable("ü") == "ü"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("554 5.7.1 no", (554, "5.7.1", "no")),
        ("220 mx ESMTP", (220, None, "mx ESMTP")),
        ("503 Error: x", (503, None, "Error: x")),
    ],
)
def test_parts(line: str, parts: tuple[int, str | None, str]) -> None:
    assert replies.parts(line) == parts


@pytest.mark.parametrize(
    ("pattern", "last"),
    [
        ("127.0.0.2", ((2, 2),)),
        ("127.0.0.[2..11]", ((2, 11),)),
        ("127.0.0.[2;4..6]", ((2, 2), (4, 6))),
        ("[127.0.0.3]", ((3, 3),)),
        ("127.0.0", None),
        ("127.0.0.x", None),
        ("127.0.0.256", None),
        ("127.0.0.[9..2]", None),
        ("127.0.0.[2,3]", None),
        ("127.0.0.2*3", None),
        ("[127.0.0.3", None),
        ("", None),
    ],
)
def test_address_filter(pattern: str, last: tuple[tuple[int, int], ...] | None) -> None:
    fields = address_filter(pattern)
    assert (fields[-1] if fields else None) == last
