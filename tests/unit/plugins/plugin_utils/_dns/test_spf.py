# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""SPF records: syntax, cost, and whom they allow."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._dns import spf

DNS = {
    ("example.org", "MX"): ["10 mx1.example.org.", "20 mx2.example.org."],
    ("mx1.example.org", "A"): ["192.0.2.25"],
    ("mx1.example.org", "AAAA"): ["2001:db8::25"],
    ("mx2.example.org", "A"): ["192.0.2.26"],
    ("many.example", "MX"): [f"10 mx{number}.many.example." for number in range(11)],
    ("one.example", "TXT"): ["v=spf1 ip4:198.51.100.0/24 -all", "something else"],
    ("two.example", "TXT"): ["v=spf1 -all", "v=spf1 +all"],
    ("deep.example", "TXT"): ["v=spf1 include:one.example a:mx1.example.org ?all"],
    ("loop.example", "TXT"): ["v=spf1 include:loop.example -all"],
    ("broken.example", "TXT"): ["v=spf1 nonsense -all"],
    ("redirect.example", "TXT"): ["v=spf1 redirect=one.example"],
    ("text.example", "TXT"): ["no policy"],
}
NAMES = {name for name, _kind in DNS}


def ask(name: str, kind: str) -> spf.Answer:
    if name == "silent.example":
        return spf.Answer("failed")
    if (name, kind) in DNS:
        return spf.Answer("found", tuple(DNS[name, kind]))
    return spf.Answer("empty" if name in NAMES else "nxdomain")


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 -all",
        "v=spf1",
        "V=SPF1 MX A:mx.example.org/24//64 ~all",
        "v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 ?all",
        "v=spf1 exists:%{i}._spf.%{d} include:%{d2}.example.net -all",
        "v=spf1 redirect=_spf.example.org",
        "v=spf1  mx   exp=explain.example.org unknown=x -all",
        "v=spf1 ptr a/24 mx//64 -all",
    ],
)
def test_correct_records_are_read(text: str) -> None:
    spf.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("spf1 -all", "begin"),
        ("v=spf10 -all", "begin"),
        ("v=spf1 al", "no mechanism"),
        ("v=spf1 ip4=192.0.2.1", "colon"),
        ("v=spf1 ip4:192.0.2", "no network"),
        ("v=spf1 ip6:192.0.2.1", "other kind"),
        ("v=spf1 include", "needs a domain"),
        ("v=spf1 include:localhost -all", "no domain"),
        ("v=spf1 a: -all", "nothing after"),
        ("v=spf1 all:x", "takes nothing"),
        ("v=spf1 -redirect=x.example", "no qualifier"),
        ("v=spf1 redirect=a.example redirect=b.example", "twice"),
        ("v=spf1 include:x.example/24", "prefix"),
    ],
)
def test_incorrect_records_say_why(text: str, reason: str) -> None:
    with pytest.raises(spf.SpfError, match=reason):
        spf.parse(text)


@pytest.mark.parametrize(
    ("text", "lookups", "void", "wrong"),
    [
        ("v=spf1 mx -all", 1, 0, 0),
        ("v=spf1 a mx a:mx1.example.org -all", 3, 1, 0),  # the domain itself has no address
        ("v=spf1 ip4:192.0.2.1 -all", 0, 0, 0),
        ("v=spf1 include:deep.example -all", 3, 0, 0),
        ("v=spf1 -all include:deep.example", 0, 0, 0),  # never reached
        ("v=spf1 include:redirect.example -all", 2, 0, 0),
        ("v=spf1 redirect=one.example -all", 0, 0, 0),  # all comes first
        ("v=spf1 exists:%{i}.example ptr -all", 2, 0, 0),
        ("v=spf1 include:nowhere.example -all", 1, 1, 1),
        ("v=spf1 include:text.example -all", 1, 0, 1),
        ("v=spf1 include:two.example -all", 1, 0, 1),
        ("v=spf1 include:loop.example -all", 2, 0, 1),
        ("v=spf1 include:broken.example -all", 1, 0, 1),
        ("v=spf1 mx:many.example -all", 1, 0, 1),
        ("v=spf1 a:a.example a:b.example mx:c.example -all", 3, 3, 0),
        ("v=spf1 " + "a:mx1.example.org " * 11 + "-all", 11, 0, 0),
    ],
)
def test_the_cost_of_a_record(text: str, lookups: int, void: int, wrong: int) -> None:
    cost = spf.cost("example.org", text, ask)
    assert (cost.lookups, len(cost.void), len(cost.wrong)) == (lookups, void, wrong)


def test_what_does_not_answer_is_not_called_wrong() -> None:
    cost = spf.cost("example.org", "v=spf1 include:silent.example a:silent.example -all", ask)
    assert (cost.failed, cost.wrong, cost.void) == (["silent.example", "silent.example"], [], [])


@pytest.mark.parametrize(
    ("address", "text", "allowed"),
    [
        ("192.0.2.25", "v=spf1 mx -all", True),
        ("2001:db8::25", "v=spf1 mx -all", True),
        ("192.0.2.27", "v=spf1 mx -all", False),
        ("192.0.2.27", "v=spf1 mx/24 -all", True),
        ("2001:db8::26", "v=spf1 mx/24 -all", False),
        ("2001:db8::26", "v=spf1 mx/24//64 -all", True),
        ("192.0.2.25", "v=spf1 -mx ip4:192.0.2.25 -all", False),
        ("198.51.100.7", "v=spf1 include:deep.example -all", True),
        ("198.51.100.7", "v=spf1 redirect=one.example", True),
        ("203.0.113.1", "v=spf1 include:deep.example ~all", False),
        ("203.0.113.1", "v=spf1 exists:%{i}.example -all", None),
        ("203.0.113.1", "v=spf1 include:silent.example -all", None),
        ("203.0.113.1", "v=spf1 a:silent.example mx:silent.example -all", None),
        ("203.0.113.1", "v=spf1 +all", True),
        ("203.0.113.1", "v=spf1 a", False),
        ("203.0.113.1", "broken", False),
    ],
)
def test_whom_a_record_allows(address: str, text: str, allowed: bool | None) -> None:
    assert spf.allows(address, "example.org", text, ask) is allowed
