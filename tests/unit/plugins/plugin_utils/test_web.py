"""What is served for mail domains, and what DNS says about it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._web import (
    WebError,
    address_pattern,
    nginx_string,
    policy_id,
    policy_text,
    sites,
)

ONE = {"hostname": "mx1.example.org", "domains": ["example.org", "Example.NET"]}
TWO = {"hostname": "mx2.example.org", "domains": ["example.net", "example.com"]}
SETTINGS: dict[str, Any] = {"stage": "testing", "max_age": 604800}


def made(own: dict[str, Any], *others: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return sites(others, own, **{**SETTINGS, **settings})


def test_the_text_is_as_rfc_8461_has_it() -> None:
    assert policy_text("enforce", ["mx1.example.org", "*.example.net"], 86400) == (
        "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.org\r\nmx: *.example.net\r\nmax_age: 86400\r\n"
    )
    assert policy_text("none", ["mx1.example.org"], 86400) == "version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n"


def test_the_identifier_changes_exactly_with_the_policy() -> None:
    texts = {policy_text(mode, [mx], age) for mode in ("testing", "enforce") for mx in "ab" for age in (1, 2)}
    ids = {policy_id(text) for text in texts}
    assert len(ids) == len(texts) == 8
    assert all(re.fullmatch("[a-z0-9]{1,32}", each) for each in ids)
    assert {policy_id(text) for text in texts} == ids


def test_a_server_alone() -> None:
    plan = made(
        ONE, clients=["thunderbird", "apple", "outlook"], apex=["example.net"], mx_extra=["Backup.example.com."]
    )
    assert [domain["name"] for domain in plan["domains"]] == ["example.org", "example.net"]
    assert plan["names"] == [
        *(f"{label}.example.org" for label in ("mta-sts", "autoconfig", "autodiscover")),
        *(f"{label}.example.net" for label in ("mta-sts", "autoconfig", "autodiscover")),
        "example.net",
    ]
    assert "mx: mx1.example.org\r\nmx: backup.example.com\r\n" in plan["domains"][0]["policy"]
    assert [(record["name"], record["type"]) for record in plan["records"][:5]] == [
        ("_mta-sts.example.org", "TXT"),
        ("mta-sts.example.org", "CNAME"),
        ("autoconfig.example.org", "CNAME"),
        ("autodiscover.example.org", "CNAME"),
        ("_autodiscover._tcp.example.org", "SRV"),
    ]
    assert plan["records"][0]["value"] == f"v=STSv1; id={plan['domains'][0]['id']};"


@pytest.mark.parametrize(
    ("own", "web", "expected"),
    [
        (ONE, (True, True), ["example.org", "example.net"]),
        (TWO, (True, True), ["example.com"]),
        (TWO, (False, True), ["example.net", "example.com"]),
    ],
    ids=["the first", "the second", "the second, as the first has no web server"],
)
def test_a_domain_of_several_servers_is_served_once_and_names_all(
    own: dict[str, Any], web: tuple[bool, bool], expected: list[str]
) -> None:
    servers = [{**ONE, "web": web[0]}, {**TWO, "web": web[1]}]
    plan = made(own, *servers)
    assert [domain["name"] for domain in plan["domains"]] == expected
    shared = [domain["policy"] for domain in plan["domains"] if domain["name"] == "example.net"]
    assert all("mx: mx1.example.org\r\nmx: mx2.example.org\r\n" in text for text in shared)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"stage": "off"}, []),
        ({"stage": "none"}, ["mta-sts.example.org"]),
        ({"stage": "off", "clients": ["outlook"]}, ["autodiscover.example.org"]),
        ({"stage": "off", "apex": ["example.org"]}, ["example.org"]),
    ],
)
def test_only_names_that_have_something_are_made(settings: dict[str, Any], names: list[str]) -> None:
    own = {"hostname": "mx.example.org", "domains": ["example.org"]}
    assert made(own, **settings)["names"] == names


def test_the_servers_own_name_is_not_named_twice() -> None:
    own = {"hostname": "example.org", "domains": ["example.org"]}
    assert made(own, stage="off", apex=["example.org"])["names"] == []


@pytest.mark.parametrize("settings", [{"stage": "strict"}, {"clients": ["mutt"]}])
def test_what_is_not_known_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(WebError, match="not known"):
        made(ONE, **settings)


def test_texts_for_nginx() -> None:
    assert nginx_string("a'b\\c\r\n") == r"'a\'b\\c\r\n'"
    with pytest.raises(WebError):
        nginx_string("$host")


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("alice@example.org", True),
        ("Alice.B+news%40example.net", True),
        ("alice@example.com", False),
        ("alice@exampleXorg", False),
        ("<b>@example.org", False),
        ("a&amp;@example.org", False),
        ("@example.org", False),
    ],
)
def test_only_addresses_of_ours_get_into_an_answer(text: str, matches: bool) -> None:
    pattern = address_pattern(["example.org", "example.net"])
    assert bool(re.fullmatch(pattern, text, re.IGNORECASE)) is matches
