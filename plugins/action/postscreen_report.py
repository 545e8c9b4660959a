# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judges on the controller what postscreen observed on all hosts, prints it, and writes the reports."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._screening import judging, page, terminal, view
from ansible_collections.postern.mail.plugins.plugin_utils._screening.model import Report

_ROOT = Path(__file__).resolve().parents[2]
_FORMATS = ("html", "json")
_ALL = "postscreen_report"
_ARGUMENTS = {
    "logs": {"type": "list", "elements": "dict", "required": True},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "allowed": {"type": "list", "elements": "raw", "default": []},
    "minimum_days": {"type": "int", "default": 7},
    "minimum_hosts": {"type": "int", "default": 50},
    "directory": {"type": "path", "default": "postscreen_report"},
    "formats": {"type": "list", "elements": "str", "choices": list(_FORMATS), "default": list(_FORMATS)},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        result.update(_report(plain(arguments)))
        return result


def _report(arguments: dict[str, Any]) -> dict[str, Any]:
    logs = [log for log in arguments["logs"] if not log.get("failed") and "clients" in log]
    reports = _judge(logs, arguments)
    missing = [host for host in arguments["hosts"] if host not in [log["name"] for log in logs]]
    _show(reports[0], missing)
    files = _write(reports, arguments)
    return {
        "changed": False,
        "report": view.plain(reports[0]),
        "files": files,
        "msg": terminal.closing(files, arguments["directory"]),
    }


def _judge(logs: list[dict[str, Any]], arguments: dict[str, Any]) -> list[Report]:
    """All servers together, then each of them where there are several."""
    parts = [("", logs), *((str(log["name"]), [log]) for log in logs if len(logs) > 1)]
    allowed = [_network(entry) for entry in arguments["allowed"]]
    try:
        return [
            judging.judge(name, part, allowed, arguments["minimum_days"], arguments["minimum_hosts"])
            for name, part in parts
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        names = ", ".join(str(log["name"]) for log in logs)
        raise AnsibleActionFail(
            f"What was read on {names} is nothing that postscreen_log returns: {error!r}"
        ) from error


def _network(entry: Any) -> str:
    """Of postscreen_allow: text, or a dictionary with ``network``."""
    return str(entry.get("network", "")) if isinstance(entry, Mapping) else str(entry)


def _show(report: Report, missing: list[str]) -> None:
    display = Display()
    color = C.COLOR_OK if terminal.calm(report) else C.COLOR_WARN
    display.display("\n" + "\n".join(terminal.lines(report)) + "\n", color=color)
    if missing:
        display.display(f"  Nothing could be read on {', '.join(missing)}.\n", color=C.COLOR_ERROR)


def _write(reports: list[Report], arguments: dict[str, Any]) -> list[str]:
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    makers = {
        "html": lambda report: page.render(view.page_data(report, date), f"postern.mail {_version()}"),
        "json": lambda report: json.dumps(view.plain(report), indent=2, ensure_ascii=False) + "\n",
    }
    directory = Path(arguments["directory"]).expanduser()
    written = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for report in reports:
            for name in _FORMATS:
                if name in arguments["formats"]:
                    path = directory / f"{_file_name(report.name)}.{name}"
                    path.write_text(makers[name](report), encoding="utf-8", errors="replace")
                    written.append(str(path))
    except OSError as error:
        raise AnsibleActionFail(f"The report cannot be written: {error}. Set postscreen_report_directory.") from error
    return written


def _file_name(host: str) -> str:
    """Nothing but letters, digits, dots, dashes and underlines."""
    return re.sub(r"[^\w.-]", "_", host, flags=re.ASCII).lstrip(".") or _ALL


def _version() -> str:
    """Of this collection; a checkout has galaxy.yml, an installation MANIFEST.json."""
    manifest = _ROOT / "MANIFEST.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    lines = (_ROOT / "galaxy.yml").read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("version:")), "")
