# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The linter says something about every policy that can be read, however odd, and raises nothing."""

from __future__ import annotations

import time

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import LISTS, RESTRICTIONS
from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import lint
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

FORUM = (
    *("#", ";", "!", "{", "}", "{}", "$", "$$", "${", "${x}", "$(x", "${a?b}", "'", '"', "[", "]", ":", "::", ","),
    *("hash:", ":x", "hash:/x", "inline:{", "inline:{a=OK}", "pcre:{{/(/ OK}}", "{a}", "static:", "zen.example.org"),
    *("bl.example.org=127.0.0.x", "127.0.0.1", "class", "other", "warn_if_reject", "unix:private/x", "inet:1", "x@y"),
    *("{ unix:x, a=b }", "cidr:{{192.0.2.1/24 OK}}", "lmdb:$config_directory/x", "texthash:/t", "regexp:/r", "<>"),
    *("proxy:mysql:/m", "unionmap:{hash:/t}"),
)
WORDS = st.one_of(st.sampled_from([*RESTRICTIONS, *FORUM]), st.text(max_size=12))
LIST = st.lists(WORDS, max_size=12).map(" ".join)
NAMES = st.sampled_from(
    [
        *LISTS,
        *("smtpd_restriction_classes", "class", "other", "mynetworks", "smtpd_delay_reject", "smtpd_sasl_auth_enable"),
        *("parent_domain_matches_subdomains", "smtpd_sender_login_maps", "compatibility_level", "relay_domains"),
    ]
)
LINE = st.lists(st.sampled_from(["a", "192.0.2.1/24", "OK", "REJCT", "#", "/x/", "if", "endif", "\n", "@", "x:"])).map(
    " ".join
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(NAMES, LIST, max_size=6),
    st.dictionaries(st.sampled_from(["/t", "/x", "/r"]), LINE, max_size=2),
    st.sampled_from(["3.7", "3.10", "3.11"]),
)
def test_every_policy_has_its_findings(params: dict[str, str], tables: dict[str, str], version: str) -> None:
    try:
        policy = Policy.of(params, version, tables=tables)
    except PolicyError:
        return
    findings = lint(policy)
    assert all(isinstance(finding, Finding) and finding.message and finding.fix for finding in findings)
    assert findings == lint(policy)


def seconds(words: list[str]) -> float:
    policy = Policy.of({"compatibility_level": "3.6", "smtpd_recipient_restrictions": words})
    start = time.process_time()
    lint(policy)
    return time.process_time() - start


@pytest.mark.parametrize(
    "word", ["reject_unknwn_{}", "reject_rbl_client l{}.example.org", "check_client_access inline:{{k{}=REJCT}}"]
)
def test_time_grows_with_the_length_of_a_list(word: str) -> None:
    """Ten times the words may take twenty times as long, not a hundred; the fixed cost counts as half a second."""
    short, long = (seconds([word.format(number) for number in range(length)]) for length in (500, 5000))
    assert long < 20 * (short + 0.05) + 0.5
