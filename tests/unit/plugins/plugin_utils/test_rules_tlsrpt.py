"""Reports of TLS: only where Postfix can make them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._rules_tlsrpt import tlsrpt


def found(path: str, *platforms: str, everywhere: bool = False, features: list[str] | None = None) -> list[str]:
    values: dict[str, Any] = {"postfix_tlsrpt_socket": path, "mail_features": features or ["postfix"]}
    inventory = Inventory(values=values, platforms=dict.fromkeys(platforms, dict), all_platforms=everywhere)
    return [f"{each.rule} {each.severity}" for each in tlsrpt(inventory)]


@pytest.mark.parametrize(
    ("path", "platforms", "everywhere", "expected"),
    [
        ("", ["Debian 12"], False, []),
        ("/run/tlsrpt/tlsrpt.sock", ["Debian 13", "Debian 12"], False, []),  # as is assumed before facts
        ("/run/tlsrpt/tlsrpt.sock", ["Debian 12"], False, ["tlsrpt error"]),  # as it is
        ("/run/tlsrpt/tlsrpt.sock", ["Debian 13", "Debian 12", "Debian testing"], True, ["tlsrpt warning"]),
        ("run/tlsrpt.sock", ["Debian 13"], False, ["tlsrpt error"]),
        ("/run/a b", ["Debian 13"], False, ["tlsrpt error"]),
        ("/run/", ["Debian 13"], False, ["tlsrpt error"]),
        ("/run/" + "x" * 103, ["Debian 13"], False, ["tlsrpt error"]),
    ],
)
def test_a_socket_is_refused_where_it_cannot_be_used(
    path: str, platforms: list[str], everywhere: bool, expected: list[str]
) -> None:
    assert found(path, *platforms, everywhere=everywhere) == expected


def test_nobody_reads_it_without_postfix() -> None:
    assert found("nonsense", "Debian 12", features=["dovecot"]) == []
