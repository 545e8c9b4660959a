# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arbitrary text: the parsers know no exception but PolicyError, and lose nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import catalogue
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import expand, main_cf, master_cf, words
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.rich import normalise
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.startup import check_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

PIECES = st.one_of(
    st.sampled_from(sorted(catalogue.RESTRICTIONS)),
    st.sampled_from(["lmdb:/x", ":", "{", "}", "{ a = b }", "$a", "${a", "${a?{", "}:{", "}", "$$", "$", "#", "\0"]),
    st.sampled_from([" ", ",", "\n", "\n  ", "\t", "=", "-o", "-oa=b", "smtp inet n - y - - smtpd", "<level", "{3.6}"]),
)
TEXT = st.one_of(
    st.text(max_size=60), st.lists(PIECES, max_size=30).map("".join), st.lists(PIECES, max_size=30).map(" ".join)
)
NAMES = st.sampled_from(["a", "smtpd_relay_restrictions", "smtpd_restriction_classes", "mynetworks", "reject_code"])
PARAMETERS = st.dictionaries(st.one_of(NAMES, TEXT), TEXT, max_size=5)
YAML = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["name", "table", "domain", "filter", "warn", "service", "seconds"]), inner),
    ),
    max_leaves=5,
)
QUICK = settings(max_examples=100, deadline=None, derandomize=True)


@QUICK
@given(TEXT)
def test_words(text: str) -> None:
    found = words.split(text)
    kept = "".join(char for char in text if char not in ", \t\r\n")
    assert "".join(char for word in found for char in str(word) if char not in ", \t\r\n") == kept
    elements = words.parse_list(text, {"a"})
    assert [word for element in elements for word in element.words] == list(found)
    plain = words.canonical(elements)
    assert words.canonical(words.parse_list(plain, {"a"})) == plain


@QUICK
@given(TEXT, st.dictionaries(st.sampled_from(["a", "b", "c"]), TEXT))
def test_macros(text: str, values: dict[str, str]) -> None:
    expand.names(text)
    try:
        result = expand.expand(text, values.get)
    except PolicyError:
        return
    if "$" not in text:
        assert result == text


@QUICK
@given(TEXT)
def test_main_cf(text: str) -> None:
    try:
        found = main_cf.parse(text)
    except PolicyError:
        return
    again = main_cf.parse(main_cf.render(found.parameters))
    assert again.parameters == found.parameters


@QUICK
@given(TEXT)
def test_master_cf(text: str) -> None:
    try:
        found = master_cf.parse(text)
    except PolicyError:
        return
    again = master_cf.parse(master_cf.render(found))
    assert [each.key for each in again] == [each.key for each in found]


@QUICK
@given(PARAMETERS, st.sampled_from(["3.4", "3.7", "3.10", "3.11", "3.12"]), st.one_of(st.none(), TEXT))
def test_policies(parameters: dict[str, str], version: str, master: str | None) -> None:
    try:
        policy = Policy.of(parameters, version, master=master)
        for service in policy.smtpd_services():
            check_parameters(policy.settings(service.key))
            for name in catalogue.LISTS:
                policy.settings(service.key).elements(name)
    except PolicyError:
        return


@QUICK
@given(YAML)
def test_rich(value: Any) -> None:
    elements, problems = normalise(value)
    assert all(isinstance(element, str) for element in elements)
    assert all(problem.reason and problem.fix for problem in problems)


def _processor_seconds(call: Callable[[], object]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


def _read(text: str) -> None:
    expand.names(text)
    try:
        expand.expand(text, {"a": "x"}.get)
        main_cf.parse(text)
        master_cf.parse(text)
    except PolicyError:
        pass
    words.elements_of(words.split(text))


@pytest.mark.parametrize(
    "make",
    [
        lambda number: "reject_rbl_client x.example " * number,
        lambda number: "{ " * number,
        lambda number: "} " * number,
        lambda number: "{ " * number + "} " * number,
        lambda number: "$a " * number,
        lambda number: "${a?{" * number,
        lambda number: "${a?{" * number + "}}" * number,
        lambda number: "$(" * number + "a" + ")" * number,
        lambda number: "warn_if_reject " * number,
        lambda number: "a = b\n  # c\n" * number,
        lambda number: "smtp inet n - y - - smtpd\n  -o { a = b }\n" * number,
    ],
)
def test_time_is_linear(make: Callable[[int], str]) -> None:
    few, many = make(1_000), make(10_000)
    assert _processor_seconds(lambda: _read(many)) < 30 * _processor_seconds(lambda: _read(few)) + 0.5
