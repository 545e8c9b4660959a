"""The life of DKIM keys, without files and clocks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.postern.mail.plugins.module_utils import _dkim_state as state

DAY = 86400
NOW = 1_795_000_000  # 2026-11-18
PREFIX = "mx"


def make(domain: str, selector: str) -> state.Key:
    return state.Key(domain, selector, state.PENDING, NOW, NOW, public=f"public-of-{selector}")


def key(domain: str, selector: str, status: str, age: int = 0, **more: object) -> state.Key:
    return replace(state.Key(domain, selector, status, NOW - age, NOW - age, public="AAAA"), **more)


def shown(keys: list[state.Key]) -> list[str]:
    return [f"{each.domain} {each.selector} {each.status}" for each in keys]


@pytest.mark.parametrize("text", ["s", "s1", "2026", "mx-1.example", "a" * 63, "1.2.3"])
def test_selectors(text: str) -> None:
    assert state.is_selector(text)


@pytest.mark.parametrize(
    "text", ["", "S", "s_1", "s.", ".s", "-s", "s-", "a/b", "..", "ä", "s\n", "a" * 64, "a b", "s*"]
)
def test_what_is_no_selector(text: str) -> None:
    assert not state.is_selector(text)


@pytest.mark.parametrize(
    ("text", "value"), [("0s", 0), ("5m", 300), ("2 h", 7200), ("180d", 180 * DAY), ("2w", 14 * DAY)]
)
def test_seconds(text: str, value: int) -> None:
    assert state.seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "d", "-1d", "1.5d", "1y", "1d1h"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        state.seconds(text)


def test_every_domain_gets_a_key_and_a_second_run_changes_nothing() -> None:
    first = state.ensure([], ["b.example", "a.example"], [], PREFIX, NOW, make)
    assert shown(first) == ["a.example mx-20261118 active", "b.example mx-20261118 active"]
    assert len({each.name for each in first} | {each.path for each in first}) == 4
    assert state.ensure(first, ["a.example", "b.example"], [], PREFIX, NOW + 400 * DAY, make) == first


def test_a_domain_that_is_gone_retires_and_one_that_comes_back_gets_another_key() -> None:
    keys = [key("a.example", "one", state.ACTIVE, 9), key("a.example", "two", state.PENDING, 5)]
    gone = state.ensure(keys, [], [], PREFIX, NOW, make)
    assert shown(gone) == ["a.example one retiring"]
    back = state.ensure(gone, ["a.example"], [], PREFIX, NOW, make)
    assert shown(back) == ["a.example one retiring", "a.example mx-20261118 active"]


def test_a_given_key_takes_over_and_goes_again() -> None:
    given = [state.Given("a.example", "s1", "rsa", 2048, "BBBB"), state.Given("a.example", "s2", "rsa", 2048, "CCCC")]
    keys = state.ensure([key("a.example", "one", state.ACTIVE)], ["a.example"], given, PREFIX, NOW, make)
    assert shown(keys) == ["a.example one retiring", "a.example s1 active", "a.example s2 active"]
    assert state.due(keys, 1, 0, True, NOW + DAY) == [], "the inventory rotates what it gives"
    after = state.ensure(keys, ["a.example"], given[1:], PREFIX, NOW, make)
    assert shown(after) == ["a.example one retiring", "a.example s1 retiring", "a.example s2 active"]
    other = state.ensure(keys, ["a.example"], [replace_public(given[0]), given[1]], PREFIX, NOW, make)
    assert [each.public for each in other if each.selector == "s1"] == ["DDDD"]


def replace_public(given: state.Given) -> state.Given:
    return replace(given, public="DDDD")


@pytest.mark.parametrize(
    ("keys", "force", "expected"),
    [
        ([key("a.example", "one", state.ACTIVE, 179 * DAY)], False, []),
        ([key("a.example", "one", state.ACTIVE, 180 * DAY)], False, ["a.example"]),
        ([key("a.example", "one", state.ACTIVE)], True, ["a.example"]),
        # one is under way
        ([key("a.example", "one", state.ACTIVE, 200 * DAY), key("a.example", "two", state.PENDING)], True, []),
        # one has just ended: the command is repeated
        ([key("a.example", "two", state.ACTIVE), key("a.example", "one", state.RETIRING, 60)], True, []),
        ([key("a.example", "two", state.ACTIVE), key("a.example", "one", state.RETIRING, 7200)], True, ["a.example"]),
        ([key("a.example", "two", state.ACTIVE), key("b.example", "one", state.RETIRING, 60)], True, ["a.example"]),
        ([key("a.example", "one", state.RETIRING, 200 * DAY)], True, []),
    ],
)
def test_when_a_key_is_replaced(keys: list[state.Key], force: bool, expected: list[str]) -> None:
    assert state.due(keys, 180 * DAY, 3600, force, NOW) == expected


def test_zero_days_is_never() -> None:
    assert state.due([key("a.example", "one", state.ACTIVE, 9999 * DAY)], 0, 0, False, NOW) == []


def test_the_same_day_has_selectors_for_everybody() -> None:
    keys: list[state.Key] = []
    for __ in range(26):
        keys = state.begin(keys, ["a.example"], PREFIX, NOW, make)
    assert len({each.selector for each in keys}) == 26
    assert keys[1].selector == "mx-20261118b"
    with pytest.raises(ValueError, match="26 keys"):
        state.begin(keys, ["a.example"], PREFIX, NOW, make)


def test_nothing_signs_before_the_world_has_it() -> None:
    keys = state.begin(
        [key("a.example", "one", state.ACTIVE), key("b.example", "one", state.ACTIVE)],
        ["a.example", "b.example"],
        PREFIX,
        NOW,
        make,
    )
    assert state.switch(keys, [], NOW) == keys
    after = state.switch(keys, ["mx-20261118._domainkey.b.example"], NOW)
    assert shown(after) == [
        "a.example one active",
        "b.example one retiring",
        "a.example mx-20261118 pending",
        "b.example mx-20261118 active",
    ]
    assert state.switch(after, ["mx-20261118._domainkey.b.example"], NOW + 9) == after


def test_the_end_of_a_key() -> None:
    keys = [key("a.example", "two", state.ACTIVE), key("a.example", "one", state.RETIRING, 7 * DAY)]
    assert state.retire(keys, 8 * DAY, 30 * DAY, NOW) == keys
    revoked = state.retire(keys, 7 * DAY, 30 * DAY, NOW)
    assert shown(revoked) == ["a.example two active", "a.example one revoked"]
    assert state.retire(revoked, 7 * DAY, 30 * DAY, NOW + 29 * DAY) == revoked
    assert shown(state.retire(revoked, 7 * DAY, 30 * DAY, NOW + 30 * DAY)) == ["a.example two active"]


def test_a_revoked_key_is_published_before_it_is_forgotten() -> None:
    keys = [key("a.example", "one", state.RETIRING, 1)]
    assert shown(state.retire(keys, 0, 0, NOW)) == ["a.example one revoked"]


def test_records() -> None:
    assert state.record(key("a.example", "s", state.ACTIVE)) == {
        "name": "s._domainkey.a.example",
        "type": "TXT",
        "value": "v=DKIM1; h=sha256; k=rsa; s=email; p=AAAA",
    }
    assert state.record(key("a.example", "s", state.REVOKED))["value"] == "v=DKIM1; k=rsa; p="
    line = state.zone_line(key("a.example", "s", state.ACTIVE, public="A" * 600))
    strings = line.split('"')[1::2]
    assert [len(string) for string in strings] == [255, 255, 127]
    assert "".join(strings).endswith("p=" + "A" * 600)


def test_the_list_survives_being_written() -> None:
    keys = [key("a.example", "one", state.ACTIVE), key("b.example", "two", state.REVOKED, 5)]
    assert state.load(state.dump(keys)) == keys


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"version": 2, "keys": []},
        {"version": 1, "keys": [{"domain": "a.example"}]},
        {"version": 1, "keys": [{**state.dump([key("a.example", "s", "active")])["keys"][0], "status": "lost"}]},
        {"version": 1, "keys": [{**state.dump([key("a.example", "s", "active")])["keys"][0], "selector": "../s"}]},
    ],
)
def test_a_damaged_list_is_an_error(data: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        state.load(data)
