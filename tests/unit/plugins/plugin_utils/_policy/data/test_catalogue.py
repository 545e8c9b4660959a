# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue is complete and agrees with itself."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import (
    ACCESS_RESULTS,
    GUARDS,
    LISTS,
    RESTRICTIONS,
    Argument,
    Restriction,
    Works,
    lookup,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.parameters import KNOWN
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.words import split


def test_every_word_of_postfix() -> None:
    assert len(RESTRICTIONS) == 80
    assert sum(each.implemented for each in RESTRICTIONS.values()) == 78


def test_guards_are_those_of_smtpd() -> None:
    guards = {"reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit"}
    assert guards | {"check_relay_domains"} == GUARDS


@pytest.mark.parametrize("entry", RESTRICTIONS.values(), ids=lambda entry: entry.name)
def test_entry(entry: Restriction) -> None:
    assert entry.summary and entry.name == entry.name.lower()
    assert set(entry.stages) == set(LISTS)
    assert all((effect.works is Works.YES) == (not effect.reason) for effect in entry.stages.values())
    for word in (str(word) for word in split(entry.replacement)):
        replacement = lookup(word)
        assert word == "relay_domains" or (replacement and replacement.implemented and not replacement.removed)
    for parameter in filter(None, (entry.code_parameter, entry.tempfail)):
        assert parameter in KNOWN
    if entry.alias_of:
        same = RESTRICTIONS[entry.alias_of]
        assert (same.argument, same.results, same.reply, same.needs) == (
            entry.argument,
            entry.results,
            entry.reply,
            entry.needs,
        )
    if entry.code is not None:
        assert str(entry.code)[0] == entry.dsn[0]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("reject", "reject"),
        ("REJECT_Unauth_Destination", "reject_unauth_destination"),
        ("reject_sender_login_mismatch", "reject_sender_login_mismatch"),
        ("Reject_sender_login_mismatch", None),
        ("reject_unknown_sender", None),
        ("", None),
    ],
)
def test_lookup(word: str, name: str | None) -> None:
    found = lookup(word)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("name", "works"),
    [
        ("check_relay_domains", [True, True, False, False]),
        ("reject_maps_rbl", [True, True, False, False]),
        ("permit_mx_backup", [True, True, True, True]),
        ("reject_unknown_forward_client_hostname", [False, False, False, False]),
    ],
)
def test_releases(name: str, works: list[bool]) -> None:
    assert [RESTRICTIONS[name].works_in(version) for version in ((3, 4), (3, 8), (3, 9), (3, 11))] == works


def test_lists() -> None:
    tables = {each.bare_table for each in LISTS.values()} - {""}
    assert all(RESTRICTIONS[name].argument is Argument.TABLE for name in tables)
    assert [each.order for each in LISTS.values()] == list(range(8))


def test_access_results() -> None:
    assert {name for name, each in ACCESS_RESULTS.items() if each.message} == {
        "FILTER",
        "HOLD",
        "DISCARD",
        "REDIRECT",
        "BCC",
        "PREPEND",
    }
