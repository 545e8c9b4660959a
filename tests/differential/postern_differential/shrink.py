# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Makes a case that disagrees smaller for as long as it disagrees."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from postern_differential.cases import Case, complete

_KEPT = ("myhostname", "mydomain", "compatibility_level")


def shrink(case: Case, disagrees: Callable[[Case], bool], seconds: float = 20.0) -> Case:
    """The smallest case found in the time given; ``disagrees`` asks both sides."""
    deadline = time.monotonic() + seconds
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(case):
            if time.monotonic() > deadline:
                return case
            if disagrees(candidate):
                case, smaller = candidate, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """Cases with one thing less, the large things first."""
    if case.dns:
        yield replace(case, dns={})
    yield from _sessions(case)
    for name in case.params:
        if name not in _KEPT:
            yield replace(case, params=_without(case.params, name))
    for name in case.tables:
        if not any(name in str(value) for value in case.params.values()):
            yield replace(case, tables=_without(case.tables, name))
    for name, value in case.params.items():
        if isinstance(value, list):
            for index in range(len(value)):
                shorter = [*value[:index], *value[index + 1 :]]
                yield replace(case, params={**case.params, name: shorter})
    for name, value in case.tables.items():
        lines = value.splitlines(keepends=True) if isinstance(value, str) else []
        for index in range(len(lines) if len(lines) > 1 else 0):
            yield replace(case, tables={**case.tables, name: "".join([*lines[:index], *lines[index + 1 :]])})
    for name in case.dns:
        yield replace(case, dns=_without(case.dns, name))


def _sessions(case: Case) -> Iterator[Case]:
    session = case.session
    rcpts = list(session["rcpts"])
    for attribute in ("vrfy", "etrn", "size"):
        if session[attribute] is not None:
            yield replace(case, session=complete({**session, attribute: None}))
    for attribute, plain in (("data", False), ("login", ""), ("helo", None), ("ehlo", True), ("reverse", None)):
        if session[attribute] != plain:
            yield replace(case, session=complete({**session, attribute: plain}))
    for index in range(len(rcpts)):
        yield replace(case, session=complete({**session, "rcpts": [*rcpts[:index], *rcpts[index + 1 :]]}))
    if session["sender"] is not None and not rcpts and not session["data"]:
        yield replace(case, session=complete({**session, "sender": None}))


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}
