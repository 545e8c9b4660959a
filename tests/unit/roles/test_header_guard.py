"""The milter's judgement, without a milter."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from programs import load_program

guard = load_program("header_guard/files/header-guard")
POLICY = guard.Policy(
    unique=frozenset({"from"}),
    senders={"alice@example.org": frozenset({"alice@example.org", "sales@example.org"})},
    delimiter="+",
)


@pytest.mark.parametrize(
    ("fields", "login", "objection"),
    [
        ([("From", "a@example.net"), ("To", "b@example.org")], None, None),
        ([("From", "a@example.net"), ("from", "b@example.net")], None, "more than once: from"),
        ([("To", "a@example.net"), ("To", "b@example.net")], None, None),
        ([], None, None),
        ([], "alice@example.org", None),
        ([("From", "Alice <Alice@Example.ORG>")], "alice@example.org", None),
        ([("From", "sales@example.org")], "ALICE@example.org", None),
        ([("From", "alice+tag@example.org")], "alice@example.org", None),
        ([("From", "bob@example.org")], "alice@example.org", "bob@example.org is not yours"),
        ([("From", '"alice@example.org" <bob@example.org>')], "alice@example.org", "bob@example.org is not yours"),
        ([("From", "alice@example.org, bob@example.org")], "alice@example.org", "bob@example.org is not yours"),
        ([("From", "alice@example.org")], "nobody@example.org", "alice@example.org is not yours"),
        ([("From", "undisclosed")], "alice@example.org", "no address that can be compared"),
        ([("From", "")], "alice@example.org", "no address that can be compared"),
        ([("From", "+tag@example.org")], "alice@example.org", "+tag@example.org is not yours"),
    ],
)
def test_objection(fields: list[tuple[str, str]], login: str | None, objection: str | None) -> None:
    seen = POLICY.objection(fields, login)
    assert (seen is None) if objection is None else (seen is not None and objection in seen)


def test_without_senders_the_login_is_not_compared() -> None:
    policy = guard.Policy(unique=frozenset({"from"}), senders=None, delimiter="+")
    assert policy.objection([("From", "anybody@example.net")], "alice@example.org") is None


def test_a_replaced_policy_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"unique": [], "senders": None, "delimiter": ""}))
    policy_file = guard.PolicyFile(path)
    assert policy_file.current().unique == frozenset()
    replacement = tmp_path / "new"
    replacement.write_text(json.dumps({"unique": ["From"], "senders": None, "delimiter": ""}))
    os.replace(replacement, path)
    assert policy_file.current().unique == frozenset({"from"})
