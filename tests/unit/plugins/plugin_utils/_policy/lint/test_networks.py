# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mynetworks: what Postfix makes of each word, and what should stand there."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import example_policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.networks import RULES
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding


def found(value: str) -> list[Finding]:
    policy = example_policy(f"mynetworks = {value}\n")
    return [finding for rule in RULES for finding in rule(policy)]


# mynetworks -> code, index, part of the fix
WRONG = [
    ("0.0.0.0/0", "mynetworks-too-wide", 0, "127.0.0.0/8"),
    ("127.0.0.1 [::]/0", "mynetworks-too-wide", 1, "127.0.0.0/8"),
    ("127.0.0.1 203.0.0.0/16", "mynetworks-too-wide", 1, ""),
    ("127.0.0.1 [2001:db8::]/29", "mynetworks-too-wide", 1, ""),
    ("127.0.0.1 198.51.96.0/20", "mynetworks-large", 1, ""),
    ("127.0.0.1 10.0.0.0/8", "mynetworks-private-range", 1, "one by one"),
    ("127.0.0.1 172.17.0.0/16", "mynetworks-private-range", 1, "container"),
    ("127.0.0.1 172.18.0.0/24", "mynetworks-private-range", 1, "container"),
    ("127.0.0.1 172.17.0.1", "mynetworks-private-range", 1, "from outside"),
    ("127.0.0.1 example.org", "mynetworks-name", 1, "addresses"),
    ("127.0.0.1 .example.org", "mynetworks-name", 1, "addresses"),
    ("localhost 127.0.0.1", "mynetworks-name", 0, "127.0.0.0/8"),
    ("127.0.0.1 192.168.1.10/24", "mynetworks-host-bits", 1, "Write 192.168.1.0/24 for"),
    ("127.0.0.1 !192.168.1.10/24", "mynetworks-host-bits", 1, "Write !192.168.1.0/24 for"),
    ("[::ffff:127.0.0.1]/104 127.0.0.1", "mynetworks-host-bits", 0, "Write [::ffff:7f00:0]/104"),
    ("127.0.0.1 192.168.1.0/255.255.255.0", "mynetworks-bad-pattern", 1, "Write 192.168.1.0/24"),
    ("127.0.0.1 192.168.1.0/33", "mynetworks-bad-pattern", 1, ""),
    ("127.0.0.1 10/8", "mynetworks-bad-pattern", 1, "Write 10.0.0.0/8"),
    ("127.0.0.1 [::1", "mynetworks-bad-pattern", 1, ""),
    ("127.0.0.1 ::1/128", "mynetworks-missing-brackets", 1, "Write [::1]/128"),
    ("127.0.0.1 2001:db8::/64", "mynetworks-missing-brackets", 1, "Write [2001:db8::]/64"),
    ("127.0.0.1 2001:db8::7/64", "mynetworks-missing-brackets", 1, "Write [2001:db8::]/64"),
    ("127.0.0.1 192.168.1.*", "mynetworks-matches-nobody", 1, "Write 192.168.1.0/24"),
    ("127.0.0.1 192.168.", "mynetworks-matches-nobody", 1, "Write 192.168.0.0/16"),
    ("127.0.0.1 '192.168.1.7'", "mynetworks-matches-nobody", 1, "Write 192.168.1.7"),
    ("127.0.0.1 192.168.1.1-192.168.1.2", "mynetworks-matches-nobody", 1, "192.168.1.1/32"),
    ("127.0.0.1 300.1.1.1", "mynetworks-matches-nobody", 1, ""),
    ("127.0.0.1 # this host", "mynetworks-comment", 1, "line of its own"),
    ("127.0.0.1 192.168.7.0/24 !192.168.7.66", "mynetworks-exclusion-too-late", 2, "before 192.168.7.0/24"),
    ("127.0.0.1 ! 192.168.7.66", "mynetworks-lonely-exclamation-mark", 1, "without a space"),
    ("192.168.7.6", "mynetworks-without-loopback", None, "127.0.0.0/8"),
    ("127.0.0.1 inline:{192.168.7.0/24=ok}", "mynetworks-table-key", 1, "cidr:"),
]


@pytest.mark.parametrize(("value", "code", "index", "fix"), WRONG)
def test_wrong(value: str, code: str, index: int | None, fix: str) -> None:
    (finding,) = found(value)
    assert (finding.code, finding.index) == (code, index)
    assert fix in finding.fix


RIGHT = [
    "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128",
    "127.0.0.0/8, [::1/128], 192.0.2.7, 198.51.100.0/24",
    "127.0.0.0/8 !192.168.1.66 192.168.1.0/24",
    "127.0.0.0/8 [2001:db8:1::]/48",
    "127.0.0.0/8 192.168.1.0/24 10.1.2.3/32",
    "127.0.0.0/8 cidr:/etc/postfix/networks /etc/postfix/more",
    "127.0.0.0/8 inline:{192.0.2.7=ok}",
    "",
]


@pytest.mark.parametrize("value", RIGHT)
def test_right(value: str) -> None:
    assert found(value) == []


def test_relay_findings_have_a_session() -> None:
    (finding,) = found("127.0.0.1 0.0.0.0/0")
    assert finding.session is not None
    assert finding.session["addr"] == "198.51.100.77"
