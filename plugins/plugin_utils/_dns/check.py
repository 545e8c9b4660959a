# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole check: records as they should be, and what the world makes of the servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._dns.compare import compare
from ansible_collections.postern.mail.plugins.plugin_utils._dns.findings import Finding
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import RecordSet
from ansible_collections.postern.mail.plugins.plugin_utils._dns.servers import Server
from ansible_collections.postern.mail.plugins.plugin_utils._dns.survey import lifetimes, survey
from ansible_collections.postern.mail.plugins.plugin_utils._dns.world import AskServer, World


@dataclass(frozen=True)
class Checked:
    """:param asked: titles of everybody who was asked about records"""

    findings: list[Finding]
    asked: list[str]


class Check:
    """:param servers: whose names and addresses are looked at as well; none: records only"""

    def __init__(
        self,
        sets: Sequence[RecordSet],
        servers: Sequence[Server],
        resolvers: Sequence[str],
        *,
        nameservers: bool,
        ask: AskServer,
    ) -> None:
        self.sets = sets
        self._servers = servers
        self._resolvers = resolvers
        self._nameservers = nameservers
        self._ask = ask

    def run(self) -> Checked:
        world = World(self._resolvers, self._ask)
        findings = compare(world, self.sets, resolvers=True, nameservers=self._nameservers)
        findings += lifetimes(world, self.sets) if self._nameservers else []
        if self._servers:
            findings += survey(world, self._servers, self.sets, nameservers=self._nameservers)
        return Checked(findings, world.titles())

    def nameservers_differ(self) -> bool:
        """Whether an authoritative server has another record than it should."""
        if not self._nameservers:
            return False
        world = World(self._resolvers, self._ask)
        return any(each.is_error for each in compare(world, self.sets, resolvers=False, nameservers=True))
