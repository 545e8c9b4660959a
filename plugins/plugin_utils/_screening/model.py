# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nouns of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Advice(StrEnum):
    """What to do about a test, in the order of urgency."""

    ALLOW_FIRST = "allow_first"
    LOOK_FIRST = "look_first"
    SWITCH = "switch"
    NOT_ENOUGH = "not_enough"
    NOT_MEASURED = "not_measured"
    ENFORCED = "enforced"


@dataclass(frozen=True, slots=True)
class Host:
    """A client that enforcing would have stopped although something speaks for it.

    :param fails: sessions by test that they failed
    :param signs: what speaks for it
    :param doubts: what speaks against it, as sentences without a full stop
    :param lost: messages delivered in sessions that enforcing would have ended
    :param servers: inventory names of the servers that it came to
    """

    address: str
    name: str
    helo: tuple[str, ...]
    fails: Mapping[str, int]
    rank: int
    sites: tuple[tuple[str, str], ...]
    signs: tuple[str, ...]
    doubts: tuple[str, ...]
    delivered: int
    lost: Mapping[str, int]
    last: int
    servers: tuple[str, ...]

    @property
    def weak(self) -> bool:
        """Whether no mail of it ever arrived: a name and SPF are cheap."""
        return not {"delivered", "returned"} & set(self.signs)

    @property
    def allow(self) -> bool:
        """Whether it is to be allowed; else somebody has to look at it."""
        return "delivered" in self.signs and len(self.signs) > 1 and not self.doubts


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about a test.

    :param sessions: sessions that failed it
    :param hosts: clients that failed it
    :param good: those of them that something speaks for, and that are not allowed yet
    """

    test: str
    advice: Advice
    sessions: int
    hosts: int
    good: tuple[Host, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """What another ``postscreen_dnsbl_threshold`` would have done.

    :param spared: addresses with a good sign that would pass
    """

    value: int
    hosts: int
    good: int
    spared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """One server, or all of them together.

    :param name: inventory name; empty for all together
    :param data: merged results of the module postscreen_log
    :param threshold: postscreen_dnsbl_threshold, the lowest of the servers
    """

    name: str
    servers: tuple[str, ...]
    data: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    hosts: tuple[Host, ...]
    thresholds: tuple[Threshold, ...]
    threshold: int = 1
    warnings: tuple[str, ...] = field(default=())

    @property
    def advice(self) -> Advice:
        """The most urgent of all tests."""
        order = list(Advice)
        return min((verdict.advice for verdict in self.verdicts), key=order.index, default=Advice.NOT_MEASURED)
