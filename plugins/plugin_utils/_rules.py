# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All rules between variables, in the order in which an administrator wants to read their findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ansible_collections.postern.mail.plugins.plugin_utils import (
    _rules_access,
    _rules_aliases,
    _rules_certbot,
    _rules_content,
    _rules_dane,
    _rules_dkim,
    _rules_dns,
    _rules_identity,
    _rules_phrases,
    _rules_policy,
    _rules_postscreen,
    _rules_sender_policy,
    _rules_tls,
    _rules_unbound,
    _rules_users,
    _rules_web,
)
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake

Rule = Callable[[Inventory], Iterator[Mistake]]

RULES: Sequence[Rule] = (
    *_rules_identity.RULES,
    *_rules_users.RULES,
    *_rules_aliases.RULES,
    *_rules_unbound.RULES,
    *_rules_tls.RULES,
    *_rules_certbot.RULES,
    *_rules_access.RULES,
    *_rules_content.RULES,
    *_rules_phrases.RULES,
    *_rules_dane.RULES,
    *_rules_dkim.RULES,
    *_rules_dns.RULES,
    *_rules_web.RULES,
    *_rules_sender_policy.RULES,
    *_rules_postscreen.RULES,
    *_rules_policy.RULES,
)


def check(inventory: Inventory, rules: Iterable[Rule] = RULES) -> list[Mistake]:
    return [mistake for rule in rules for mistake in rule(inventory)]


def same_hostname(hostnames: dict[str, str]) -> Iterator[Mistake]:
    """Two servers with one name: what a mail_hostname in group_vars/all does.

    :param hostnames: mail_hostname by inventory host
    """
    hosts: dict[str, list[str]] = {}
    for host, name in hostnames.items():
        hosts.setdefault(name.lower(), []).append(host)
    for name, sharing in hosts.items():
        if name and len(sharing) > 1:
            reason = f"{', '.join(sharing)} have the same name, and only one address can answer for it"
            fix = 'Set mail_hostname for each host, for example: mail_hostname: "{{ inventory_hostname }}"'
            yield Mistake("same-hostname", "mail_hostname", reason, fix, value=f'"{name}"', severity="warning")
