# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restriction lists cut into words and elements."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Kind
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.words import canonical, parse_list, split

# (value, words as written)
SPLIT = [
    ("", []),
    (" \t,\r\n, ", []),
    ("permit", ["permit"]),
    (" permit_mynetworks,\n\treject ", ["permit_mynetworks", "reject"]),
    ("a,,b , c", ["a", "b", "c"]),
    ("{ a b }", ["{ a b }"]),
    ("x { a { b, c } d } y", ["x", "{ a { b, c } d }", "y"]),
    ("x{ a }y z", ["x{ a }y", "z"]),
    ("{ a }{ b } c", ["{ a }{ b }", "c"]),
    ("a } b", ["a", "}", "b"]),
    ("a { b c, d", ["a", "{ b c, d"]),
    ('"a b"', ['"a', 'b"']),
    ("a # b; c", ["a", "#", "b;", "c"]),
    ("a\v\fb\u00a0c", ["a\v\fb\u00a0c"]),
]


@pytest.mark.parametrize(("text", "words"), SPLIT)
def test_split(text: str, words: list[str]) -> None:
    found = split(text)
    assert [str(word) for word in found] == words
    assert [text[word.start : word.start + len(str(word))] for word in found] == words


@pytest.mark.parametrize(
    ("text", "inside"),
    [("{ a }", " a "), ("{}", ""), ("{ a { b } }", " a { b } "), ("{a}{b}", None), ("{a}b", None), ("{a", None)],
)
def test_braces_around_a_word(text: str, inside: str | None) -> None:
    (word,) = split(text)
    assert word.braced == (inside is not None)
    assert word.text == (text if inside is None else inside)


R, C, T, U = Kind.RESTRICTION, Kind.CLASS, Kind.TABLE, Kind.UNKNOWN

# (value, (kind, name, argument, warn) of each element); greylist is a class
ELEMENTS: list[tuple[str, list[tuple[Kind, str, str | None, bool]]]] = [
    ("permit_mynetworks, reject", [(R, "permit_mynetworks", None, False), (R, "reject", None, False)]),
    ("check_client_access lmdb:/x", [(R, "check_client_access", "lmdb:/x", False)]),
    ("lmdb:/x permit", [(T, "lmdb:/x", None, False), (R, "permit", None, False)]),
    ("CHECK_client_access Lmdb:/x", [(R, "CHECK_client_access", "Lmdb:/x", False)]),
    # The word after it is its argument, whatever it is.
    ("reject_rbl_client reject_unauth_destination", [(R, "reject_rbl_client", "reject_unauth_destination", False)]),
    ("check_sender_access reject", [(R, "check_sender_access", "reject", False)]),
    ("check_sender_access", [(R, "check_sender_access", None, False)]),
    ("sleep 5 permit", [(R, "sleep", "5", False), (R, "permit", None, False)]),
    ("warn_if_reject reject_rbl_client x.example", [(R, "reject_rbl_client", "x.example", True)]),
    ("warn_if_reject warn_if_reject permit", [(R, "permit", None, True)]),
    ("permit WARN_IF_REJECT", [(R, "permit", None, False), (R, "WARN_IF_REJECT", None, False)]),
    ("warn_if_reject lmdb:/x", [(T, "lmdb:/x", None, True)]),
    ("greylist Greylist", [(C, "greylist", None, False), (U, "Greylist", None, False)]),
    ("reject_sender_login_mismatch", [(C, "reject_sender_login_mismatch", None, False)]),
    ("Reject_sender_login_mismatch", [(U, "Reject_sender_login_mismatch", None, False)]),
    ("permit: reject", [(T, "permit:", None, False), (R, "reject", None, False)]),
    ("{reject} { lmdb:/x }", [(U, "{reject}", None, False), (T, "{ lmdb:/x }", None, False)]),
    ("check_policy_service { unix:p, timeout=1 }", [(R, "check_policy_service", "{ unix:p, timeout=1 }", False)]),
    ("reject_unknown_forward_client_hostname", [(U, "reject_unknown_forward_client_hostname", None, False)]),
    ("check_address_map lmdb:/x", [(U, "check_address_map", None, False), (T, "lmdb:/x", None, False)]),
    # What lower() would make of the Kelvin sign is no letter k.
    ("chec\u212a_policy_service x", [(U, "chec\u212a_policy_service", None, False), (U, "x", None, False)]),
]


@pytest.mark.parametrize(("text", "expected"), ELEMENTS)
def test_elements(text: str, expected: list[tuple[Kind, str, str | None, bool]]) -> None:
    elements = parse_list(text, {"greylist", "permit"})
    found = [
        (each.kind, each.name, None if each.argument is None else str(each.argument), each.warn) for each in elements
    ]
    assert found == expected
    assert [each.index for each in elements] == list(range(len(expected)))
    assert [str(word) for each in elements for word in each.words] == [str(word) for word in split(text)]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Permit_Mynetworks ,reject", "permit_mynetworks, reject"),
        (
            "warn_if_reject WARN_IF_REJECT  Reject_RBL_client\tZen.example",
            "warn_if_reject reject_rbl_client Zen.example",
        ),
        ("Greylist lmdb:/X", "Greylist, lmdb:/X"),
        (
            "check_ccert_access { lmdb:/x { search_order = cert } }",
            "check_ccert_access { lmdb:/x { search_order = cert } }",
        ),
        ("permit warn_if_reject", "permit, warn_if_reject"),
    ],
)
def test_canonical(text: str, plain: str) -> None:
    assert canonical(parse_list(text, {"Greylist"})) == plain
    assert canonical(parse_list(plain, {"Greylist"})) == plain
