# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What an update changes, and what it leaves alone."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import RecordSet, zone_of
from ansible_collections.postern.mail.plugins.plugin_utils._dns.plan import Plan, Present, kind, make_plan

SPF = "v=spf1 mx -all"
GOOGLE = "google-site-verification=abc"


def planned(wanted: RecordSet, present: Present) -> Plan:
    return make_plan([wanted], lambda name: zone_of(name, ["example.org"]), lambda name, kind: present)


def texts(*values: str, name: str = "example.org") -> RecordSet:
    return RecordSet(name, "TXT", values, 3600)


@pytest.mark.parametrize(
    ("there", "after"),
    [
        ((), (SPF,)),
        ((GOOGLE,), (GOOGLE, SPF)),
        ((GOOGLE, "v=spf1 a ~all", "MS=ms1"), (GOOGLE, "MS=ms1", SPF)),
        (("v=spf1 a -all", "V=SPF1"), (SPF,)),
        (("v=spf10 is no policy",), ("v=spf10 is no policy", SPF)),
        ((SPF, "v=spf1 a -all"), (SPF,)),
    ],
)
def test_only_values_of_the_same_kind_are_replaced(there: tuple[str, ...], after: tuple[str, ...]) -> None:
    (change,) = planned(texts(SPF), Present(there, 3600)).changes
    assert (change.zone, change.after) == ("example.org", after)


@pytest.mark.parametrize("there", [(SPF,), (GOOGLE, SPF), (SPF, GOOGLE, "another")])
def test_what_is_right_is_not_touched(there: tuple[str, ...]) -> None:
    assert planned(texts(SPF), Present(there, 3600)) == Plan()


def test_another_time_is_a_change() -> None:
    (change,) = planned(texts(SPF), Present((SPF,), 60)).changes
    assert change.lines() == [
        '- example.org. 60 TXT "v=spf1 mx -all"',
        '+ example.org. 3600 TXT "v=spf1 mx -all"',
    ]


def test_the_name_of_a_key_holds_one_key() -> None:
    name = "s._domainkey.example.org"
    (change,) = planned(texts("v=DKIM1; p=NEW", name=name), Present(("v=DKIM1; p=OLD", "k=rsa; p=OLDER"), 3600)).changes
    assert change.after == ("v=DKIM1; p=NEW",)


def test_other_types_are_replaced_whole_and_the_diff_says_so() -> None:
    wanted = RecordSet("example.org", "MX", ("10 mx1.example.org.", "20 mx2.example.org."), 3600)
    (change,) = planned(wanted, Present(("10 mx1.example.org.", "5 old.example.net."), 3600)).changes
    assert change.after == wanted.values
    assert change.lines() == [
        "  example.org. 3600 MX 10 mx1.example.org.",
        "- example.org. 3600 MX 5 old.example.net.",
        "+ example.org. 3600 MX 20 mx2.example.org.",
    ]


def test_what_is_in_no_zone_of_ours_is_told() -> None:
    plan = planned(texts(SPF, name="example.com"), Present())
    assert (plan.outside, plan.changes) == (["example.com TXT"], [])


@pytest.mark.parametrize(
    ("wanted", "present"),
    [
        (texts(SPF), Present((), 0, alias="elsewhere.example")),
        (RecordSet("www.example.org", "CNAME", ("a.example.",), 60), Present((), 0, others=("A",))),
    ],
)
def test_an_alias_and_something_else_cannot_be_at_one_name(wanted: RecordSet, present: Present) -> None:
    """A server would answer NOERROR and do nothing (RFC 2136 3.4.2.2)."""
    plan = planned(wanted, present)
    assert len(plan.wrong) == 1
    assert plan.changes == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v=spf1", "spf1"),
        ("v=spf1 -all", "spf1"),
        ("V=DMARC1;p=none", "dmarc1"),
        ("v = DMARC1 ; p=none", "dmarc1"),
        ("v=TLSRPTv1; rua=x", "tlsrptv1"),
        ("v=STSv1; id=1;", "stsv1"),
        ("v=spf10", ""),
        ("spf2.0/pra", ""),
        ("", ""),
    ],
)
def test_kinds_of_texts(text: str, expected: str) -> None:
    assert kind(text) == expected
