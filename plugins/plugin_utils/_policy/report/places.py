# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where on the host a finding is: file and line."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Service
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import main_cf
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.collected import Collected


@dataclass(frozen=True, slots=True)
class Place:
    """:param line: from 1; 0 where it is the file as a whole"""

    file: str
    line: int = 0


class Places:
    """Finds findings in the files of one configuration."""

    def __init__(self, collected: Collected) -> None:
        self._directory = collected.config_directory.rstrip("/")
        self._lines = collected.main_cf.split("\n")
        self._starts: dict[str, int] = {}
        for line in main_cf.logical_lines(collected.main_cf):
            name = line.text.split("=", 1)[0].strip()
            self._starts[name] = line.line
        self._services = {service.key: service for service in collected.policy.services}

    def of(self, finding: Finding) -> Place:
        """The file and line to edit."""
        main, master = f"{self._directory}/main.cf", f"{self._directory}/master.cf"
        service = self._services.get(finding.service)
        if finding.parameter == "master.cf" or (service and self._in_master(finding, service)):
            return Place(master, service.line if service else 0)
        if finding.parameter in self._starts:
            return Place(main, self._element_line(self._starts[finding.parameter], finding.element))
        kind, _colon, path = finding.parameter.partition(":")
        if path.startswith("/"):
            return Place(path)
        if path and kind == "proxy":
            return Place(path.partition(":")[2])
        return Place(main)

    def _in_master(self, finding: Finding, service: Service) -> bool:
        return finding.parameter in service.overrides or finding.parameter not in self._starts

    def _element_line(self, start: int, element: str) -> int:
        """Line of main.cf on which an element of a list begins; that of the parameter where it is not found."""
        number = start
        while element and number <= len(self._lines):
            text = self._lines[number - 1]
            if number > start and text.strip() and text[0] not in " \t#":
                break
            if not text.lstrip().startswith("#") and element in " ".join(text.split()):
                return number
            number += 1
        return start

    def words(self, finding: Finding) -> str:
        """The place in words, rules counted from 1."""
        place = self.of(finding)
        parts = [f"{place.file} line {place.line}" if place.line else place.file]
        if finding.parameter and ":" not in finding.parameter and finding.parameter not in place.file:
            parts.append(finding.parameter)
        if finding.index is not None:
            parts.append(f"rule {finding.index + 1}")
        if finding.service:
            parts.append(f"for {finding.service}")
        return ", ".join(parts)
