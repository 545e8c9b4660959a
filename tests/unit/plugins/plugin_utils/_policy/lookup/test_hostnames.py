# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and addresses that Postfix accepts."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import (
    ascii_name,
    is_address,
    is_hostname,
    is_literal,
    is_port,
    is_utf8_hostname,
    mail_address,
)


@pytest.mark.parametrize(
    "name",
    ["a", "example.org", "a_b.example", "_dmarc.example.org", "1a.example", "1.a", "x-y.z", "a" * 63, "1_"],
)
def test_hostnames(name: str) -> None:
    assert is_hostname(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "-a",
        "a-",
        "a-.b",
        "a b",
        "ü.example",
        "1",
        "1.2.3",
        "192.0.2.1",
        "a" * 64,
        "a." * 128 + "a",
        "*.a",
    ],
)
def test_no_hostnames(name: str) -> None:
    assert not is_hostname(name)


def test_wildcards_in_questions() -> None:
    assert is_hostname("*.example", wildcard=True)
    assert not is_hostname("a.*.example", wildcard=True)


@pytest.mark.parametrize(
    "address",
    ["192.0.2.1", "0.0.0.0", "001.2.3.4", "::", "::1", "1::", "2001:db8::1", "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8"],
)
def test_addresses(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    ["", "1.2.3", "1.2.3.256", "0.1.2.3", "1.2.3.4.", "1..2.3", ":", ":1", "1:", "1::2::3", "12345::",
     "1:2:3:4:5:6:7:8:9", "g::", "::1.2.3", "1.2.3.4:5"],
)  # fmt: skip
def test_no_addresses(address: str) -> None:
    assert not is_address(address)


@pytest.mark.parametrize(
    ("text", "address"),
    [("192.0.2.1", "192.0.2.1"), ("IPv6:::1", "::1"), ("ipv6:2001:db8::1", "2001:db8::1"), ("::1", None), ("x", None)],
)
def test_mail_address(text: str, address: str | None) -> None:
    assert mail_address(text) == address


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("[192.0.2.1]", True),
        ("[IPv6:::1]", True),
        ("[::1]", False),
        ("[192.0.2.1]x", False),
        ("192.0.2.1", False),
        ("[1.2.3]", False),
    ],
)
def test_literals(text: str, valid: bool) -> None:
    assert is_literal(text) == valid


@pytest.mark.parametrize(("text", "valid"), [("25", True), ("0", True), ("025", False), ("65536", False), ("x", False)])
def test_ports(text: str, valid: bool) -> None:
    assert is_port(text) == valid


def test_names_in_unicode() -> None:
    assert ascii_name("bücher.example") == "xn--bcher-kva.example"
    assert is_utf8_hostname("bücher.example", enabled=True)
    assert not is_utf8_hostname("bücher.example", enabled=False)
