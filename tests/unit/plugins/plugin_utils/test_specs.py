from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.postern.mail.plugins.plugin_utils._plain import UNKNOWN
from ansible_collections.postern.mail.plugins.plugin_utils._specs import Collection, check_options, is_secret

OPTIONS: dict[str, Any] = {
    "mail_users": {
        "type": "list",
        "elements": "dict",
        "options": {
            "address": {"type": "str", "required": True},
            "password": {"type": "str", "no_log": True},
            "enabled": {"type": "bool"},
            "aliases": {"type": "list", "elements": "str"},
        },
    },
    "mail_protocols": {"type": "list", "elements": "str", "choices": ["imap", "pop3", "sieve"]},
    "mail_domains": {"type": "list", "elements": "str", "required": True},
    "mail_quota": {"type": "str"},
    "mail_salt": {"type": "str", "no_log": True},
    "mail_limits": {"type": "dict"},
    "mail_limit": {"type": "int"},
    "mail_nothing": {"type": "str", "default": None},
    "mail_pair": {
        "type": "dict",
        "options": {"file": {"type": "path"}, "key": {"type": "path"}},
        "required_together": [["file", "key"]],
    },
}


def check(spec: Mapping[str, Any], value: Any) -> list[str]:
    return list(ArgumentSpecValidator({"value": dict(spec)}).validate({"value": value}).error_messages)


def found(**values: Any) -> list[Any]:
    return check_options(OPTIONS, values, check)


def user(**more: Any) -> list[dict[str, Any]]:
    return [{"address": "a@example.org"}, {"address": "b@example.org", **more}]


WRONG = [
    (
        "type",
        {"mail_domains": "example.org, example.net"},
        "mail_domains",
        "a list, and it is text",
        "mail_domains: [example.org, example.net]",
    ),
    ("type", {"mail_domains": {"a": 1}}, "mail_domains", "it is a dictionary", "hyphen"),
    ("type", {"mail_domains": 5}, "mail_domains", "it is a number", "hyphen"),
    ("type", {"mail_domains": [["a"]]}, "mail_domains[0]", "must be text, and it is a list", "single value"),
    ("empty", {"mail_domains": [None]}, "mail_domains[0]", "no value", "Remove"),
    ("empty", {"mail_domains": None}, "mail_domains", "no value", "[]"),
    (
        "type",
        {"mail_users": ["a@example.org"]},
        "mail_users[0]",
        "a dictionary, and it is text",
        "address, aliases, enabled",
    ),
    ("type", {"mail_users": {"address": "a@example.org"}}, "mail_users", "must be a list", "hyphen"),
    (
        "type",
        {"mail_users": user(aliases="x@example.org")},
        "mail_users[1].aliases",
        "a list, and it is text",
        "aliases: [x@example.org]",
    ),
    ("type", {"mail_users": user(enabled="perhaps")}, "mail_users[1].enabled", "true or false", "true"),
    ("type", {"mail_users": user(aliases=[{"a": 1}])}, "mail_users[1].aliases[0]", "must be text", "single value"),
    ("missing", {"mail_users": [{"aliases": []}]}, "mail_users[0].address", "missing", "address: ..."),
    ("unknown-key", {"mail_users": user(quoat="1G", adress="x")}, "mail_users[1].quoat", "no such key", "Known keys"),
    (
        "unknown-key",
        {"mail_users": user(pasword="hunter2")},
        "mail_users[1].pasword",
        "did you mean password?",
        "Known keys",
    ),
    ("choice", {"mail_protocols": ["imap", "pop"]}, "mail_protocols[1]", "did you mean pop3?", "imap, pop3 or sieve"),
    ("type", {"mail_quota": True}, "mail_quota", "YAML reads yes", "quotes"),
    ("type", {"mail_limit": "many"}, "mail_limit", "a whole number", "10"),
    ("type", {"mail_limit": True}, "mail_limit", "YAML reads yes", "quotes"),
    ("type", {"mail_limits": ["x"]}, "mail_limits", "a dictionary, and it is a list", "key: value"),
    ("empty", {"mail_limits": None}, "mail_limits", "no value", "{}"),
    ("type", {"mail_pair": {"file": "/x"}}, "mail_pair", "required together", "README"),
]


@pytest.mark.parametrize(
    ("rule", "values", "place", "reason", "fix"), WRONG, ids=[f"{row[0]} {row[2]} {row[3]}" for row in WRONG]
)
def test_what_does_not_fit_is_named_with_its_place(
    rule: str, values: dict[str, Any], place: str, reason: str, fix: str
) -> None:
    mistake = found(**values)[0]
    assert (mistake.rule, mistake.variable + mistake.element) == (rule, place)
    assert reason in mistake.reason
    assert fix in mistake.fix


def test_every_mistake_is_told_not_only_the_first() -> None:
    mistakes = found(
        mail_users=[{"adress": "x"}, {"address": "a@example.org", "enabled": "perhaps"}], mail_limit="many"
    )
    assert [mistake.variable + mistake.element for mistake in mistakes] == [
        "mail_users[0].adress",
        "mail_users[0].address",
        "mail_users[1].enabled",
        "mail_limit",
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"mail_domains": []},
        {"mail_quota": 5, "mail_limit": "5"},
        {"mail_users": user(enabled="yes", aliases=["a"], password="x")},
        {"mail_users": user(enabled=None, aliases=None)},
        {"mail_nothing": None},
        {"mail_limits": {"any": "thing"}},
        {"mail_pair": {"file": "/x", "key": "/y"}},
        {"mail_users": [{"address": UNKNOWN}, UNKNOWN], "mail_pair": {"file": UNKNOWN}},
        {"somebody_elses": str},
    ],
    ids=str,
)
def test_what_fits_or_is_not_known_is_no_mistake(values: dict[str, Any]) -> None:
    assert found(**values) == []


@pytest.mark.parametrize(
    "values",
    [
        {"mail_salt": ["hunter2"]},
        {"mail_users": user(password=["hunter2"])},
        {"mail_users": user(password={"x": "hunter2"})},
        {"mail_users": user(passwrod="hunter2")},
        {"mail_users": "hunter2"},
        {"mail_users": ["hunter2"]},
    ],
    ids=str,
)
def test_a_secret_in_the_wrong_form_is_not_shown(values: dict[str, Any]) -> None:
    mistakes = found(**values)
    assert mistakes
    assert "hunter2" not in str(mistakes)


def test_a_variable_with_a_secret_inside_is_secret() -> None:
    assert is_secret(OPTIONS["mail_users"])
    assert not is_secret(OPTIONS["mail_domains"])


def test_a_collection_is_read_from_its_files(tmp_path: Path) -> None:
    files = {
        "roles/mail/defaults/main/a.yml": "mail_a: 1\n__mail_hidden: 2\n",
        "roles/mail/vars/main/b.yml": "mail_b: !vault |\n  $ANSIBLE_VAULT\n",
        "roles/mail/meta/argument_specs.yml": "argument_specs: {main: {options: {mail_a: {}, mail_c: {}}}}",
        "roles/bare/tasks/main.yml": "[]\n",
        "roles/old/defaults/main.yml": "old_a: x\n",
        "playbooks/site.yml": "- hosts: all\n  vars: {mail_d: 1}\n",
        "playbooks/validate.yml": "- import_playbook: site.yml\n  vars: {mail_e: true}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    collection = Collection.read(tmp_path)
    assert collection.features == {"bare", "old"}
    assert collection.names >= {"mail_a", "mail_b", "mail_c", "mail_d", "mail_e", "old_a"}
    assert "__mail_hidden" not in collection.names
    assert collection.prefixes == ["bare_", "mail_", "old_"]
    assert collection.defaults["mail_a"] == 1
    assert collection.play_variables == {"mail_d", "mail_e"}


def test_this_collection_can_be_read() -> None:
    collection = Collection.read(Path(__file__).resolve().parents[4])
    assert {"mail_users", "mail_domains", "mail_hosts", "mail_accounts", "mail_validate_only"} <= collection.names
    assert collection.roles["mail"].options["mail_hostname"]["required"] is True
