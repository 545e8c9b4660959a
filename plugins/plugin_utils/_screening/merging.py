# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of several servers as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.postern.mail.plugins.module_utils._screening_clients import TESTS

_ADDED = ("connects", "failed", "delivered", "junk", "deferred", "rejected", "spf", "spf_bad", "dmarc", "new", "old")


def merge(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums over servers; a client that came to several is one client."""
    tests = {test: {"hosts": 0, "good": 0} for test in TESTS}
    for result in results:
        for test, numbers in result["tests"].items():
            for key, number in numbers.items():
                tests[test][key] += number
    return {
        "first": min((one["first"] for one in results if one["first"] is not None), default=None),
        "last": max((one["last"] for one in results if one["last"] is not None), default=None),
        "since": min((one["since"] for one in results), default=0),
        "until": max((one["until"] for one in results), default=0),
        "lines": sum(one["lines"] for one in results),
        "forgotten": sum(one["forgotten"] for one in results),
        "untold": sum(one["untold"] for one in results),
        "days": _days(results),
        "ranks": _rows((one["ranks"] for one in results), 1),
        "rank_hosts": _rows((one["rank_hosts"] for one in results), 2),
        "hosts": _numbers(one["hosts"] for one in results),
        "tests": tests,
        "sites": _sites(results),
        "listings": _listings(results),
        "clients": clients(results),
    }


def clients(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each client once, with the servers that it came to."""
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        for one in result["clients"]:
            known = found.get(one["address"])
            if known is None:
                found[one["address"]] = {**one, "servers": [result["name"]]}
            else:
                _join(known, one, result["name"])
    return list(found.values())


def _join(known: dict[str, Any], one: Mapping[str, Any], server: str) -> None:
    known["servers"].append(server)
    for key in _ADDED:
        if one.get(key):
            known[key] = known.get(key, 0) + one[key]
    for key in ("fails", "lost"):
        known[key] = _numbers([known.get(key, {}), one.get(key, {})])
    for key in ("last", "last_fail", "allowed", "rank"):
        known[key] = max(known.get(key, 0), one.get(key, 0))
    known["first"] = min(known["first"], one["first"])
    known["returned"] = bool(known.get("returned") or one.get("returned"))
    known["name"] = known.get("name") or one.get("name", "")
    known["helo"] = list(dict.fromkeys([*known.get("helo", ()), *one.get("helo", ())]))
    known["sites"] = max(known.get("sites", []), one.get("sites", []), key=len)


def _numbers(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for table in tables:
        for key, number in table.items():
            found[key] = found.get(key, 0) + number
    return found


def _days(results: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    found: dict[str, list[Mapping[str, int]]] = {}
    for result in results:
        for day, numbers in result["days"].items():
            found.setdefault(day, []).append(numbers)
    return {day: _numbers(tables) for day, tables in sorted(found.items())}


def _rows(tables: Iterable[Iterable[Sequence[int]]], width: int) -> list[list[int]]:
    """Rows of a key and ``width`` numbers, added up by key."""
    found: dict[int, list[int]] = {}
    for table in tables:
        for key, *numbers in table:
            sums = found.setdefault(int(key), [0] * width)
            for at, number in enumerate(numbers):
                sums[at] += number
    return [[key, *sums] for key, sums in sorted(found.items())]


def _sites(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, list[Mapping[str, int]]] = {}
    for result in results:
        for site in result["sites"]:
            numbers = {key: value for key, value in site.items() if key != "domain"}
            found.setdefault(site["domain"], []).append(numbers)
    return [{"domain": domain, **_numbers(tables)} for domain, tables in sorted(found.items())]


def _listings(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: dict[tuple[tuple[str, str], ...], dict[str, int]] = {}
    for result in results:
        for one in result["listings"]:
            key = tuple((site, answer) for site, answer in one["sites"])
            sums = found.setdefault(key, {"hosts": 0, "good": 0})
            for name in sums:
                sums[name] += one[name]
    return [{"sites": [list(site) for site in key], **sums} for key, sums in found.items()]
