# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""master.cf: services, and how their daemons read -o."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import master_cf

_SMTP = "smtp inet n - y - - smtpd"

# (arguments, -o that count, other words, what the daemon dies of)
OPTIONS: list[tuple[str, dict[str, str], tuple[str, ...], tuple[str, ...]]] = [
    ("", {}, (), ()),
    ("-o a=b -o c=d", {"a": "b", "c": "d"}, (), ()),
    ("-oa=b", {"a": "b"}, (), ()),
    ("-o { a = b c }", {"a": "b c"}, (), ()),
    ("-o {a=b c}", {"a": "b c"}, (), ()),
    ("{-o a = b c}", {"a": "b c"}, (), ()),
    ("-o a={b}", {"a": "{b}"}, (), ()),
    ("-o a=b,c", {"a": "b,c"}, (), ()),
    ("-o a=", {"a": ""}, (), ()),
    ("-o a=1 -o a=2", {"a": "2"}, (), ()),
    ("-v -o a=b", {"a": "b"}, ("-v",), ()),
    ("-vo a=b", {"a": "b"}, ("-v",), ()),
    # White space ends the value; what comes after it ends all options.
    ("-o a=b, c -o d=e", {"a": "b,"}, ("c", "-o", "d=e"), ("unexpected command-line argument: c",)),
    ("-o a", {}, (), ("invalid \"-o a\" option value: missing '=' after attribute name",)),
    ("-o", {}, ("-o",), ("invalid option: o",)),
    ("-x", {}, ("-x",), ("invalid option: x",)),
]


@pytest.mark.parametrize(("arguments", "overrides", "words", "problems"), OPTIONS)
@pytest.mark.parametrize("separator", [" ", "\n  "])
def test_options(
    arguments: str, overrides: dict[str, str], words: tuple[str, ...], problems: tuple[str, ...], separator: str
) -> None:
    (service,) = master_cf.parse(f"{_SMTP}{separator}{arguments}\n")
    assert service.overrides == overrides
    assert service.arguments == words
    assert service.problems == problems


def test_columns() -> None:
    text = f"{_SMTP}\n# x\n192.0.2.1:587 inet n n n 1? 0 /usr/lib/smtpd\nbounce unix - - - - 0 bounce\n"
    smtp, submission, bounce = master_cf.parse(text)
    assert (smtp.key, smtp.private, smtp.unprivileged, smtp.chroot) == ("smtp/inet", False, None, True)
    assert (submission.name, submission.line, submission.wakeup, submission.maxproc) == ("192.0.2.1:587", 3, "1?", "0")
    assert (bounce.private, bounce.chroot, bounce.maxproc) == (None, None, "0")


def test_pipe_keeps_its_arguments() -> None:
    (service,) = master_cf.parse("dovecot unix - n n - - pipe\n  flags=DRhu user=v argv=/x -f ${sender} -a {$r x}\n")
    assert service.arguments == ("flags=DRhu", "user=v", "argv=/x", "-f", "${sender}", "-a", "{$r x}"[1:-1])
    assert service.problems == ()


WRONG = [
    ("smtp inet n - y - -", 'line 1: missing "command" field'),
    ("smtp", 'line 1: missing "transport type" field'),
    ("smtp tcp n - y - - smtpd", "line 1: bad transport type: tcp"),
    ("smtp inet x - y - - smtpd", 'line 1: field "private": bad value: "x"'),
    ("smtp inet - - y - - smtpd", "line 1: smtp: inet service cannot be private"),
    ("smtp inet n - y z - smtpd", 'line 1: field "wakeup_time": bad value: "z"'),
    (f"{_SMTP}\n  -o {{ a = b", "line 1: missing '}' in"),
    (f"{_SMTP}\n  -o {{a=b}}c", "line 1: syntax error after '}' in"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG)
def test_errors(text: str, problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        master_cf.parse(text)
    assert problem in str(caught.value)


def test_all_errors_at_once() -> None:
    with pytest.raises(PolicyError) as caught:
        master_cf.read(["a b", {"name": "smtp", "tipe": "inet"}, f"{_SMTP} x", "c"])
    text = str(caught.value)
    assert len(text.splitlines()) == 5
    for part in ('missing "private"', "unknown key tipe", "type is missing", "command is missing", '"transport type"'):
        assert part in text


def test_stock_services() -> None:
    services = master_cf.read(None)
    assert [service.key for service in services if service.command == "smtpd"] == ["smtp/inet"]
    assert len(services) == 25 and not any(service.problems for service in services)


MAPPINGS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"options": {"a": "b c", "list": ["x", "y z"], "flag": True}}, {"a": "b c", "list": "x, y z", "flag": "yes"}),
    ({"options": ["a=b", "-o c = d", {"e": False}]}, {"a": "b", "c": "d", "e": "no"}),
    ({"command": "smtpd -o a=b"}, {"a": "b"}),
    ({"args": ["-o", "a=b c"]}, {"a": "b c"}),
    ({}, {}),
]


@pytest.mark.parametrize(("more", "overrides"), MAPPINGS)
def test_mappings(more: dict[str, Any], overrides: dict[str, str]) -> None:
    (service,) = master_cf.read([{"name": "submission", "type": "inet", "command": "smtpd", "chroot": "n", **more}])
    assert service.overrides == overrides
    assert service.command == "smtpd" and service.chroot is False


def test_render_is_read_back() -> None:
    text = f"{_SMTP}\n  -o {{ a = b c }}\n  -o d=e -o f= -v\n10025 inet n - - - 5 smtpd\n{master_cf.STOCK}"
    services = master_cf.parse(text)
    again = master_cf.parse(master_cf.render(services))
    assert [(each.key, each.overrides, each.arguments, each.chroot, each.maxproc) for each in again] == [
        (each.key, each.overrides, each.arguments, each.chroot, each.maxproc) for each in services
    ]
