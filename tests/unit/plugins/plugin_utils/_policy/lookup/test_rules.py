# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of rules: regexp:, pcre: and cidr:. The results are those of postmap(1)."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regexes import Syntax
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.rules import parse_cidr, parse_expressions

CIDR = [
    ("192.0.2.0/24 OK\n", "192.0.2.7", "OK"),
    ("192.0.2.0/24 OK\n", "198.51.100.1", None),
    ("192.0.2.1/24 OK\n0.0.0.0/0 all\n", "192.0.2.7", "all"),  # host bits: the rule is skipped
    ("!192.0.2.0/24 other\n", "198.51.100.1", "other"),
    ("!192.0.2.0/24 other\n", "2001:db8::1", None),  # only of the same family
    ("! ! 192.0.2.7 twice\n", "192.0.2.7", "twice"),
    ("[2001:db8::]/32 six\n", "2001:db8::1", "six"),
    ("::/0 six\n", "192.0.2.7", None),
    ("192.0.2.7\n0.0.0.0/0 all\n", "192.0.2.7", "all"),  # no result: skipped
    ("if 192.0.2.0/24\n192.0.2.7 in\nendif\n0.0.0.0/0 out\n", "192.0.2.7", "in"),
    ("if 192.0.2.0/24\n0.0.0.0/0 in\nendif\n0.0.0.0/0 out\n", "198.51.100.1", "out"),
    ("if !192.0.2.0/24\n0.0.0.0/0 in\nendif\n", "192.0.2.7", None),
    ("if 198.51.100.0/24\n0.0.0.0/0 in\n", "192.0.2.7", None),  # an if without endif reaches to the end
    ("endif\n192.0.2.7 OK\n", "192.0.2.7", "OK"),
    ("192.0.2.7 REJECT\n  you there \n", "192.0.2.7", "REJECT  you there"),
    ("192.0.2.07 OK\n", "192.0.2.7", None),
    ("192.0.2.0/33 OK\nexample.org OK\n", "192.0.2.7", None),
    ("0.0.0.0/0 OK\n", "example.org", None),
]
REGEXP = [
    ("/^user@/ OK\n", "user@example.org", "OK"),
    ("/USER/i OK\n", "user", None),  # i is on by default: the letter switches it off
    ("!/example/ other\n", "a@b", "other"),
    ("/a/!/b/ only a\n", "ab", None),
    ("/a/!/b/ only a\n", "ac", "only a"),
    ("/^(.*)@(.*)$/ $2 ${1} $(1) $$x\n", "u@d", "d u u $x"),
    ("/(a)/ $2\n/a/ next\n", "a", "next"),
    ("/a/ $x\n/a/ next\n", "a", "next"),
    ("/a/ $1b\n/a/ next\n", "a", "next"),
    ("!/(b)/ $1\n/a/ next\n", "a", "next"),
    ("/[/ bad\n/a/ next\n", "a", "next"),
    ("/a/z bad\n/a/ next\n", "a", "next"),
    ("/a bad\n/a/ next\n", "a", "next"),
    ("#a# other delimiter\n%a% OK\n", "a", "OK"),  # the first line is a comment
    (r"/a\/b/ slash" + "\n", "a/b", "slash"),
    ("if /x/\n/a/ in\nendif\n/a/ out\n", "a", "out"),
    ("IF /a/\n/a/ in\nENDIF\n", "a", "in"),
    ("if /a/\nif /b/\n/./ both\nendif\n/./ one\nendif\n", "a", "one"),
    ("/a/\n", "a", ""),
    ("abc OK\n/a/ next\n", "a", "next"),
]
PCRE = [
    ("/^a.b$/ OK\n", "a\nb", "OK"),
    ("/^a.b$/s OK\n", "a\nb", None),
    ("/(?<n>a)(b)?/ <$1><$2>\n", "a", "<a><>"),
    ("/b/A OK\n", "ab", None),
    ("/^ a b $/x OK\n", "ab", "OK"),
    ("/(a+)/U $1\n", "aaa", "a"),
    ("/a/!/b/ x\n/a/ next\n", "a", "next"),  # two patterns are regexp:'s
]


@pytest.mark.parametrize(("text", "key", "result"), CIDR)
def test_cidr(text: str, key: str, result: str | None) -> None:
    assert parse_cidr(text).lookup(key) == result


@pytest.mark.parametrize(("text", "key", "result"), REGEXP)
def test_regexp(text: str, key: str, result: str | None) -> None:
    assert parse_expressions(text, Syntax.POSIX).lookup(key) == result


@pytest.mark.parametrize(("text", "key", "result"), PCRE)
def test_pcre(text: str, key: str, result: str | None) -> None:
    assert parse_expressions(text, Syntax.PCRE).lookup(key) == result


def test_no_substitution_in_transport_maps() -> None:
    rules = parse_expressions("/(a)/ smtp:$1\n/a/ smtp:b\n", Syntax.PCRE, substitution=False)
    assert rules.lookup("a") == "smtp:b"
    assert [line.line for line in rules.skipped] == [1]


def test_skipped_rules_tell_why() -> None:
    skipped = parse_cidr("192.0.2.1/24 OK\n# comment\nif 10.0.0.0/8\n").skipped
    assert [(rule.line, rule.reason.split(",")[0]) for rule in skipped] == [
        (1, 'non-null host address bits in "192.0.2.1/24"'),
        (3, "IF has no matching ENDIF"),
    ]
