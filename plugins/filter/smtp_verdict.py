# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._policy import inputs
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate


def smtp_verdict(
    params: Any, session: Any, version: Any = "3.10", tables: Any = None, dns: Any = None, master: Any = None
) -> dict[str, Any]:
    try:
        question = inputs.question(
            plain(params), plain(session), plain(version), plain(tables), plain(dns), plain(master)
        )
        # Nothing but what is told happens: without a word of STARTTLS the session is in plain text.
        session = replace(question.session, tls=bool(question.session.tls))
        verdict: dict[str, Any] = plain(simulate(question.policy, session, question.dns).as_dict())
    except PolicyError as error:
        raise AnsibleFilterError(f"postern.mail.smtp_verdict: {error}") from error
    return verdict


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"smtp_verdict": smtp_verdict}
