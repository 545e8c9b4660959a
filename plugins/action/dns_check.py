# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compares DNS records with what resolvers and authoritative servers answer."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.postern.mail.plugins.plugin_utils._dns import ask
from ansible_collections.postern.mail.plugins.plugin_utils._dns.check import Check, Checked
from ansible_collections.postern.mail.plugins.plugin_utils._dns.findings import counted, report
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import (
    RECORD_ARGUMENTS,
    DnsError,
    read_records,
    record_sets,
)
from ansible_collections.postern.mail.plugins.plugin_utils._dns.servers import read_server
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain

_ARGUMENTS = {
    **RECORD_ARGUMENTS,
    "servers": {"type": "list", "elements": "dict", "default": []},
    "resolvers": {"type": "list", "elements": "str", "default": []},
    "nameservers": {"type": "bool", "default": True},
    "wait": {"type": "int", "default": 0},
    "directory": {"type": "path"},
}
_PAUSE = 3


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, given = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        arguments = plain(given)
        try:
            ask.require_dnspython()
            check = Check(
                record_sets(read_records(arguments["records"], arguments["ttl"])),
                [read_server(server) for server in arguments["servers"]],
                ask.parsed_addresses(arguments["resolvers"]) or ask.own_resolvers(),
                nameservers=arguments["nameservers"],
                ask=ask.ask,
            )
            checked = _until(check, time.monotonic() + arguments["wait"])
        except DnsError as error:
            raise AnsibleActionFail(f"DNS cannot be checked:\n{error}") from error
        outcome = {
            "summary": counted(checked.findings),
            "asked": checked.asked,
            "findings": [finding.as_dict() for finding in checked.findings],
        }
        if arguments["directory"]:
            _write(Path(arguments["directory"]).expanduser() / "check.json", outcome)
        _show(check, checked)
        failed = any(finding.is_error for finding in checked.findings)
        result.update(changed=False, failed=failed, msg=f"DNS: {counted(checked.findings)}: see above", **outcome)
        return result


def _until(check: Check, end: float) -> Checked:
    """Ask the authoritative servers until they agree, and then the others.

    A resolver that is asked too early remembers for a while that there is nothing (RFC 2308).
    """
    while time.monotonic() < end and check.nameservers_differ():
        time.sleep(_PAUSE)
    checked = check.run()
    while time.monotonic() < end and any(finding.is_error for finding in checked.findings):
        time.sleep(_PAUSE)
        checked = check.run()
    return checked


def _write(path: Path, outcome: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise AnsibleActionFail(f"The report cannot be written: {error}. Set dns_directory.") from error


def _show(check: Check, checked: Checked) -> None:
    failed = any(finding.is_error for finding in checked.findings)
    color = C.COLOR_ERROR if failed else C.COLOR_WARN if checked.findings else C.COLOR_OK
    Display().display("\n" + "\n".join(report(checked.findings, len(check.sets), checked.asked)), color=color)
