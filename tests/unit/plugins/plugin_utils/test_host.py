"""One host's variables as Ansible hands them over: templates, secrets, facts, defaults."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._host import HostVariables, check_host
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake
from ansible_collections.postern.mail.plugins.plugin_utils._specs import Collection, Role

MAIL = Role(
    "mail",
    options={
        "mail_hostname": {"type": "str", "required": True, "example": "mx1.example.org"},
        "mail_domains": {"type": "list", "elements": "str", "required": True},
        "mail_users": {
            "type": "list",
            "elements": "dict",
            "options": {"address": {"type": "str", "required": True}, "password": {"type": "str", "no_log": True}},
        },
        "mail_aliases": {"type": "list", "elements": "dict"},
        "mail_salt": {"type": "str", "no_log": True},
        "mail_features": {"type": "list", "elements": "str"},
        "mail_own_variables": {"type": "list", "elements": "str"},
        "mail_postmaster": {"type": "str"},
    },
    defaults={
        "mail_users": [],
        "mail_aliases": [],
        "mail_features": ["dovecot"],
        "mail_postmaster": "root@example.com",
        "mail_salt": "",
    },
    names=frozenset({"mail_hostname", "mail_domains", "mail_users", "mail_salt", "mail_features", "mail_own_variables"})
    | {"mail_aliases", "mail_postmaster"},
)
DOVECOT = Role(
    "dovecot",
    options={
        "dovecot_name": {"type": "str"},
        "dovecot_limit": {"type": "int"},
        "dovecot_contributions": {"type": "list"},
    },
    defaults={"dovecot_name": "{{ mail_hostname }}", "dovecot_limit": "{{ mail_hostname | length }}"},
    names=frozenset({"dovecot_name", "dovecot_limit", "dovecot_contributions"}),
)
POSTFIX = Role("postfix", options={"postfix_limit": {"type": "int"}}, names=frozenset({"postfix_limit"}))
COLLECTION = Collection(
    {"mail": MAIL, "dovecot": DOVECOT, "postfix": POSTFIX}, play_variables=frozenset({"dovecot_contributions"})
)
GOOD = {
    **MAIL.defaults,
    **DOVECOT.defaults,
    "mail_hostname": "mx1.example.org",
    "mail_domains": ["example.org"],
    "inventory_hostname": "mx1",
}


def evaluate(raw: Any, variables: dict[str, Any]) -> Any:
    """A small likeness of Ansible's templating."""
    if isinstance(raw, dict):
        return {key: evaluate(item, variables) for key, item in raw.items()}
    if isinstance(raw, list):
        return [evaluate(item, variables) for item in raw]
    if not isinstance(raw, str) or "{{" not in raw:
        return raw
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    resolved = {key: item for key, item in variables.items() if item is not raw}
    return evaluate(environment.from_string(raw).render(resolved), resolved)


def found(changes: dict[str, Any], *, without: str = "", **about: Any) -> list[Mistake]:
    variables = {name: value for name, value in {**GOOD, **changes}.items() if name != without}

    def check(spec: Any, value: Any) -> list[str]:
        return ["no number"] if spec.get("type") == "int" and not str(value).isdigit() else []

    return check_host(COLLECTION, HostVariables(variables, lambda raw: evaluate(raw, variables), check, **about))


def test_a_good_host_has_no_mistakes() -> None:
    assert found({}) == []


def test_what_nobody_can_guess_is_missing() -> None:
    (mistake,) = found({"dovecot_name": "x", "dovecot_limit": 1}, without="mail_hostname")
    assert (mistake.rule, mistake.variable) == ("missing", "mail_hostname")
    assert mistake.fix == "Write for example: mail_hostname: mx1.example.org"


def test_defaults_that_follow_from_something_missing_are_not_told_as_well() -> None:
    assert [mistake.variable for mistake in found({}, without="mail_hostname")] == ["mail_hostname"]


def test_an_undefined_name_is_told_with_its_place_and_the_name_that_was_meant() -> None:
    people = [{"address": "a@example.org"}, {"address": "b@example.org", "password": "{{ vault_pasword }}"}]
    mistakes = found({"mail_users": people, "vault_password": "long enough"})
    undefined = next(mistake for mistake in mistakes if mistake.rule == "evaluation")
    assert undefined.variable + undefined.element == "mail_users[1].password"
    assert "refers to vault_pasword, which is not defined (did you mean vault_password?)" in undefined.reason
    assert [mistake.element for mistake in mistakes if mistake.rule == "no-password"] == ["[0]"]


def test_who_may_exist_is_not_said_to_be_missing() -> None:
    """An address that cannot be evaluated may be the one that others mean."""
    aliases = [{"address": "info@example.org", "to": ["carol@example.org"]}]
    people = [{"address": "{{ nobody }}", "password": "long enough"}]
    mistakes = found({"mail_users": people, "mail_aliases": aliases, "mail_postmaster": "dave@example.org"})
    assert [mistake.rule for mistake in mistakes] == ["evaluation"]
    mistakes = found({"mail_domains": ["example.org", "{{ nobody }}"], "mail_aliases": aliases, "mail_postmaster": ""})
    assert [mistake.rule for mistake in mistakes] == ["evaluation"]


def test_a_broken_template_with_a_secret_is_not_repeated() -> None:
    mistakes = found({"mail_salt": "{{ 'hunter2' | no_such_filter }}"})
    assert [mistake.variable for mistake in mistakes] == ["mail_salt"]
    assert "hunter2" not in str(mistakes)


def test_a_value_that_refers_to_itself_is_told_as_that() -> None:
    (mistake,) = found({"mail_postmaster": "{{ mail_postmaster | lower }}"})
    assert mistake.reason == "it refers to itself"


def test_a_secret_without_its_vault_password_says_what_to_give() -> None:
    def locked(raw: Any) -> Any:
        if raw == "$ANSIBLE_VAULT":
            raise ValueError("Attempting to decrypt but no vault secrets found.")
        return evaluate(raw, GOOD)

    variables = {**GOOD, "mail_salt": "$ANSIBLE_VAULT"}
    (mistake,) = check_host(COLLECTION, HostVariables(variables, locked, lambda spec, value: []))
    assert (mistake.variable, mistake.reason) == ("mail_salt", "it is encrypted, and Ansible cannot decrypt it")
    assert "--ask-vault-pass" in mistake.fix


def test_a_broken_template_without_a_secret_says_why() -> None:
    (mistake,) = found({"mail_postmaster": "{{ 'x' | no_such_filter }}"})
    assert "no_such_filter" in mistake.reason
    assert mistake.fix == "Correct the expression between {{ and }}"


def test_of_a_chain_of_messages_the_last_is_told() -> None:
    def broken(raw: Any) -> Any:
        if raw == "x":
            raise ValueError(
                "while templating '{{ y }}'. Error was a <class 'E'>, original message: no filter z. String: {{ y }}"
            )
        return evaluate(raw, GOOD)

    variables = {**GOOD, "mail_postmaster": "x"}
    (mistake,) = check_host(COLLECTION, HostVariables(variables, broken, lambda spec, value: []))
    assert mistake.reason == "it cannot be evaluated: no filter z"


@pytest.mark.parametrize("expression", ["{{ ansible_fqdn }}", "{{ ansible_facts.fqdn }}"])
def test_what_depends_on_facts_is_a_warning_before_they_are_gathered(expression: str) -> None:
    (before,) = found({"mail_postmaster": expression}, facts_known=False)
    assert (before.severity, before.variable) == ("warning", "mail_postmaster")
    assert "not gathered yet" in before.reason
    (after,) = found({"mail_postmaster": expression}, facts_known=True)
    assert after.severity == "error"


def test_a_default_of_ours_that_is_wrong_is_told_when_nothing_else_is() -> None:
    (mistake,) = found({"dovecot_contributions": "{{ nobody }}"})
    assert mistake.variable == "dovecot_contributions"
    mistakes = found({"dovecot_contributions": "{{ nobody }}", "mail_hostname": "mx1"})
    assert [mistake.variable for mistake in mistakes] == ["mail_hostname"]


def test_options_of_enabled_roles_are_checked_and_no_others() -> None:
    (mistake,) = found({"dovecot_limit": "many", "postfix_limit": "many"})
    assert mistake.variable == "dovecot_limit"
    (mistake,) = found({"mail_features": ["postfix", "dovecot"], "postfix_limit": "many"})
    assert mistake.variable == "postfix_limit"


def test_while_the_features_are_unknown_all_roles_are_checked() -> None:
    mistakes = found({"mail_features": "{{ nobody }}", "postfix_limit": "many"})
    assert {mistake.variable for mistake in mistakes} == {"mail_features", "postfix_limit"}


def test_misspelt_names_are_found_and_facts_and_results_of_tasks_are_not() -> None:
    more = {"mail_domain": ["x"], "mail_result": {"rc": 0}, "postfix_version": "3.7"}
    (mistake,) = found(more, foreign=frozenset({"mail_result", "postfix_version"}))
    assert mistake.variable == "mail_domain"


def test_a_misspelt_variable_explains_the_missing_one() -> None:
    mistakes = found({"mail_hostnames": "mx1.example.org"}, without="mail_hostname")
    assert [(mistake.rule, mistake.variable) for mistake in mistakes] == [("unknown-variable", "mail_hostnames")]


def test_own_variables_are_left_alone() -> None:
    assert found({"mail_domain": "x", "mail_own_variables": ["mail_dom*"]}) == []


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"x@elsewhere.test": "f:5", "the element": "f:4", "the list": "f:3"}, "f:5"),
        ({"the element": "f:4", "the list": "f:3"}, "f:4"),
        ({"the list": "f:3"}, "f:3"),
        ({}, ""),
    ],
)
def test_the_place_in_the_file_is_told_as_exactly_as_it_is_known(known: dict[str, str], told: str) -> None:
    def source(raw: Any) -> str:
        kind = {list: "the list", dict: "the element"}.get(type(raw), str(raw))
        return known.get(kind, "")

    people = [{"address": "x@elsewhere.test", "password": "long enough"}]
    (mistake,) = found({"mail_users": people}, source=source)
    assert (mistake.element, mistake.source) == ("[0].address", told)


def test_the_hostname_is_told_where_it_is_known() -> None:
    def host(name: str) -> HostVariables:
        return HostVariables({"mail_hostname": name}, lambda raw: evaluate(raw, {}), lambda spec, value: [])

    assert host("mx1.example.org").hostname == "mx1.example.org"
    assert host("{{ nobody }}").hostname == ""
