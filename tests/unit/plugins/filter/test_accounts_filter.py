from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.filter.accounts import FilterModule

accounts = FilterModule().filters()["accounts"]
USER = {"address": "a@example.org", "password": "hunter2hunter2"}


def test_it_takes_what_an_inventory_has() -> None:
    tables = accounts([USER], None, domains=["example.org"], quota=0, postmaster=None, salt=None, hashes=False)
    assert tables["addresses"] == ["a@example.org"]


@pytest.mark.parametrize(
    ("users", "aliases", "domains", "words"),
    [
        ("a@example.org", [], ["example.org"], "mail_users must be a list of dictionaries"),
        ([USER, "x"], [], ["example.org"], "mail_users must be a list of dictionaries"),
        ([USER], {"x": "y"}, ["example.org"], "mail_aliases must be a list of dictionaries"),
        ([USER], [], "example.org", "mail_domains must be a list of text"),
        ([USER], [], ["example.com"], "a@example.org: its domain is not in mail_domains"),
    ],
)
def test_what_it_cannot_take_is_named_without_a_password(users: Any, aliases: Any, domains: Any, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words) as error:
        accounts(users, aliases, domains=domains)
    assert "hunter2" not in str(error.value)
