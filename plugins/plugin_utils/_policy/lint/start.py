# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether smtpd starts at all, asked of the simulator: what no rule of its own explains is told in Postfix's words."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import Service, each_service
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Session, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate

DOES_NOT_START = FindingKind(
    code="smtpd-does-not-start",
    severity=Severity.DEFERRED,
    title="smtpd does not start",
    wrong="With these settings smtpd stops as soon as it is started. The message is its own; the log has it as fatal.",
    happens="The service is down: nobody can send or receive until the setting is mended.",
    example="compatibility_level = 3.6\ninet_protocols = ipv5",
    right="compatibility_level = 3.6\ninet_protocols = all",
    source="postconf(5); mail log: fatal",
)
KINDS = (DOES_NOT_START,)


def _starts(service: Service) -> Iterator[Finding]:
    try:
        verdict = simulate(service.settings.policy, Session(service=service.key), absent_tables="empty")
    except PolicyError:
        return
    if verdict.fatal or (verdict.crash and not verdict.stages):
        parameter = next((word for word in verdict.reason.replace(":", " ").split() if "_" in word), "")
        message = f"smtpd does not start: {verdict.reason}"
        fix = f"mend {parameter}" if parameter else "mend what the message names"
        yield find(DOES_NOT_START, parameter, message, fix, service=service.key)


RULES = (each_service(_starts),)
