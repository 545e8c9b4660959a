# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the audit prints, and when it fails."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.terminal import closing, failing, summary
from hosts import audited

COUNTS = {"relay": 0, "lost": 1, "deferred": 2, "idle": 3, "style": 4}


@pytest.mark.parametrize(
    ("fail_on", "number"), [("relay", 0), ("lost", 1), ("deferred", 3), ("idle", 6), ("style", 10), ("never", 0)]
)
def test_fails_from_a_severity_on(fail_on: str, number: int) -> None:
    assert failing(COUNTS, fail_on) == number


def test_worst_first_and_the_fix_beside_it() -> None:
    one = audited("compatibility_level = 3.6\nsmtpd_recipient_restrictions = reject_unknown_sender\n")
    told = summary(one)
    text = "\n".join(told["lines"])
    assert text.startswith("mx1, Postfix 3.10.13: ")
    assert "rule 1: reject_unknown_sender" in text and "reject_unknown_sender_domain" in text
    assert max(len(line) for line in told["lines"][1:]) <= 110
    assert told["counts"]["deferred"] >= 1


def test_many_findings_are_not_all_printed() -> None:
    words = ", ".join(f"reject_nonsense_{number}" for number in range(40))
    lines = summary(audited(f"compatibility_level = 3.6\nsmtpd_recipient_restrictions = {words}\n"))["lines"]
    assert len(lines) < 100 and "more in the report" in lines[-1]


@pytest.mark.parametrize(
    ("counts", "fail_on", "says"),
    [
        (COUNTS, "deferred", "mx1: mistakes of severity deferred or worse. Open audit/mx1.html in a browser"),
        (COUNTS, "relay", "Nothing on the hosts was changed. Open audit/mx1.html in a browser"),
        ({**COUNTS, "relay": 1}, "relay", "mx1"),
    ],
)
def test_last_line_says_where_and_what_next(counts: dict[str, int], fail_on: str, says: str) -> None:
    host = {"host": "mx1", "counts": counts, "files": ["audit/mx1.html", "audit/mx1.json"]}
    line = closing([host], "audit", fail_on)
    assert says in line and "audit/mx1.html" in line and "Nothing on the hosts was changed" in line
