# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's inputs as the rules see them: only what is well formed, so that one mistake is not reported twice."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._accounts import own_alias, required_aliases
from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    address_problem,
    canonical_address,
    canonical_domain,
    domain_of,
    domain_problem,
    is_delimiter,
)
from ansible_collections.postern.mail.plugins.plugin_utils._findings_cache import FindingsCache

ReadPolicy = Callable[[], Mapping[str, Any]]
"""Makes the role postfix's ``__postfix_policy``.

:raises UnknownPolicyError: it cannot be made while something else is wrong or not known
:raises ValueError: the inputs contradict each other; the text says how
"""


class UnknownPolicyError(Exception):
    """What Postfix would get cannot be told."""


class Entry(NamedTuple):
    """An address in the inventory and where it stands.

    :param kind: ``user``, ``user alias`` or ``alias``
    :param address: canonical; a catch-all is ``@domain``
    :param owner: canonical address of the user it belongs to, empty for an alias
    """

    kind: str
    address: str
    written: str
    variable: str
    element: str
    owner: str = ""


@dataclass(frozen=True)
class Inventory:
    """One host's evaluated variables.

    :param values: by name; what could not be evaluated is not there
    :param changed: names whose value is not the role's default
    :param roles: features there are in the collection
    :param platforms: by name, what makes the policy for it; the first is the host's own, or the one that is assumed.
        Empty where a value that the policy is made of is malformed
    :param all_platforms: judge it for each of them, not only where the first has mistakes
    :param cache: what was found in it before
    """

    values: Mapping[str, Any]
    changed: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    platforms: Mapping[str, ReadPolicy] = field(default_factory=dict)
    all_platforms: bool = False
    cache: FindingsCache = field(default_factory=FindingsCache)

    def text(self, name: str) -> str:
        """The value, or an empty string where it is not text."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> list[tuple[int, str]]:
        """Position and value of each text in a list."""
        return [(index, item) for index, item in self._items(name) if isinstance(item, str)]

    def dicts(self, name: str) -> list[tuple[int, Mapping[str, Any]]]:
        """Position and value of each dictionary in a list."""
        return [(index, item) for index, item in self._items(name) if isinstance(item, Mapping)]

    def _items(self, name: str) -> Iterator[tuple[int, Any]]:
        value = self.values.get(name)
        return enumerate(value) if isinstance(value, Sequence) and not isinstance(value, str) else enumerate(())

    @functools.cached_property
    def domains(self) -> list[str]:
        """mail_domains in canonical form; a malformed name is repaired as far as it goes, to not be reported again."""
        return list(
            dict.fromkeys(canonical_domain(domain) for _index, domain in self.texts("mail_domains") if domain.strip())
        )

    @property
    def delimiter(self) -> str:
        text = self.text("mail_recipient_delimiter")
        return text if is_delimiter(text) else ""

    @property
    def hostname(self) -> str:
        name: str = canonical_domain(self.text("mail_hostname"))
        return name

    @functools.cached_property
    def features(self) -> set[str]:
        return {name for _index, name in self.texts("mail_features")}

    @functools.cached_property
    def domains_known(self) -> bool:
        """Whether mail_domains is all there; with one of them unknown nothing can be said to be elsewhere."""
        domains = self.values.get("mail_domains")
        return isinstance(domains, list) and bool(domains) and all(isinstance(item, str) for item in domains)

    @functools.cached_property
    def addresses_known(self) -> bool:
        """Whether all addresses of this server are text; with one unknown nobody can be said not to exist."""
        users, aliases = self.values.get("mail_users"), self.values.get("mail_aliases")
        if not isinstance(users, list) or not isinstance(aliases, list) or "mail_postmaster" not in self.values:
            return False
        entries = [*users, *aliases]
        if not all(isinstance(entry, Mapping) and isinstance(entry.get("address"), str) for entry in entries):
            return False
        lists = [entry.get(key) for entry in entries for key in ("aliases", "to")]
        return self.domains_known and all(
            each is None or (isinstance(each, list) and all(isinstance(item, str) for item in each)) for each in lists
        )

    def is_ours(self, address: str) -> bool:
        return domain_of(address) in self.domains

    @functools.cached_property
    def entries(self) -> list[Entry]:
        """Every well-formed address that the inventory gives to this server, in the order of the inventory."""
        entries: list[Entry] = []
        for index, user in self.dicts("mail_users"):
            address = str(user.get("address") or "")
            if not isinstance(user.get("address"), str) or address_problem(address):
                continue
            owner = canonical_address(address)
            entries.append(Entry("user", owner, address, "mail_users", f"[{index}].address", owner))
            for position, alias in enumerate(texts_in(user.get("aliases"))):
                full = own_alias(alias, address)
                if not address_problem(full):
                    at = f"[{index}].aliases[{position}]"
                    entries.append(Entry("user alias", full, alias, "mail_users", at, owner))
        for index, alias_entry in self.dicts("mail_aliases"):
            written = alias_entry.get("address")
            if isinstance(written, str) and is_address_or_catch_all(written):
                entries.append(
                    Entry("alias", canonical_address(written), written, "mail_aliases", f"[{index}].address")
                )
        return entries

    @functools.cached_property
    def mailboxes(self) -> dict[str, Mapping[str, Any]]:
        """Users by canonical address."""
        users: dict[str, Mapping[str, Any]] = {}
        for _index, user in self.dicts("mail_users"):
            if isinstance(user.get("address"), str) and not address_problem(user["address"]):
                users.setdefault(canonical_address(user["address"]), user)
        return users

    @functools.cached_property
    def alias_table(self) -> dict[str, list[str]]:
        """Targets by address as Postfix will see them, the generated postmaster@ and abuse@ included."""
        table: dict[str, list[str]] = {}
        for entry in self.entries:
            if entry.kind == "user alias":
                table.setdefault(entry.address, [entry.owner])
        for _index, alias in self.dicts("mail_aliases"):
            if isinstance(alias.get("address"), str) and is_address_or_catch_all(alias["address"]):
                targets = [canonical_address(target) for target in texts_in(alias.get("to"))]
                table[canonical_address(alias["address"])] = targets
        postmaster = self.text("mail_postmaster")
        if not address_problem(postmaster):
            table.update(required_aliases({*table, *self.mailboxes}, self.domains, canonical_address(postmaster)))
        return table


def texts_in(value: Any) -> list[str]:
    return (
        [item for item in value if isinstance(item, str)]
        if isinstance(value, Sequence) and not isinstance(value, str)
        else []
    )


def is_address_or_catch_all(text: str) -> bool:
    if text.startswith("@"):
        return domain_problem(text[1:]) is None
    return address_problem(text) is None
