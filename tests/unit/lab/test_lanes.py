# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Which lane a test is in, when tests of several servers run at the same time."""

from __future__ import annotations

import pytest
from dialogue.lab import Server
from dialogue.lanes import TOGETHER, lane_of


def server(name: str) -> Server:
    return Server(
        lab="lab", name=name, hostname="", address="", address6="", release="", ports={}, domain="", second_domain="",
        accounts={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("nodeid", "lane"),
    [
        ("test_x.py::test_it[mx]", "mx"),
        ("test_x.py::test_it[mx-old]", "mx-old"),
        ("test_x.py::test_it[mx-old-smtp]", "mx-old"),
        ("test_x.py::test_it[mx-smtp]", "mx"),
        ("test_x.py::test_it[mx-[127.0.0.1]]", "mx"),
        ("test_x.py::test_it[mxx]", TOGETHER),
        ("test_x.py::test_it[smtp-mx]", TOGETHER),
        ("test_x.py::test_it[together:mx-smtp]", TOGETHER),
        ("test_x.py::test_it", TOGETHER),
    ],
)
def test_lane(nodeid: str, lane: str) -> None:
    assert lane_of(nodeid, [server("mx"), server("mx-old")]) == lane
