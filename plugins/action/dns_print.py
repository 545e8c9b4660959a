# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes DNS records for whoever keeps the zone, and shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.postern.mail.plugins.plugin_utils._dns import text
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import (
    RECORD_ARGUMENTS,
    DnsError,
    Record,
    read_records,
)
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain

_FORMATS = ("zone", "json", "octodns")
_ARGUMENTS = {
    **RECORD_ARGUMENTS,
    "zones": {"type": "list", "elements": "str", "default": []},
    "directory": {"type": "path", "default": "dns"},
    "formats": {"type": "list", "elements": "str", "choices": list(_FORMATS), "default": list(_FORMATS)},
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
            records = read_records(arguments["records"], arguments["ttl"])
        except DnsError as error:
            raise AnsibleActionFail(f"DNS records cannot be written:\n{error}") from error
        zones = text.by_zone(records, [zone.lower().removesuffix(".") for zone in arguments["zones"]])
        hosts = text.mail_hosts(records)
        texts = {zone: text.zone_text(members, zone, hosts) for zone, members in zones.items()}
        directory = Path(arguments["directory"]).expanduser()
        files = _files(zones, texts, arguments["formats"], directory)
        if "json" in arguments["formats"]:
            files[directory / "records.json"] = text.json_text(records)
        changed = _write(files, dry=self._task.check_mode)
        Display().display("\n" + "\n".join(texts.values()))
        result.update(
            changed=changed, records=[each.as_dict() for each in records], files=[str(path) for path in files]
        )
        return result


def _files(
    zones: dict[str, list[Record]], texts: dict[str, str], formats: list[str], directory: Path
) -> dict[Path, str]:
    files = {}
    for zone, members in zones.items():
        if "zone" in formats:
            files[directory / f"{zone}.zone"] = texts[zone]
        if "octodns" in formats:
            files[directory / "octodns" / f"{zone}.yaml"] = text.octodns_text(members, zone)
    return files


def _write(files: dict[Path, str], *, dry: bool) -> bool:
    """Whether any differed."""
    try:
        stale = {path: new for path, new in files.items() if not path.is_file() or path.read_text("utf-8") != new}
        for path, new in () if dry else stale.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new, encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise AnsibleActionFail(f"The records cannot be written: {error}. Set dns_directory.") from error
    return bool(stale)
