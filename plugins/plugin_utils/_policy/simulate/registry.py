# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every restriction word and what it does."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import (
    access_checks,
    addresses_checks,
    client,
    destination,
    dnsbl,
    generic,
    helo,
    logins,
    service,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Rule

RULES: Mapping[str, Rule] = {
    **generic.RULES,
    **client.RULES,
    **dnsbl.RULES,
    **helo.RULES,
    **access_checks.RULES,
    **addresses_checks.RULES,
    **destination.RULES,
    **logins.RULES,
    **service.RULES,
}
"""By lower-case name; smtpd_check.c compares without regard to case."""
