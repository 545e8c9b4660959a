# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes that only the host shows."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.collected import read_instance
from hosts import collected

GOOD = "compatibility_level = 3.6\n"


def reference(table: str, **more: Any) -> dict[str, Any]:
    return {"table": table, "unread": "", "missing": "", "stale": False, **more}


@pytest.mark.parametrize(
    ("main", "more", "code", "severity"),
    [
        (
            GOOD,
            {"references": [reference("hash:/t", unread="it was never compiled: there is no /t.db", missing="/t.db")]},
            "table-not-compiled",
            "deferred",
        ),
        (
            GOOD,
            {"references": [reference("cidr:/t", unread="no such file or directory", missing="/t")]},
            "table-missing",
            "deferred",
        ),
        (GOOD, {"references": [reference("proxy:hash:/t", stale=True)]}, "table-stale", "idle"),
        (GOOD, {"references": [reference("lmdb:/t")]}, "table-type-not-installed", "deferred"),
        (GOOD + "mynetworks = 127.0.0.0/8\nmynetworks = 192.0.2.1\n", {}, "duplicate-parameter", "lost"),
        (GOOD + "mynetworks = 127.0.0.0/8\nmynetworks =  127.0.0.0/8\n", {}, "duplicate-parameter", "style"),
        (GOOD + "mynetworks 127.0.0.0/8\n", {}, "unreadable-configuration", "deferred"),
        (GOOD, {"master_cf": "smtp inet n\n"}, "unreadable-configuration", "deferred"),
        ("  mynetworks = 192.0.2.1\n" + GOOD, {}, "stray-continuation", "idle"),
    ],
)
def test_finding(main: str, more: dict[str, Any], code: str, severity: str) -> None:
    (one,) = collected(main, **more)["instances"]
    (finding,) = [finding for finding in read_instance(one).findings if finding.code == code]
    assert finding.severity == severity and finding.fix and finding.consequence


def test_nothing_wrong_nothing_found() -> None:
    (one,) = collected(GOOD, references=[reference("hash:/t")])["instances"]
    assert read_instance(one).findings == ()


def test_what_only_the_host_knows_is_not_taken_for_written() -> None:
    """Otherwise a mynetworks that nobody set would look like one that somebody chose."""
    (one,) = collected(GOOD)["instances"]
    read = read_instance(one)
    assert read.policy.settings()["mynetworks"] == "127.0.0.0/8" and not read.written.settings().is_set("mynetworks")
    assert read.policy.settings()["myhostname"] == "mx.example.org"


def test_a_table_that_is_there_but_was_not_read_is_no_missing_file() -> None:
    references = [reference("hash:/t", unread="larger than 2048 KiB"), reference("mysql:/t", unread="a database")]
    (one,) = collected(GOOD, references=references)["instances"]
    read = read_instance(one)
    assert read.policy.tables["hash:/t"] == "" and "mysql:/t" not in read.policy.tables
    assert len(read.unread) == 1 and "hash:/t was not read" in read.unread[0]


@pytest.mark.parametrize(
    ("version", "says"),
    [("3.3.1", ["older than 3.4"]), ("3.4.0", []), ("3.11.7", []), ("4.0-20300101", ["newer than this audit"])],
)
def test_releases_that_nobody_here_knows_are_told(version: str, says: list[str]) -> None:
    (one,) = collected(GOOD, version=version)["instances"]
    told = read_instance(one).unread
    assert len(told) == len(says) and all(words in line for words, line in zip(says, told, strict=True))
