# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judges a collected policy on the controller, writes its reports, and prints them for all hosts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report import page, sarif, terminal, view
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.audit import Audit, audit, unused

_ROOT = Path(__file__).resolve().parents[2]
_FORMATS = ("html", "json", "sarif")
_ARGUMENTS = {
    "policy": {"type": "dict"},
    "accept": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {name: {"type": "str", "required": True} for name in ("code", "element", "reason")},
    },
    "directory": {"type": "path", "default": "audit"},
    "formats": {"type": "list", "elements": "str", "choices": list(_FORMATS), "default": list(_FORMATS)},
    "report": {"type": "list", "elements": "dict"},
    "fail_on": {"type": "str", "choices": list(terminal.FAIL_ON), "default": "deferred"},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            argument_spec=_ARGUMENTS, required_one_of=[("policy", "report")], mutually_exclusive=[("policy", "report")]
        )
        if arguments["report"] is None:
            host = str((task_vars or {}).get("inventory_hostname", ""))
            result.update(_judge(host, plain(arguments)))
        else:
            result.update(_tell(plain(arguments)))
        return result


def _judge(host: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Judge one host and write its reports."""
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    try:
        audits = audit(host, arguments["policy"], date, arguments["accept"])
    except (PolicyError, KeyError) as error:
        raise AnsibleActionFail(f"What was read on {host} cannot be judged: {error}") from error
    directory = Path(arguments["directory"]).expanduser()
    version = _version()
    hosts = []
    for one in audits:
        files = _write(one, directory, arguments["formats"], version)
        hosts.append({**terminal.summary(one), "files": files, "unused": unused(one, arguments["accept"])})
    findings = [
        {**finding, "instance": one.host} for one in audits for finding in sarif.plain(one, version)["findings"]
    ]
    return {"changed": False, "hosts": hosts, "findings": findings}


def _write(one: Audit, directory: Path, formats: list[str], version: str) -> list[str]:
    makers = {
        "html": lambda: page.render(view.page_data(one), f"postern.mail {version}"),
        "json": lambda: json.dumps(sarif.plain(one, version), indent=2, ensure_ascii=False) + "\n",
        "sarif": lambda: json.dumps(sarif.sarif(one, version), indent=2, ensure_ascii=False) + "\n",
    }
    written = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in _FORMATS:
            if name in formats:
                path = directory / f"{one.file_name}.{name}"
                path.write_text(makers[name](), encoding="utf-8", errors="replace")
                written.append(str(path))
    except OSError as error:
        raise AnsibleActionFail(f"The report cannot be written: {error}. Set audit_report_directory.") from error
    return written


def _version() -> str:
    """Of this collection; a checkout has galaxy.yml, an installation MANIFEST.json."""
    manifest = _ROOT / "MANIFEST.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    lines = (_ROOT / "galaxy.yml").read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("version:")), "")


def _tell(arguments: dict[str, Any]) -> dict[str, Any]:
    """Print what was found on all hosts; fail by ``fail_on``."""
    hosts = [host for result in arguments["report"] for host in result.get("hosts") or []]
    fail_on = arguments["fail_on"]
    display = Display()
    for host in sorted(hosts, key=lambda host: [-number for number in host["counts"].values()]):
        bad, some = terminal.failing(host["counts"], fail_on), terminal.failing(host["counts"], "style")
        color = C.COLOR_ERROR if bad else C.COLOR_WARN if some else C.COLOR_OK
        display.display("\n" + "\n".join(host["lines"]), color=color)
    display.display("")
    # Several hosts may share one list: an exception is wrong when it matches on none of them.
    unmatched = [line for line in hosts[0]["unused"] if all(line in host["unused"] for host in hosts)] if hosts else []
    problems = [f"audit_accept_findings: {line} matches no finding; remove it." for line in unmatched]
    failed = bool(problems) or any(terminal.failing(host["counts"], fail_on) for host in hosts)
    closing = terminal.closing(hosts, arguments["directory"], fail_on)
    return {"changed": False, "failed": failed, "msg": " ".join([*problems, closing])}
