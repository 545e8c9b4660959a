"""The life of a certificate's key: never served before its record is known everywhere, never forgotten while served."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from ansible_collections.postern.mail.plugins.module_utils import _dane_state as state
from ansible_collections.postern.mail.plugins.module_utils._dane_state import Key, Lifetime, State

NOW = 1_800_000_000
TTL = Lifetime(600)


def digest(letter: str) -> str:
    return letter * 64


def key(letter: str, status: str = state.CURRENT, since: int = NOW, **others: object) -> Key:
    return Key("main", digest(letter), "rsa:3072", status, since, since, **others)  # type: ignore[arg-type]


def shown(keys: list[Key]) -> list[tuple[str, str]]:
    return [(each.digest[0], each.status) for each in keys]


@pytest.mark.parametrize(
    ("keys", "served", "expected"),
    [
        ([], "a", [("a", "current")]),
        ([key("a")], "a", [("a", "current")]),
        ([key("a"), key("b", state.NEXT)], "b", [("a", "retiring"), ("b", "current")]),
        ([key("a"), key("b", state.NEXT)], "c", [("a", "retiring"), ("b", "next"), ("c", "current")]),
        ([key("a", state.RETIRING), key("b")], "a", [("a", "current"), ("b", "retiring")]),
        ([key("a"), key("b", state.NEXT)], "", [("a", "retiring")]),
    ],
)
def test_what_is_served_is_current(keys: list[Key], served: str, expected: list[tuple[str, str]]) -> None:
    now = state.observe(keys, {"main": (digest(served), "rsa:3072")} if served else {}, NOW)
    assert shown(now) == expected


def test_a_second_look_changes_nothing() -> None:
    once = state.observe([key("a"), key("b", state.NEXT)], {"main": (digest("b"), "rsa:3072")}, NOW)
    assert state.observe(once, {"main": (digest("b"), "rsa:3072")}, NOW + 50) == once


def make(pair: str, kind: str) -> Key:
    return Key(pair, digest("f"), kind, state.NEXT, NOW, NOW)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([key("a")], [("a", "current"), ("f", "next")]),
        ([key("a"), key("b", state.NEXT)], [("a", "current"), ("b", "next")]),
        # certbot's first key is of another kind than the self-signed one that it replaces
        (
            [Key("main", digest("a"), "ec:prime256v1", "current", NOW, NOW), key("b", "next")],
            [("a", "current"), ("f", "next")],
        ),
        # one that waits for its record does not take the place of the next
        ([key("a"), key("b", state.NEXT, origin=state.OFFERED)], [("a", "current"), ("b", "next"), ("f", "next")]),
        ([], []),
    ],
)
def test_every_key_in_use_has_a_successor_of_its_kind(keys: list[Key], expected: list[tuple[str, str]]) -> None:
    assert shown(state.ensure(keys, NOW, make)) == expected


@pytest.mark.parametrize(
    ("seen", "lifetime", "usable"),
    [
        (0, TTL, False),
        (NOW - 1199, TTL, False),
        (NOW - 1200, TTL, True),
        # the TTL was a day until an hour ago: there are answers about that live longer
        (NOW - 3600, Lifetime(86400).changed(600, NOW - 3600), False),
        (NOW - 172800, Lifetime(86400).changed(600, NOW - 172800), True),
    ],
)
def test_a_key_is_used_when_no_cache_can_be_without_it(seen: int, lifetime: Lifetime, usable: bool) -> None:
    assert state.is_usable(key("b", state.NEXT, seen=seen), lifetime, NOW) is usable


def test_a_ttl_that_falls_twice_remembers_the_longest() -> None:
    lifetime = Lifetime(86400).changed(3600, NOW).changed(60, NOW + 10)
    assert lifetime.longest(NOW + 20) == 86400
    assert lifetime.longest(NOW + 10 * 86400) == 60


def test_a_record_that_vanishes_from_a_server_is_waited_for_again() -> None:
    keys = [key("b", state.NEXT, seen=NOW - 5000)]
    assert state.see(keys, [], NOW)[0].seen == 0
    assert state.see(keys, [digest("b")], NOW)[0].seen == NOW - 5000
    assert state.see(state.see(keys, [], NOW), [digest("b")], NOW + 5)[0].seen == NOW + 5


@pytest.mark.parametrize(
    ("keys", "after", "force", "expected"),
    [
        ([key("a", since=NOW - 100)], 1000, False, []),
        ([key("a", since=NOW - 1000)], 1000, False, ["main"]),
        ([key("a", since=NOW - 1000)], 0, False, []),
        ([key("a")], 0, True, ["main"]),
        ([key("a", state.RETIRING), key("b", since=NOW - 50)], 0, True, []),  # just done
        ([key("a", state.RETIRING), key("b", since=NOW - 500)], 0, True, ["main"]),
    ],
)
def test_a_key_is_replaced_when_it_is_old_or_one_is_told(
    keys: list[Key], after: int, force: bool, expected: list[str]
) -> None:
    assert state.due(keys, after, 100, force, NOW) == expected


@pytest.mark.parametrize(("age", "expected"), [(1199, ["a", "b"]), (1200, ["b"])])
def test_an_old_record_goes_when_nobody_can_need_it(age: int, expected: list[str]) -> None:
    keys = [key("a", state.RETIRING, NOW - age), key("b", since=NOW - age)]
    assert [each.digest[0] for each in state.retire(keys, TTL, NOW)] == expected


def test_offers_come_once_and_are_forgotten() -> None:
    waiting = key("c", state.NEXT, origin=state.OFFERED)
    assert shown(state.offer([key("a"), waiting], [waiting], NOW)) == [("a", "current"), ("c", "next")]
    assert shown(state.offer([key("a")], [waiting], NOW)) == [("a", "current"), ("c", "next")]
    assert shown(state.offer([key("a"), waiting], [waiting], NOW + state.OFFER_LASTS)) == [("a", "current")]
    assert state.successor([key("b", state.NEXT), waiting], "main") == waiting


def test_records_are_made_of_all_keys_for_all_ports() -> None:
    made = state.records([key("b", state.NEXT), key("a"), key("c", state.RETIRING)], "mx.example.org", [25, 465], 600)
    assert [(each["name"], each["value"][:7]) for each in made] == [
        (f"_{port}._tcp.mx.example.org", f"3 1 1 {letter}") for port in (25, 465) for letter in "abc"
    ]
    assert state.zone_line(made[0]) == f"_25._tcp.mx.example.org. 600 IN TLSA 3 1 1 {digest('a')}"


def test_the_state_survives_its_file() -> None:
    there = State((key("a"), key("b", state.NEXT, seen=5)), Lifetime(60, 3600, NOW))
    assert state.load(json.loads(json.dumps(state.dump(there)))) == there


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"version": 2, "keys": [], "lifetime": {}},
        {"version": 1, "keys": [{"pair": "main"}], "lifetime": {}},
        {**state.dump(State((key("a", "lost"),)))},
        {**state.dump(State((key("z"),)))},
    ],
)
def test_what_is_no_state_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        state.load(data)


def test_whatever_happens_the_served_key_is_in_every_answer() -> None:
    """A thousand steps in any order: caches, changes of TTL, renewals, runs that never come."""
    dice = random.Random(7)
    names = (f"{number:064x}" for number in itertools.count(1))
    there = State((), Lifetime(600))
    served, now = "0" * 64, NOW
    published: list[tuple[int, int, set[str]]] = []  # when, with which TTL, what

    def fresh(pair: str, kind: str) -> Key:
        return Key(pair, next(names, ""), kind, state.NEXT, now, now)

    for __ in range(1000):
        now += dice.choice([1, 60, 700, 4000])
        if dice.random() < 0.05:
            there = State(there.keys, there.lifetime.changed(dice.choice([60, 600, 3600]), now))
        keys = state.ensure(state.observe(there.keys, {"main": (served, "rsa:3072")}, now), now, fresh)
        there = there.with_keys(keys)
        if dice.random() < 0.7:
            published.append((now, there.lifetime.ttl, {each.digest for each in there.keys}))
            there = there.with_keys(state.see(there.keys, published[-1][2], now))
        step = state.successor(there.keys, "main")
        if step and state.is_usable(step, there.lifetime, now) and dice.random() < 0.5:
            served = step.digest
        there = there.with_keys(state.retire(there.keys, there.lifetime, now))
        ends = [*(when for when, _ttl, _set in published[1:]), now]
        answers = (
            [values for (_when, ttl, values), end in zip(published, ends, strict=True) if end + ttl >= now]
            if published
            else []
        )
        assert all(served in values for values in answers)
