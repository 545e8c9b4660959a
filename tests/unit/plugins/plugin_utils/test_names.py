from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake
from ansible_collections.postern.mail.plugins.plugin_utils._rules_names import misspelt, without_consequences

# True where the host sets its own value.
KNOWN = {
    "mail_hostname": True,
    "mail_domains": False,
    "mail_users": False,
    "mail_aliases": True,
    "postfix_main_cf_extra": False,
    "postfix_mynetworks": False,
    "sasl_packages": False,
}
PREFIXES = ["mail_", "postfix_", "sasl_", "dovecot_"]


def found(*names: str, exempt: tuple[str, ...] = ()) -> list[Mistake]:
    return list(misspelt(names, KNOWN, PREFIXES, exempt))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mail_domain", "mail_domains"),
        ("mail_hostnmae", "mail_hostname"),
        ("mail_user", "mail_users"),
        ("postfix_my_networks", "postfix_mynetworks"),
        ("postfix_main_cf_extras", "postfix_main_cf_extra"),
        ("postfix_maincf_extra", "postfix_main_cf_extra"),
        ("mail_main_cf_extra", "postfix_main_cf_extra"),
    ],
)
def test_a_variable_of_ours_that_nobody_reads_was_meant_to_be_another(name: str, meant: str) -> None:
    (mistake,) = found(name)
    assert (mistake.rule, mistake.variable, mistake.severity) == ("unknown-variable", name, "error")
    assert f"did you mean {meant}?" in mistake.reason
    assert mistake.fix.startswith(f"Write: {meant};")
    assert "mail_own_variables" in mistake.fix


def test_a_variable_like_no_other_is_to_be_removed() -> None:
    (mistake,) = found("dovecot_xyz")
    assert "did you mean" not in mistake.reason
    assert mistake.fix.startswith("Remove it;")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mial_users", "mail_users"),
        ("postifx_mynetworks", "postfix_mynetworks"),
        ("psotfix_main_cf_extra", "postfix_main_cf_extra"),
        ("postfixmain_cf_extra", "postfix_main_cf_extra"),
        ("mai_domains", "mail_domains"),
        ("email_domains", "mail_domains"),
    ],
)
def test_a_mistake_at_the_beginning_is_found_where_the_variable_is_not_set(name: str, meant: str) -> None:
    (mistake,) = found(name)
    assert mistake.severity == "error"
    assert f"looks like {meant}, which is not set" in mistake.reason


def test_a_similar_variable_beside_the_right_one_is_a_warning() -> None:
    (mistake,) = found("email_aliases")
    assert mistake.severity == "warning"
    assert "looks like mail_aliases, which is set as well" in mistake.reason


@pytest.mark.parametrize(
    "name",
    [
        "users",
        "domains",
        "hostname",
        "ansible_user",
        "ansible_mail_users",
        "__mail_users",
        "_mail_users",
        "mx_users",
        "webmail_port",
    ],
)
def test_other_peoples_variables_are_left_alone(name: str) -> None:
    assert found(name) == []


def test_known_names_are_no_mistakes() -> None:
    assert found(*KNOWN) == []


@pytest.mark.parametrize("pattern", ["mail_relay_token", "mail_relay_*", "*_token"])
def test_own_variables_are_exempt_by_wildcard(pattern: str) -> None:
    assert len(found("mail_relay_token")) == 1
    assert found("mail_relay_token", exempt=(pattern,)) == []
    assert len(found("mail_hostnames", exempt=(pattern,))) == 1


def test_a_similar_name_elsewhere_can_be_exempt_too() -> None:
    assert found("email_domains", exempt=("email_*",)) == []


def test_a_variable_is_not_missing_as_well_when_it_is_only_misspelt() -> None:
    missing = [Mistake("missing", name, "it is not set", "Write it") for name in ("mail_domains", "mail_hostname")]
    left = without_consequences([*found("mail_domain"), *missing])
    assert [(mistake.rule, mistake.variable) for mistake in left] == [
        ("unknown-variable", "mail_domain"),
        ("missing", "mail_hostname"),
    ]
