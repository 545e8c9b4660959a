# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quoted and unquoted forms of addresses."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.rfc822 import internal, quote, scan, unquote


@pytest.mark.parametrize(
    ("internal", "external"),
    [
        ("a b@x", '"a b"@x'),
        ("a@b@x", '"a@b"@x'),
        ("a.b@x", "a.b@x"),
        (".a@x", '".a"@x'),
        ('a"b@x', '"a\\"b"@x'),
        ("a..b@x", '"a..b"@x'),
        ("ü@x", "ü@x"),
    ],
)
def test_quoting(internal: str, external: str) -> None:
    assert quote(internal) == external
    assert unquote(external) == internal


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("user@example.org", "user@example.org"),
        ('"a b"@example.org', "a b@example.org"),
        ("a\\ b@example.org", "a b@example.org"),
        ("user@[192.0.2.1]", "user@[192.0.2.1]"),
        ("a b", "a b"),
        ("user @ example.org", "user@example.org"),
        ("user(a (b) c)@x", "user (a (b) c)@x"),
        ("", ""),
    ],
)
def test_internal_form(text: str, result: str) -> None:
    assert internal(scan(text)) == result
