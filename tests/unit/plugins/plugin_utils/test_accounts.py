from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils import _accounts
from ansible_collections.postern.mail.plugins.plugin_utils._accounts import AccountError, build, is_true, resolve

HASH = "{SHA512-CRYPT}$6$x$y"


def tables(users: Any = (), aliases: Any = (), **policy: Any) -> dict[str, Any]:
    people = [{"password_hash": HASH, **user} for user in users]
    return build(people, aliases, **{"domains": ["example.org", "example.net"], "delimiter": "+", **policy})


def user(name: str, **more: Any) -> dict[str, Any]:
    return {"address": f"{name}@example.org", **more}


def test_a_mailbox_has_its_parts_in_lower_case_and_the_default_quota() -> None:
    (mailbox,) = tables([{"address": "Bob.Smith@Example.ORG"}], quota="2G")["mailboxes"]
    assert mailbox == {
        "address": "bob.smith@example.org",
        "domain": "example.org",
        "local_part": "bob.smith",
        "quota_bytes": 2**31,
        "enabled": True,
        "password_hash": HASH,
    }


def test_mailboxes_are_sorted_so_that_the_order_of_the_inventory_changes_nothing() -> None:
    one, other = tables([user("b"), user("a")]), tables([user("a"), user("b")])
    assert one == other
    assert one["addresses"] == ["a@example.org", "b@example.org"]


@pytest.mark.parametrize(
    ("own", "expected"), [("500M", 524288000), ("0", 0), (0, 0), (None, 2**31), ("", 2**31), (1048576, 1048576)]
)
def test_an_own_quota_wins_and_none_is_the_default(own: Any, expected: int) -> None:
    assert tables([user("a", quota=own)], quota="2G")["mailboxes"][0]["quota_bytes"] == expected


@pytest.mark.parametrize(
    ("written", "enabled"), [(True, True), (False, False), ("no", False), ("False", False), ("yes", True), (None, True)]
)
def test_a_user_is_enabled_unless_told_otherwise(written: Any, enabled: bool) -> None:
    assert tables([user("a", enabled=written)])["mailboxes"][0]["enabled"] is enabled
    assert is_true("off") is False


def test_aliases_of_a_user_lead_to_the_user_and_a_bare_one_is_at_the_users_domain() -> None:
    result = tables([user("alice", aliases=["Info", "alice@example.net"])])
    assert result["aliases"] == {"alice@example.net": ["alice@example.org"], "info@example.org": ["alice@example.org"]}
    assert result["senders"] == {
        "alice@example.net": ["alice@example.org"],
        "alice@example.org": ["alice@example.org"],
        "info@example.org": ["alice@example.org"],
    }
    assert result["owned"] == {"alice@example.org": ["alice@example.net", "alice@example.org", "info@example.org"]}
    assert set(result["single_target"]) == {"alice@example.net", "info@example.org"}


def test_a_group_belongs_to_nobody_and_an_alias_of_one_person_to_that_person() -> None:
    groups = [
        {"address": "team@example.org", "to": ["alice@example.org", "bob@example.org"]},
        {"address": "sales@example.org", "to": ["bob@example.org"]},
        {"address": "buy@example.org", "to": ["sales@example.org"]},
        {"address": "out@example.org", "to": ["bob@example.com"], "external": True},
    ]
    result = tables([user("alice"), user("bob")], groups)
    assert result["single_target"] == {"buy@example.org": "bob@example.org", "sales@example.org": "bob@example.org"}
    assert "team@example.org" not in result["senders"]
    assert "out@example.org" not in result["senders"]
    assert result["senders"]["buy@example.org"] == ["bob@example.org"]


def test_postmaster_and_abuse_exist_in_every_domain() -> None:
    result = tables([user("alice")], postmaster="alice@example.org")
    names = [f"{name}@{domain}" for domain in ("example.org", "example.net") for name in ("postmaster", "abuse")]
    assert {name: result["aliases"][name] for name in names} == {name: ["alice@example.org"] for name in names}
    assert set(names) <= set(result["owned"]["alice@example.org"])


def test_who_has_postmaster_keeps_it() -> None:
    people = [user("alice"), user("bob", aliases=["postmaster"]), {"address": "abuse@example.net"}]
    aliases = tables(people, postmaster="alice@example.org")["aliases"]
    assert aliases["postmaster@example.org"] == ["bob@example.org"]
    assert "abuse@example.net" not in aliases
    assert aliases["abuse@example.org"] == ["alice@example.org"]


def test_a_postmaster_elsewhere_is_an_alias_that_nobody_here_owns() -> None:
    result = tables([user("alice")], postmaster="Admin@Example.COM")
    assert result["aliases"]["postmaster@example.org"] == ["Admin@example.com"]
    assert "postmaster@example.org" not in result["senders"]


def test_with_a_catch_all_each_mailbox_of_the_domain_is_found_first() -> None:
    result = tables(
        [user("alice"), user("bob", aliases=["bobby"]), {"address": "carol@example.net"}],
        [{"address": "@example.org", "to": ["alice@example.org"]}],
    )
    assert result["aliases"] == {
        "@example.org": ["alice@example.org"],
        "alice@example.org": ["alice@example.org"],
        "bob@example.org": ["bob@example.org"],
        "bobby@example.org": ["bob@example.org"],
    }
    assert "@example.org" not in result["single_target"]
    assert "@example.org" not in result["senders"]


def test_an_alias_over_a_mailbox_keeps_a_copy_there() -> None:
    copy = [{"address": "alice@example.org", "to": ["alice@example.org", "alice@example.com"], "external": True}]
    result = tables([user("alice")], copy)
    assert result["aliases"] == {"alice@example.org": ["alice@example.org", "alice@example.com"]}
    assert result["single_target"] == {}
    assert result["senders"] == {"alice@example.org": ["alice@example.org"]}


def test_a_target_elsewhere_keeps_its_letter_case_before_the_at() -> None:
    aliases = [{"address": "x@example.org", "to": ["Bob@Example.COM", "Alice@Example.ORG"], "external": True}]
    assert tables([user("alice")], aliases)["aliases"]["x@example.org"] == ["Bob@example.com", "alice@example.org"]


@pytest.mark.parametrize(
    ("address", "final"),
    [
        ("a@example.org", {"x@example.org", "y@example.org"}),
        ("b@example.org", {"y@example.org"}),
        ("b+tag@example.org", {"y@example.org"}),
        ("loop@example.org", set()),
        ("self@example.org", {"self@example.org"}),
        ("anything@example.net", {"x@example.org"}),
        ("unknown@example.org", {"unknown@example.org"}),
    ],
)
def test_an_alias_is_followed_to_its_end(address: str, final: set[str]) -> None:
    table = {
        "a@example.org": ["x@example.org", "b@example.org"],
        "b@example.org": ["y+tag@example.org"],
        "loop@example.org": ["pool@example.org"],
        "pool@example.org": ["loop@example.org"],
        "self@example.org": ["self@example.org"],
        "@example.net": ["x@example.org"],
    }
    assert resolve(address, table, "+") == final


def test_without_hashes_nothing_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_accounts, "hash_passwords", lambda accounts: pytest.fail("hashed"))
    (mailbox,) = build([user("a", password="long enough")], [], domains=["example.org"], hashes=False)["mailboxes"]
    assert "password_hash" not in mailbox


def test_a_password_becomes_the_same_hash_on_every_run_and_another_site_has_another() -> None:
    people = [user("a", password="long enough")]
    runs = [
        build(people, [], domains=["example.org"], salt=salt)["mailboxes"][0]["password_hash"]
        for salt in ("x", "x", "y")
    ]
    assert runs[0] == runs[1] != runs[2]
    assert all(run.startswith("{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$") for run in runs)


@pytest.mark.parametrize(
    ("users", "aliases", "words"),
    [
        ([user("a"), {"address": "A@example.org"}], [], "twice"),
        ([{"address": "a@example.com"}], [], "not in mail_domains"),
        ([{"address": "a"}], [], "no @"),
        ([{}], [], "empty"),
        ([user("a", quota="5GB")], [], "5G"),
        ([], [{"address": "x@example.org", "to": []}], "no target"),
        ([], [{"address": "@example.com", "to": ["a@example.org"]}], "mail_domains"),
    ],
)
def test_what_contradicts_itself_is_refused_without_telling_a_password(users: Any, aliases: Any, words: str) -> None:
    people = [{**each, "password": "hunter2hunter2"} for each in users]
    with pytest.raises(AccountError, match=words) as error:
        build(people, aliases, domains=["example.org"])
    assert "hunter2" not in str(error.value)


def test_a_mailbox_does_not_print_its_password() -> None:
    (mailbox,) = _accounts.read_mailboxes([user("a", password="hunter2hunter2")], ["example.org"], 0)
    assert "hunter2" not in repr(mailbox)
