# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of all types. What files and inline forms give is what postmap(1) of Debian 12 and 13 gives."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import TableError, Tables, open_maps
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy

INLINE = [
    ("inline:{ a=b c=d }", "c", "d"),
    ("inline:{ a=b, A=x }", "a", "x"),  # the last one wins, without regard to case
    ("inline:{ { a = two words } }", "A", "two words"),
    ("inline:{ {a=b} {c=d} }", "e", None),
    ("static:OK", "anything", "OK"),
    ("static:{ REJECT go away }", "anything", "REJECT go away"),
    ("pcre:{ {/^(.)x/ got $1} {/./ other} }", "ax", "got a"),
    ("regexp:{{/b/ B}}", "a", None),
    ("cidr:{ {192.0.2.0/24 net} }", "192.0.2.1", "net"),
    ("unionmap:{ inline:{a=b} static:c }", "a", "b,c"),
    ("unionmap:{inline:{a=b} inline:{a=c}}", "x", None),
    ("pipemap:{ inline:{a=b} inline:{b=c} }", "a", "c"),
    ("pipemap:{ inline:{a=b} inline:{x=c} }", "a", None),
    ("randmap:{one}", "a", "one"),
    ("unix:passwd.byname", "root", "root:x"),
    ("unix:passwd.byname", "alice", None),
    ("nis:mail.aliases", "a", None),
]
BROKEN = [
    "inline:{}",
    "inline:{ a }",
    "inline:{a=b}x",
    'inline:{"a=b}',
    "inline:x",
    "static:{a",
    "pcre:{{/a/ b}x}",
    "unionmap:{a}",
    "pipemap:{}",
    "unix:nonsense",
    "fail:x",
    "nonsense:x",
    "hash:/nowhere",
    "pcre:/nowhere",
    "reject_unauth_destination:x",
]
FATAL = ["hash:", ":x", "nothing"]
SOURCE = r"""# comment
Example.ORG   first
example.org   second
user@x        554  no  user
  here
"a b"@x       quoted
back\ slash   escaped
novalue
"unclosed     x
.dot          d
"""
SOURCE_KEYS = [
    ("example.org", "first"),
    ("EXAMPLE.org", "first"),
    ("user@x", "554  no  user  here"),
    ('"a b"@x', "quoted"),
    ("a b@x", None),
    ("back\\ slash", "escaped"),
    ("novalue", None),
    (".dot", "d"),
]


def tables(content: Mapping[str, str] | None = None, *, absent: str = "missing", **parameters: str) -> Tables:
    policy = Policy.of({"compatibility_level": "3.6", "myhostname": "mx.example.org", **parameters})
    return Tables(policy.settings(), content or {}, absent)


@pytest.mark.parametrize(("reference", "key", "result"), INLINE)
def test_without_files(reference: str, key: str, result: str | None) -> None:
    assert tables().open(reference).lookup(key) == result


@pytest.mark.parametrize("reference", BROKEN)
def test_broken_tables_fail_at_each_lookup(reference: str) -> None:
    table = tables().open(reference)
    assert table.broken
    with pytest.raises(TableError) as failure:
        table.lookup("a")
    assert failure.value.retry


@pytest.mark.parametrize("reference", FATAL)
def test_fatal_references(reference: str) -> None:
    opened = tables()
    assert opened.open(reference).fatal
    with pytest.raises(PolicyError):
        open_maps(opened, "virtual_alias_maps", value=reference)


@pytest.mark.parametrize("kind", ["hash", "lmdb", "cdb", "btree"])
@pytest.mark.parametrize(("key", "result"), SOURCE_KEYS)
def test_source_file(kind: str, key: str, result: str | None) -> None:
    assert tables({f"{kind}:/x": SOURCE}).open(f"{kind}:/x").lookup(key) == result


def test_texthash_does_not_bear_duplicates() -> None:
    assert "duplicate entry" in tables({"/x": SOURCE}).open("texthash:/x").broken


def test_ignored_lines_are_told() -> None:
    lines = tables({"/x": SOURCE}).open("hash:/x").ignored
    assert [line for line, _ in lines] == [3, 8, 9]


@pytest.mark.parametrize(
    "key", ["hash:/etc/postfix/x", "/etc/postfix/x", "hash:$config_directory/x", "${config_directory}/x"]
)
def test_names_of_given_content(key: str) -> None:
    assert tables({key: "a b\n"}).open("hash:/etc/postfix/x").lookup("a") == "b"


def test_content_as_mapping() -> None:
    given: dict[str, object] = {"hash:/x": {"A": "b"}, "pcre:/y": {"/^a/": "c"}}
    policy = Policy.of({"compatibility_level": "3.6"})
    opened = Tables(policy.settings(), given)  # type: ignore[arg-type]
    assert opened.open("hash:/x").lookup("a") == "b"
    assert opened.open("pcre:/y").lookup("ab") == "c"


@pytest.mark.parametrize(
    ("reference", "partial"),
    [
        ("hash:/x", True),
        ("inline:{a=b}", True),
        ("static:x", True),
        ("pcre:{{/a/ b}}", False),
        ("cidr:{{::/0 b}}", False),
        ("randmap:{x}", False),
        ("unionmap:{pcre:{{/a/ b}} hash:/x}", False),
        ("pipemap:{inline:{a=b} pcre:{{/a/ b}}}", True),
    ],
)
def test_partial_keys(reference: str, partial: bool) -> None:
    assert tables({"/x": ""}).open(reference).partial_keys == partial


def test_empty_result_is_an_error_that_is_no_use_to_retry() -> None:
    maps = open_maps(tables(), "virtual_alias_maps", value="inline:{ {a=} {b=c} }")
    assert maps.find("b") == "c"
    with pytest.raises(TableError) as failure:
        maps.find("a")
    assert not failure.value.retry


def test_lists_of_tables_stop_at_an_error() -> None:
    maps = open_maps(tables(), "virtual_alias_maps", value="inline:{a=b}, fail:x, inline:{c=d}")
    assert maps.find("a") == "b"
    with pytest.raises(TableError):
        maps.find("c")


def test_what_is_not_known_is_assumed_once() -> None:
    told: list[str] = []
    opened = tables(absent="empty")
    opened.assume = told.append
    for reference in ("mysql:/etc/postfix/users.cf", "hash:/x", "hash:/x", "unix:passwd.byname", "hash:/etc/aliases"):
        opened.open(reference)
    assert len(told) == 4


def test_keys_fold_in_unicode_only_with_smtputf8() -> None:
    content = {"/x": "ÜSER@example.org OK\n"}
    assert tables(content).open("hash:/x").lookup("üser@example.org") == "OK"
    assert tables(content, smtputf8_enable="no").open("hash:/x").lookup("üser@example.org") is None


def test_alias_file() -> None:
    content = {"/etc/aliases": 'postmaster: root\nRoot: "|prog x"\n"two words": x\n'}
    table = tables(content, alias_maps="hash:/etc/aliases").open("hash:/etc/aliases")
    assert [table.lookup(key) for key in ("root", "postmaster", "two words", "none")] == [
        '"|prog x"',
        "root",
        "x",
        None,
    ]


@pytest.mark.parametrize(
    ("parameter", "value", "reference", "fatal"),
    [
        ("virtual_alias_maps", "proxy:inline:{a=b}", "proxy:inline:{a=b}", False),
        ("smtpd_client_restrictions", "check_client_access proxy:inline:{a=b}", "proxy:inline:{a=b}", False),
        ("mynetworks", "unionmap:{static:x proxy:inline:{a=b}}", "proxy:inline:{a=b}", False),
        ("smtpd_data_restrictions", "check_client_access proxy:inline:{a=b}", "proxy:inline:{a=b}", True),
        ("virtual_alias_maps", "inline:{a=b}", "proxy:inline:{a=b}", True),
        ("virtual_alias_maps", "", "proxy:unix:passwd.byname", False),
        ("virtual_alias_maps", "", "proxy:x", True),
    ],
)
def test_proxymap_opens_only_what_it_is_told(parameter: str, value: str, reference: str, fatal: bool) -> None:
    table = tables(**{parameter: value}).open(reference)
    assert bool(table.fatal) == fatal
    if "inline" in reference and not fatal:
        assert table.lookup("a") == "b"


def test_inline_rules_need_postfix_3_7() -> None:
    settings = Policy.of({}, "3.6").settings()
    assert Tables(settings, {}).open("pcre:{{/a/ b}}").broken
