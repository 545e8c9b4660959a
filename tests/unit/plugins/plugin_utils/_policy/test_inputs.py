"""What people write in YAML: forgiven where the meaning is clear, else named with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.inputs import (
    Reader,
    explained,
    findings,
    policy,
    question,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError, Session

SUBMISSION = "submission inet n - n - - smtpd\nsmtp inet n - n - - smtpd\n"


def session(value: Any, services: tuple[str, ...] = ("smtp/inet", "submission/inet")) -> Session:
    reader = Reader()
    read = reader.session(value, services)
    reader.finish()
    assert read is not None
    return read


@pytest.mark.parametrize(
    ("given", "version"),
    [("3.10", (3, 10)), ("3.10.13", (3, 10)), ("3.7.11-0+deb12u1", (3, 7)), (3.7, (3, 7)), (3.11, (3, 11))],
)
def test_versions_are_read_as_people_have_them(given: Any, version: tuple[int, int]) -> None:
    assert policy({}, given).version == version


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (3.1, ["the number 3.1", "3.10", 'version="3.10"']),
        ("3.3", ["3.4 and later"]),
        ("bookworm", ["no version of Postfix", 'version="3.10"']),
        (3, ["no version of Postfix"]),
        (None, ["no version of Postfix"]),
        (True, ["no version of Postfix"]),
    ],
)
def test_what_is_no_version_is_told(given: Any, words: list[str]) -> None:
    with pytest.raises(PolicyError) as error:
        policy({}, given)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (True, "yes"),
        (False, "no"),
        (5, "5"),
        (3.6, "3.6"),
        ("a, b", "a, b"),
        (["a", "b c"], "a, b c"),
        (
            ["sleep 1", {"name": "reject_rbl_client", "domain": "bl.example.org"}],
            "sleep 1, reject_rbl_client bl.example.org",
        ),
        ([], ""),
        (["a", ""], "a"),
        ("a,\n  b\n", "a, b"),
    ],
)
def test_values_become_text(given: Any, text: str) -> None:
    assert policy({"smtpd_client_restrictions": given}).parameters == {"smtpd_client_restrictions": text}


def test_a_parameter_without_a_value_is_not_set() -> None:
    assert policy({"smtpd_client_restrictions": None}).parameters == {}


def test_the_text_of_a_main_cf_is_taken() -> None:
    assert policy("# x\nmynetworks = 127.0.0.0/8\n  [::1]/128\n").parameters == {"mynetworks": "127.0.0.0/8  [::1]/128"}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (None, "it is empty (null)"),
        (["x"], "it is a list"),
        ("permit", 'it is the text "permit"'),
        (
            {"x": {"y": 1}},
            "params.x: it must be text, a number, true, false or a list of texts, and it is a dictionary",
        ),
        ({"x": ["a", ["b"]]}, "params.x[1]: it must be text"),
        (
            {"x": ["a", None]},
            "params.x[1]: it must be text, a number, true, false or a list of texts, and it has no value",
        ),
        ({"a b": 1}, '"a b" is no parameter name'),
        ({1: 1}, "1 is no parameter name"),
        ({"compatibility_level": 3.1}, "Put it in quotes"),
        ({"x": [{"name": "check_client_access"}]}, "params.x: [0].table: check_client_access needs a table"),
        ("x = 1\n= 2\n", "main.cf, line 2"),
    ],
)
def test_what_is_no_policy_is_told(params: Any, words: str) -> None:
    with pytest.raises(PolicyError) as error:
        policy(params)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (["x"], "tables: it must be a dictionary"),
        ({"x": None}, "'' is an empty table"),
        ({"x": ["a"]}, "must be text or a dictionary, and it is a list"),
        ({"x": {"a": True}}, "YAML reads yes"),
        ({"x": {"a": None}}, "the result must be text"),
    ],
)
def test_what_is_no_table_is_told(tables: Any, words: str) -> None:
    with pytest.raises(PolicyError) as error:
        policy({}, tables=tables)
    assert words in str(error.value)


def test_tables_are_read() -> None:
    tables = {"lmdb:/x": {"a": "OK", 10: 550, "b": ["c@example.org", "d"]}, "/y": "a OK\n"}
    assert policy({}, tables=tables).tables == {
        "lmdb:/x": {"a": "OK", "10": "550", "b": "c@example.org, d"},
        "/y": "a OK\n",
    }


@pytest.mark.parametrize(
    ("master", "words"),
    [
        (5, "master: it must be text or a list"),
        ([5], "master[0]: it must be a line of master.cf or a dictionary, not the number 5"),
        ([{"name": "smtp"}], "master[0]: type missing"),
        (["smtp inet y - n - - smtpd"], "inet service cannot be private"),
        ([{"name": "smtp", "type": "inet"}], "command is missing"),
    ],
)
def test_what_is_no_master_cf_is_told(master: Any, words: str) -> None:
    with pytest.raises(PolicyError) as error:
        policy({}, master=master)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Session()),
        ({"addr": "[2001:db8::1]"}, Session(addr="2001:db8::1")),
        ({"addr": "IPv6:2001:db8::1"}, Session(addr="2001:db8::1")),
        ({"name": None, "login": None, "rcpts": None}, Session()),
        ({"name": ""}, Session()),
        ({"login": False}, Session()),
        ({"sender": "<>"}, Session(sender="")),
        ({"sender": ""}, Session(sender="")),
        ({"sender": None}, Session(sender=None)),
        ({"sender": "<a@example.org>"}, Session(sender="a@example.org")),
        ({"rcpts": "a@example.org"}, Session(rcpts=("a@example.org",))),
        ({"rcpts": ["<a@example.org>", "b"]}, Session(rcpts=("a@example.org", "b"))),
        ({"rcpts": []}, Session()),
        ({"data": "yes"}, Session(data=True)),
        ({"data": "False"}, Session(data=False)),
        ({"size": "10"}, Session(size=10)),
        ({"service": "submission"}, Session(service="submission/inet")),
        ({"service": 587}, Session(service="submission/inet")),
        ({"service": "25"}, Session(service="smtp/inet")),
        (
            {"helo": "x", "reverse": "r.example.org", "vrfy": "u", "etrn": "e"},
            Session(helo="x", reverse="r.example.org", vrfy="u", etrn="e"),
        ),
    ],
)
def test_sessions_are_read_as_people_write_them(given: Any, expected: Session) -> None:
    assert session(given) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, ["session: it must be a dictionary", "'rcpts'"]),
        ({"rcpt": "x"}, ["session.rcpt: there is no such key (did you mean rcpts?)", "Known keys: addr, name"]),
        ({"client_address": "x"}, ["did you mean addr?"]),
        ({"from": "x"}, ["did you mean sender?"]),
        ({"addr": "mx.example.org"}, ["session.addr", "no IP address", "session.name"]),
        ({"addr": "192.0.2.0/24"}, ["no IP address"]),
        ({"addr": 7}, ["no IP address"]),
        ({"helo": ["x"]}, ["session.helo: it must be text, and it is a list"]),
        ({"sender": {"x": 1}}, ["session.sender: it must be text"]),
        ({"sender": "a@example.org\r\nRCPT TO:<b>"}, ["session.sender: it has several lines"]),
        ({"rcpts": {"x": 1}}, ["session.rcpts: it must be a list of addresses"]),
        ({"rcpts": ["a", 1, True]}, ["session.rcpts[2]: it must be text, and it is true or false"]),
        ({"data": "perhaps"}, ["session.data: it must be true or false"]),
        ({"size": "big"}, ["session.size: it must be a number"]),
        ({"service": "submissions"}, ['no smtpd is the service "submissions"', "There is smtp/inet, submission/inet"]),
    ],
)
def test_what_is_no_session_is_told(given: Any, words: list[str]) -> None:
    with pytest.raises(PolicyError) as error:
        session(given)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("dns", "read"),
    [
        (None, {}),
        ({"x": {"mx": "10 mx.example.org"}}, {"x": {"MX": ["10 mx.example.org"]}}),
        ({"x": "servfail", "y": "NXDOMAIN"}, {"x": "SERVFAIL"}),
        ({"x": {"A": ["192.0.2.1"], "TXT": None}}, {"x": {"A": ["192.0.2.1"], "TXT": []}}),
    ],
)
def test_the_dns_is_read(dns: Any, read: Any) -> None:
    assert question({}, {}, dns=dns).dns == read


@pytest.mark.parametrize(
    ("dns", "words"),
    [
        (["x"], "dns: it must be a dictionary"),
        ({"x": ["192.0.2.1"]}, "Write: {'A': ['192.0.2.1']}, or 'SERVFAIL'"),
        ({"x": {"SRV": ["y"]}}, "Known are A, AAAA, CNAME, MX, NS, PTR or TXT"),
        ({"x": {"A": [["y"]]}}, "dns['x'].A[0]: it must be text"),
    ],
)
def test_what_is_no_dns_is_told(dns: Any, words: str) -> None:
    with pytest.raises(PolicyError) as error:
        question({}, {}, dns=dns)
    assert words in str(error.value)


def test_everything_is_told_at_once() -> None:
    with pytest.raises(PolicyError) as error:
        question({"x": {}}, {"rcpt": 1, "addr": 2}, 3.1, {"t": None}, {"d": 1}, [5])
    text = str(error.value)
    assert text.startswith("7 mistakes:\n  1. version: ")
    for where in ("params.x", "tables['t']", "master[0]", "session.rcpt", "session.addr", "dns['d']"):
        assert f". {where}: " in text


def test_one_problem_is_told_without_a_list() -> None:
    assert explained(["x"]) == "x"


@pytest.mark.parametrize(
    ("master", "asked", "service"),
    [
        ("25 inet n - n - - smtpd\n", {}, "25/inet"),
        ("192.0.2.1:smtp inet n - n - - smtpd\n", {}, "192.0.2.1:smtp/inet"),
        ("smtp inet n - n - - postscreen\nsmtpd pass - - n - - smtpd\n", {}, "smtpd/pass"),
        ("smtp inet n - n - - smtpd\n465 inet n - n - - smtpd\n", {"service": "submissions"}, "465/inet"),
        ("smtps inet n - n - - smtpd\n", {"service": 465}, "smtps/inet"),
        ("[2001:db8::1]:587 inet n - n - - smtpd\n", {"service": "submission/inet"}, "[2001:db8::1]:587/inet"),
    ],
)
def test_the_service_is_found_under_its_port(master: str, asked: dict[str, Any], service: str) -> None:
    assert question({}, asked, master=master).session.service == service


@pytest.mark.parametrize(
    ("params", "master", "code", "words"),
    [
        ("mynetworks = 127.0.0.1\nmynetworks = 127.0.0.2\n", None, "duplicate-parameter", "line 1"),
        ("smtpd_banner hello\nmynetworks = 127.0.0.2\n", None, "unreadable-configuration", "line 1"),
        ({}, "smtp inet y - n - - smtpd\n", "unreadable-configuration", "cannot be private"),
        ({}, ["smtp inet n - n - - smtpd", "submission inet n"], "unreadable-configuration", "line 2"),
    ],
)
def test_lines_that_postfix_cannot_read_are_findings(params: Any, master: Any, code: str, words: str) -> None:
    (finding,) = [each for each in findings(params, master=master) if each.code == code]
    assert words in finding.message


def test_findings_are_sorted_worst_first() -> None:
    ranks = [each.severity.rank for each in findings("a b\nmynetworks = 0.0.0.0/0\nsoft_bounce = yes\n")]
    assert ranks == sorted(ranks)
    assert len(ranks) > 2
