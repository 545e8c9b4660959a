# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The grammars of main.cf, master.cf and lookup tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import (
    PostfixError,
    Service,
    render_main,
    render_master,
    render_table,
)

GOLDEN = Path(__file__).parent / "golden"


def cases(kind: str) -> list[Any]:
    """A case is two files: golden/<kind>-<name>.yml and the .cf it must become."""
    return [pytest.param(path, id=path.stem) for path in sorted(GOLDEN.glob(f"{kind}-*.yml"))]


@pytest.mark.parametrize("case", cases("main"))
def test_settings_become_main_cf(case: Path) -> None:
    assert render_main(yaml.safe_load(case.read_text())) == case.with_suffix(".cf").read_text()


@pytest.mark.parametrize("case", cases("master"))
def test_services_become_master_cf(case: Path) -> None:
    services = [Service.from_data(data) for data in yaml.safe_load(case.read_text())]
    assert render_master(services) == case.with_suffix(".cf").read_text()


def test_there_are_golden_cases() -> None:
    assert len(cases("main")) > 0
    assert len(cases("master")) > 0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"mynetworks": ["127.0.0.0/8", "# office"]}, "would be a comment"),
        ({"smtpd_client_restrictions": ["permit_mynetworks", ""]}, "empty"),
        ({"smtpd_recipient_restrictions": ["check_policy_service { unix:a", "reject"]}, "do not match"),
        ({"myhostname": "a\nb"}, "one line"),
        ({"smtpd_milters": [["unix:a\rb"]]}, "one line"),
        ({"my hostname": "a"}, "no parameter name"),
        ({"myhostname": {"a": 1}}, "not dict"),
        ({"myhostname": 1.5}, "not float"),
    ],
)
def test_what_main_cf_cannot_carry_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(PostfixError, match=reason):
        render_main(settings)


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ({"name": "smtp", "type": "inet"}, "smtp/inet: command is missing"),
        ({"name": "smtp", "command": "smtpd"}, "type is missing"),
        ({"name": "smtp", "type": "tcp", "command": "smtpd"}, "type must be one of"),
        ({"name": "smtp", "type": "inet", "command": "smtpd -v"}, "single words"),
        ({"name": "#smtp", "type": "inet", "command": "smtpd"}, "single words"),
        ({"name": "smtp", "type": "inet", "command": "smtpd", "unpriv": True}, "unknown key unpriv"),
    ],
)
def test_a_malformed_service_is_refused(service: dict[str, Any], reason: str) -> None:
    with pytest.raises(PostfixError, match=reason):
        Service.from_data(service)


def test_a_service_that_is_switched_off_needs_no_command() -> None:
    assert Service.from_data({"name": "smtp", "type": "inet", "enabled": False}).enabled is False


def test_a_table_is_sorted_and_lists_have_commas() -> None:
    entries = {"b@example.org": ["c@example.org", "d@example.org"], "a@example.org": "a@example.org"}
    assert render_table(entries) == "a@example.org\ta@example.org\nb@example.org\tc@example.org, d@example.org\n"


@pytest.mark.parametrize("key", ["", "a b", "#a", "a\tb", "a\nb"])
def test_a_key_that_the_text_form_would_split_or_lose_is_refused(key: str) -> None:
    with pytest.raises(PostfixError, match="one word"):
        render_table({key: "x"})


@pytest.mark.parametrize("value", ["", " ", "a\nb", []])
def test_a_value_that_the_text_form_would_lose_is_refused(value: Any) -> None:
    with pytest.raises(PostfixError, match="one line that is not empty"):
        render_table({"key": value})
