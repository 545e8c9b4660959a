# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compares DNS records with what the primary server has, and says what an update must change."""

from __future__ import annotations

from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.postern.mail.plugins.plugin_utils._dns import primary
from ansible_collections.postern.mail.plugins.plugin_utils._dns.ask import Key
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import (
    RECORD_ARGUMENTS,
    DnsError,
    read_records,
    record_sets,
)
from ansible_collections.postern.mail.plugins.plugin_utils._dns.plan import Change, Plan
from ansible_collections.postern.mail.plugins.plugin_utils._dns.text import presented
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain

_ARGUMENTS = {
    **RECORD_ARGUMENTS,
    "zones": {"type": "list", "elements": "str", "default": []},
    "server": {"type": "str", "required": True},
    "port": {"type": "int", "default": 53},
    "tsig_name": {"type": "str", "required": True},
    "tsig_secret": {"type": "str", "required": True, "no_log": True},
    "tsig_algorithm": {
        "type": "str",
        "choices": ["hmac-sha256", "hmac-sha384", "hmac-sha512"],
        "default": "hmac-sha256",
    },
    "proof": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, checked = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        arguments = plain(checked)
        try:
            sets = record_sets(read_records(arguments["records"], arguments["ttl"]))
            name = sets[0].name if sets else "."
            server = primary.find(arguments["server"], arguments["port"], _key(arguments), arguments["zones"], name)
            plan = server.plan(sets)
        except DnsError as error:
            raise AnsibleActionFail(f"Nothing was published:\n{error}") from error
        if arguments["proof"]:
            return {**result, "changed": False, **_proof(plan)}
        _show(plan, len(sets), server.address)
        result.update(
            changed=False,
            address=server.address,
            changes=[_as_dict(change) for change in plan.changes],
            outside=plan.outside,
        )
        return result


def _key(arguments: dict[str, Any]) -> Key:
    missing = [f"dns_{name}" for name in ("tsig_name", "tsig_secret") if not arguments[name]]
    if not arguments["server"]:
        raise DnsError("dns_update_server is not set: who takes the updates?")
    if missing:
        raise DnsError(f"{' and '.join(missing)}: not set; an update without a key is anybody's")
    return Key(arguments["tsig_name"], arguments["tsig_secret"], arguments["tsig_algorithm"])


def _as_dict(change: Change) -> dict[str, Any]:
    return {
        "zone": change.zone,
        "name": change.name,
        "type": change.type,
        "ttl": change.ttl,
        "value": [presented(change.type, value) for value in change.after],
    }


def _show(plan: Plan, number: int, address: str) -> None:
    display = Display()
    lines = [
        line for change in plan.changes for line in (f"{change.title}:", *(f"  {each}" for each in change.lines()))
    ]
    inside = number - len(plan.outside)
    told = f"{len(plan.changes)} of {inside} sets of records differ at {address}"
    display.display(
        "\n" + "\n".join([f"postern.mail: {told}.", *lines]), color=C.COLOR_CHANGED if lines else C.COLOR_OK
    )
    if plan.outside:
        names = ", ".join(plan.outside)
        display.warning(f"Not published, because {address} has no zone for it that may be updated: {names}")


def _proof(plan: Plan) -> dict[str, Any]:
    """After an update nothing may be left to do."""
    if not plan.changes:
        return {"msg": "The primary server has all records."}
    left = "\n".join(line for change in plan.changes for line in change.lines())
    return {"failed": True, "msg": f"The primary server took the updates and has something else (- is there):\n{left}"}
