# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bars, as plain data: the template draws them, and escapes what it writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 760, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 12, 34
_LABELS = 16


@dataclass(frozen=True, slots=True)
class Series:
    """:param tone: class of the bar's colour"""

    title: str
    tone: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Label:
    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """:param mark: where a dashed line stands, with its text; None for no line"""

    ident: str
    title: str
    about: str
    bars: tuple[Bar, ...]
    columns: tuple[Label, ...]
    rows: tuple[Label, ...]
    series: tuple[Series, ...]
    labels: tuple[str, ...]
    mark: Label | None = None
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def right(self) -> int:
        return self.width - _RIGHT

    @property
    def floor(self) -> int:
        return self.height - _BOTTOM


def stacked(
    ident: str,
    title: str,
    about: str,
    labels: Sequence[str],
    series: Sequence[Series],
    mark: tuple[int, str] | None = None,
) -> Chart:
    """Bars on each other, one column a label.

    :param mark: column before which a line stands, and its text
    """
    shown = tuple(one for one in series if any(one.values))
    totals = [sum(one.values[at] for one in shown) for at in range(len(labels))]
    top = nice(max(totals, default=0))
    inner = HEIGHT - _TOP - _BOTTOM
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(labels))
    width = max(1.0, step * 0.72)
    bars, columns = [], []
    every = max(1, math.ceil(len(labels) / _LABELS))
    for at, label in enumerate(labels):
        middle = _LEFT + step * (at + 0.5)
        level = float(HEIGHT - _BOTTOM)
        for one in shown:
            height = inner * max(0, one.values[at]) / top
            if height > 0:
                level -= height
                bars.append(
                    _bar(middle - width / 2, level, width, height, one.tone, f"{label}: {one.values[at]} {one.title}")
                )
        if at % every == 0:
            columns.append(Label(round(middle, 1), HEIGHT - _BOTTOM + 16, label))
    rows = tuple(
        Label(_LEFT - 6, round(HEIGHT - _BOTTOM - inner * part / 4, 1), f"{top * part // 4}") for part in range(5)
    )
    line = Label(round(_LEFT + step * mark[0], 1), _TOP, mark[1]) if mark else None
    return Chart(ident, title, about, tuple(bars), tuple(columns), rows, shown, tuple(labels), line)


def _bar(x: float, y: float, width: float, height: float, tone: str, text: str) -> Bar:
    return Bar(round(x, 1), round(y, 1), round(width, 1), round(height, 1), tone, text)


def nice(most: int) -> int:
    """The end of an axis: a round number, not below, that four divides."""
    if most <= 4:
        return 4
    power = 10 ** (len(str(most)) - 1)
    candidates = [int(power * step) for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10, 12)]
    return next((one for one in candidates if one >= most and one % 4 == 0), math.ceil(most / 4) * 4)
