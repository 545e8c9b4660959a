# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restriction lists in YAML."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.rich import normalise

# (YAML, elements)
RIGHT: list[tuple[Any, list[str]]] = [
    (None, []),
    ([], []),
    ("permit_mynetworks, Reject", ["permit_mynetworks", "reject"]),
    (["permit_mynetworks", "check_client_access lmdb:/x"], ["permit_mynetworks", "check_client_access lmdb:/x"]),
    (["check_client_access", "lmdb:/x"], ["check_client_access lmdb:/x"]),
    ({"name": "permit"}, ["permit"]),
    ([{"name": "check_client_access", "table": "lmdb:/x"}], ["check_client_access lmdb:/x"]),
    (
        [{"name": "reject_rbl_client", "domain": "zen.example.org", "filter": "127.0.0.[2..11]", "warn": True}],
        ["warn_if_reject reject_rbl_client zen.example.org=127.0.0.[2..11]"],
    ),
    ([{"name": "check_policy_service", "service": "unix:private/x"}], ["check_policy_service unix:private/x"]),
    (
        [{"name": "check_policy_service", "service": "unix:p", "timeout": "5s", "default_action": "450 4.7.1 later"}],
        ["check_policy_service { unix:p, timeout=5s, { default_action=450 4.7.1 later } }"],
    ),
    (
        [
            {
                "name": "check_ccert_access",
                "table": "lmdb:/x",
                "search_order": ["pubkey_fingerprint", "cert_fingerprint"],
            }
        ],
        ["check_ccert_access { lmdb:/x { search_order = pubkey_fingerprint cert_fingerprint } }"],
    ),
    ([{"name": "sleep", "seconds": 5}], ["sleep 5"]),
    ([{"name": "greylist"}], ["greylist"]),
    ([{"name": "check_helo_access", "table": "inline:{ {a = b} }"}], ["check_helo_access inline:{ {a = b} }"]),
]


@pytest.mark.parametrize(("value", "elements"), RIGHT)
def test_right(value: Any, elements: list[str]) -> None:
    assert normalise(value) == (elements, [])


# (item, place of the problem, part of its text)
WRONG: list[tuple[Any, str, str]] = [
    (5, "[0]", "no restriction"),
    (None, "[0]", "no restriction"),
    ("permit { x", "[0]", "Close every {"),
    ({"table": "lmdb:/x"}, "[0]", "name is missing"),
    ({"check_client_access": "lmdb:/x"}, "[0]", "{name: check_client_access, table: lmdb:/x}"),
    ({"name": "check_client_access lmdb:/x"}, "[0].name", "one word"),
    ({"name": "check_client_access"}, "[0].table", "table: lmdb:"),
    ({"name": "check_client_access", "table": "/etc/x"}, "[0].table", "names no type"),
    ({"name": "check_client_access", "table": "lmdb:/x y"}, "[0].table", "not one word"),
    ({"name": "check_client_access", "table": ["lmdb:/x"]}, "[0].table", "no text"),
    ({"name": "check_client_access", "table": "lmdb:/x", "search_order": "cert"}, "[0].search_order", "takes no"),
    ({"name": "check_client_acces", "table": "lmdb:/x"}, "[0].table", "did you mean check_client_access"),
    ({"name": "permit", "table": "lmdb:/x"}, "[0].table", "permit takes no table"),
    ({"name": "reject_rbl_client", "table": "x.example"}, "[0].table", "It takes domain"),
    ({"name": "reject_rbl_client", "domain": "x.example", "filtr": "y"}, "[0].filtr", "did you mean filter"),
    ({"name": "reject_rbl_client", "domain": "x.example=1", "filter": "y"}, "[0].filter", "a filter already"),
    ({"name": "reject_rbl_client", "domain": "x.example", "filter": 127}, "[0].filter", "no address pattern"),
    ({"name": "check_policy_service", "service": "private/x"}, "[0].service", "unix:private/x"),
    ({"name": "sleep", "seconds": "5s"}, "[0].seconds", "no number of seconds"),
    ({"name": "reject", "warn": "ja"}, "[0].warn", "neither true nor false"),
]


@pytest.mark.parametrize(("item", "place", "part"), WRONG)
def test_wrong(item: Any, place: str, part: str) -> None:
    elements, problems = normalise([item, "permit"])
    assert elements == ["permit"]
    assert place in [problem.element for problem in problems]
    assert part in "\n".join(str(problem) for problem in problems)


def test_all_at_once() -> None:
    _elements, problems = normalise([item for item, _place, _part in WRONG])
    assert {problem.element.partition("]")[0] for problem in problems} == {f"[{index}" for index in range(len(WRONG))}
