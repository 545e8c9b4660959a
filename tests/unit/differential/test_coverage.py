# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The corpus leaves nothing out that the catalogue knows, and the recordings show that it matters."""

from __future__ import annotations

import re

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import (
    ACCESS_RESULTS,
    LISTS,
    RESTRICTIONS,
)
from postern_differential import recordings
from postern_differential.cases import RELEASES, Case, load

CASES = load()
TABLE_TYPES = (
    *("btree", "cdb", "cidr", "fail", "hash", "inline", "lmdb", "pcre", "pipemap", "randmap", "regexp", "static"),
    *("texthash", "unionmap"),
)


def _words(case: Case) -> set[str]:
    text = " ".join(str(value) for value in [*case.params.values(), *case.tables.values(), case.master])
    return {word.lower() for word in re.findall(r"\w+", text)}


EVERY_WORD = set().union(*(_words(case) for case in CASES))


@pytest.mark.parametrize("restriction", RESTRICTIONS)
def test_every_restriction_is_in_a_case(restriction: str) -> None:
    assert restriction in EVERY_WORD


@pytest.mark.parametrize("result", ACCESS_RESULTS)
def test_every_result_of_access_tables_is_in_a_case(result: str) -> None:
    assert result.lower() in EVERY_WORD


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_every_type_of_table_is_in_a_case(kind: str) -> None:
    assert any(f"{kind}:" in str(value) for case in CASES for value in case.params.values())


@pytest.mark.parametrize("parameter", LISTS)
def test_every_list_refuses_and_lets_through(parameter: str) -> None:
    own = {"data": "DATA", "end_of_data": "EOD", "etrn": "ETRN"}
    stage = own.get(parameter.removeprefix("smtpd_").removesuffix("_restrictions"), "RCPT")
    answers = recordings.read("trixie")
    codes = {
        answer[2] // 100
        for case in CASES
        if parameter in case.params and case.name in answers
        for answer in answers[case.name]["stages"]
        if answer[0] == stage
    }
    assert {4, 5} <= codes and codes & {2, 3}


def test_the_corpus_is_large_enough_for_each_release() -> None:
    for release in RELEASES:
        assert sum(release in case.releases for case in CASES) >= 250
