# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to write into the inventory. Names come from the log: only those that are host names are taken over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator

from ansible_collections.postern.mail.plugins.module_utils._screening_clients import is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._screening import words
from ansible_collections.postern.mail.plugins.plugin_utils._screening.model import Advice, Host, Report

_BASE = ("greet", "dnsbl", "denylist")


def allow_lines(hosts: Iterable[Host]) -> list[str]:
    """``postscreen_allow`` with the hosts to allow; those to look at are there as comments, the weak not at all."""
    lines = [f"  {'' if host.allow else '# '}- {_entry(host)}" for host in hosts if not host.weak]
    return ["postscreen_allow:", *lines] if lines else []


def _entry(host: Host) -> str:
    told = [host.name] if is_hostname(host.name) else []
    told += [words.count(host.delivered, "message", "messages")] if host.delivered else []
    told += [f"seen {day(host.last)}"]
    return f"{{network: {json.dumps(host.address)}, comment: {json.dumps(', '.join(told))}}}"


def stage_lines(report: Report) -> list[str]:
    """``postscreen_stage`` with every test that may be enforced now, and those that are; empty when none is new."""
    stages = {verdict.test: _stage(verdict.advice) for verdict in report.verdicts}
    if not any(verdict.advice is Advice.SWITCH for verdict in report.verdicts):
        return []
    return ["postscreen_stage:", *_stages(stages, report)]


def _stages(stages: dict[str, str], report: Report) -> Iterator[str]:
    measured = {verdict.test for verdict in report.verdicts if verdict.advice is not Advice.NOT_MEASURED}
    for test, stage in stages.items():
        if test in _BASE or test in measured:
            yield f"  {test}: {stage}"


def _stage(advice: Advice) -> str:
    return "enforce" if advice in (Advice.SWITCH, Advice.ENFORCED) else "observe"


def day(at: int) -> str:
    """In UTC, for servers may be anywhere."""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(at))
    except (ValueError, OverflowError, OSError):
        return "?"
