# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._accounts import AccountError, build
from ansible_collections.postern.mail.plugins.plugin_utils._passwords import NoHashLibraryError
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain


def accounts(
    users: Any,
    aliases: Any = (),
    *,
    domains: Any,
    postmaster: Any = "",
    quota: Any = 0,
    salt: Any = "",
    delimiter: Any = "",
    hashes: bool = True,
) -> dict[str, Any]:
    lists = {"mail_users": plain(users or []), "mail_aliases": plain(aliases or []), "mail_domains": plain(domains)}
    for name, value in lists.items():
        of, word = (str, "text") if name == "mail_domains" else (Mapping, "dictionaries")
        if not isinstance(value, list) or not all(isinstance(item, of) for item in value):
            raise AnsibleFilterError(f"postern.mail.accounts: {name} must be a list of {word}")
    try:
        tables: dict[str, Any] = build(
            lists["mail_users"],
            lists["mail_aliases"],
            domains=lists["mail_domains"],
            postmaster=str(postmaster or ""),
            quota=plain(quota),
            salt=str(salt or ""),
            delimiter=str(delimiter or ""),
            hashes=hashes,
        )
    except (AccountError, NoHashLibraryError) as error:
        raise AnsibleFilterError(f"postern.mail.accounts: {error}") from error
    return tables


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"accounts": accounts}
