from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    address_problem,
    canonical_address,
    domain_problem,
    hostname_problem,
    mailbox_problem,
    own_address_problem,
    without_extension,
)


@pytest.mark.parametrize(
    "domain",
    ["example.org", "EXAMPLE.org", "a-b.example.org", "xn--bcher-kva.example", "1.example.org", "a" * 63 + ".org"],
)
def test_these_are_domains(domain: str) -> None:
    assert domain_problem(domain) is None


@pytest.mark.parametrize(
    ("domain", "reason", "fix"),
    [
        ("", "empty", "example.org"),
        ("example", "has no dot", "example.example.org"),
        ("example.org.", "dot at the end", "Write: example.org"),
        ("exam ple.org", "white space", "Write: example.org"),
        (" example.org", "white space", "Write: example.org"),
        ("example_shop.org", "not a host name", "Write: example-shop.org"),
        ("-example.org", "not a host name", "Write: example.org"),
        ("example..org", "two dots", "Write: example.org"),
        (".example.org", "two dots in a row or one at the start", "Write: example.org"),
        ("bob@example.org", "an address", "Write: example.org"),
        ("https://example.org/", "URL", "between the slashes"),
        ("bücher.example", "internationalised", "Write: xn--bcher-kva.example"),
        ("straße.example", "internationalised", "your registrar"),  # IDNA 2003 and 2008 disagree about ß
        ("192.0.2.1", "IP address", "name"),
        ("example.123", "ends in a number", "full name"),
        ("a" * 64 + ".org", "64 characters", "shorter"),
        (".".join(["a" * 60] * 5), "characters", "shorter"),
        ("*.example.org", "not a host name", "of those characters"),
    ],
)
def test_these_are_not_and_the_answer_says_what_to_write(domain: str, reason: str, fix: str) -> None:
    problem = domain_problem(domain)
    assert problem is not None
    assert reason in problem.reason
    assert fix in problem.fix


@pytest.mark.parametrize("hostname", ["mx1.example.org", "MX1.Example.org", "example.org"])
def test_these_are_host_names(hostname: str) -> None:
    assert hostname_problem(hostname) is None


@pytest.mark.parametrize(
    ("hostname", "reason"),
    [
        ("mx1", "not a fully qualified name"),
        ("localhost", "calls itself so"),
        ("localhost.localdomain", "calls itself so"),
        ("mx1.localdomain", "calls itself so"),
        ("192.0.2.1", "IP address"),
        ("2001:db8::1", "IP address"),
        ("[192.0.2.1]", "IP address"),
        ("mx1.example.org.", "dot at the end"),
        ("mx_1.example.org", "not a host name"),
        ("", "empty"),
    ],
)
def test_these_are_not(hostname: str, reason: str) -> None:
    problem = hostname_problem(hostname)
    assert problem is not None
    assert reason in problem.reason


@pytest.mark.parametrize(
    "address",
    ["bob@example.org", "B.o-b+x@example.org", "o'brien@example.org", "a" * 64 + "@example.org", "_@example.org"],
)
def test_these_are_addresses(address: str) -> None:
    assert address_problem(address) is None


@pytest.mark.parametrize(
    ("address", "reason", "fix"),
    [
        ("", "empty", "bob@example.org"),
        ("bob", "no @", "bob@example.org"),
        ("@example.org", "nothing before", "info@example.org"),
        ("bob@", "after the @", "example.org"),
        ("bob@bob@example.org", "more than one @", "user@domain"),
        ('"bob smith"@example.org', "quoted", "without quotes"),
        ("bob smith@example.org", "white space", "on its own"),
        ("a@example.org, b@example.org", "white space or a comma", "on its own"),
        ("Bob <bob@example.org>", "bare address", "Write: bob@example.org"),
        ("bob..smith@example.org", "single dots", "bob.smith@example.org"),
        (".bob@example.org", "single dots", "bob@example.org"),
        ("b(o)b@example.org", "letters, digits", "bob@example.org"),
        ("jürgen@example.org", "SMTPUTF8", "ASCII"),
        ("a" * 65 + "@example.org", "65 characters", "shorter"),
        ("bob@[192.0.2.1]", "address literal", "a domain"),
        ("bob@example.org.", "dot at the end", "Write: bob@example.org"),
        ("bob@bücher.example", "internationalised", "Write: bob@xn--bcher-kva.example"),
        ("bob@localhost", "no dot", "localhost.example.org"),
    ],
)
def test_these_are_no_addresses_and_the_answer_says_what_to_write(address: str, reason: str, fix: str) -> None:
    problem = address_problem(address)
    assert problem is not None
    assert reason in problem.reason
    assert fix in problem.fix


@pytest.mark.parametrize(
    "address", ["-bob@example.org", "a%b@example.org", "a!b@example.org", "a/b@example.org", "|cat@example.org"]
)
def test_an_address_of_ours_cannot_be_a_route_a_file_or_a_command(address: str) -> None:
    assert address_problem(address) is None
    assert own_address_problem(address) is not None


def test_a_mailbox_cannot_contain_what_separates_extensions() -> None:
    problem = mailbox_problem("bob+lists@example.org", "+")
    assert problem is not None
    assert "mail_recipient_delimiter" in problem.reason
    assert "Write: address: bob@example.org" in problem.fix
    assert mailbox_problem("bob-lists@example.org", "+") is None
    assert mailbox_problem("bob-lists@example.org", "+-") is not None


def test_a_mailbox_is_a_login_and_a_directory() -> None:
    problem = mailbox_problem("o'brien@example.org", "+")
    assert problem is not None
    assert "not '" in problem.reason
    assert mailbox_problem("o.brien_2-x@example.org", "+") is None


def test_upper_case_and_the_last_dot_make_no_difference() -> None:
    assert canonical_address("Bob@Example.ORG.") == "bob@example.org"


@pytest.mark.parametrize(
    ("address", "delimiter", "without"),
    [
        ("bob+x@example.org", "+", "bob@example.org"),
        ("bob+x-y@example.org", "+-", "bob@example.org"),
        ("bob-y+x@example.org", "+-", "bob@example.org"),
        ("+x@example.org", "+", "+x@example.org"),
        ("bob+x@example.org", "", "bob+x@example.org"),
    ],
)
def test_an_extension_is_cut_at_the_first_delimiter(address: str, delimiter: str, without: str) -> None:
    assert without_extension(address, delimiter) == without
