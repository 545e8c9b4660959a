# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a host's configuration: what is found, what is hidden, and that old Pythons can run it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.postern.mail.plugins.module_utils import _postfix_read as read

_ROOT = Path(__file__).resolve().parents[4]
_SHIPPED = ["plugins/module_utils/_postfix_read.py", "plugins/modules/postfix_policy.py"]


@pytest.mark.parametrize("path", _SHIPPED)
def test_python_of_2018_reads_it(path: str) -> None:
    """It runs on the audited host, where ansible-core 2.17 wants 3.7."""
    ast.parse((_ROOT / path).read_text(encoding="utf-8"), feature_version=(3, 7))


def test_parameters_as_postfix_joins_them() -> None:
    text = "a = b\n  c $x\n# no\n  d\nb=\n\nb = 2\n"
    assert read.parameters(text) == {"a": "b c $x d", "b": "2"}


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("check_client_access hash:/etc/a, reject", {"hash:/etc/a": False}),
        ("check_client_access proxy:lmdb:$config_directory/a", {"proxy:lmdb:/etc/postfix/a": False}),
        ("check_ccert_access { pcre:/etc/a, search_order=cert_fingerprint }", {"pcre:/etc/a": False}),
        ("check_sender_access ${config_directory}/a", {}),
        ("check_policy_service unix:private/policy", {}),
        ("check_recipient_access mysql:/etc/my.cf", {"mysql:/etc/my.cf": False}),
    ],
)
def test_references_of_a_restriction_list(value: str, names: dict[str, bool]) -> None:
    known = {"config_directory": "/etc/postfix", "smtpd_client_restrictions": value}
    assert {name: found.names_only for name, found in read.references(known, []).items()} == names


def test_references_of_everything_else() -> None:
    known = {
        "config_directory": "/etc/postfix",
        "mynetworks": "127.0.0.0/8, !/etc/strangers, cidr:/etc/nets",
        "smtpd_restriction_classes": "insiders",
        "insiders": "check_client_access hash:/etc/inside",
        "local_recipient_maps": "proxy:unix:passwd.byname $alias_maps",
        "alias_maps": "hash:/etc/aliases",
        "virtual_alias_maps": "hash:/etc/virtual",
        "smtp_sasl_password_maps": "hash:/etc/passwords",
        "smtp_tls_policy_maps": "hash:/etc/tls",
    }
    found = read.references(known, [("smtpd_sender_login_maps", "hash:/etc/logins"), ("other", "hash:/etc/other")])
    assert {name: reference.names_only for name, reference in found.items()} == {
        "/etc/strangers": False,
        "cidr:/etc/nets": False,
        "hash:/etc/inside": False,
        "unix:passwd.byname": True,
        "hash:/etc/aliases": True,
        "hash:/etc/virtual": True,
        "hash:/etc/logins": False,
    }
    assert read.secret_paths(known, []) == {"/etc/passwords"}


def test_passwords_in_the_files_are_hidden_and_lines_stay() -> None:
    text = "a = 1\nsmtp_sasl_password_maps = static:u:\n  secret\nlmtp_sasl_password_maps = hash:/etc/x\nb = 2\n"
    hidden = read.hide_secrets(text)
    assert "secret" not in hidden and hidden.count("\n") == text.count("\n")
    assert read.parameters(hidden)["b"] == "2" and "hash:/etc/x" in hidden
    master = "x unix - - n - - smtp\n  -o smtp_sasl_password_maps=static:u:secret -o a=b\n"
    assert "secret" not in read.hide_master_secrets(master) and "-o a=b" in read.hide_master_secrets(master)


def test_overrides_in_all_syntaxes() -> None:
    master = "a inet n - n - - smtpd\n  -o one=1 -otwo=2\n  -o { three = 3, {4} }\n"
    assert read.overrides(master) == [("one", "1"), ("two", "2"), ("three", "3, {4}")]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"-----BEGIN PRIVATE KEY-----", "private key"),
        (b"\0\1", "not a text file"),
        (b"x" * 2000, "larger than 1 KiB"),
    ],
)
def test_what_is_never_taken(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(read.Unreadable, match=why):
        read.read_text(str(path), 1024, set())


def test_password_files_are_never_taken_whoever_names_them(tmp_path: Path) -> None:
    path, link = tmp_path / "passwords", tmp_path / "link"
    path.write_text("x")
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(read.Unreadable, match="passwords"):
            read.read_text(str(name), 1024, {str(path)})


def test_entries() -> None:
    text = "# comment\na  OK\na REJECT\nb\tDUNNO and\n  more\n"
    assert read.entries(text, names_only=False) == {"a": "OK", "b": "DUNNO and more"}
    assert read.entries("postmaster: root\n", names_only=True) == {"postmaster": "x"}
