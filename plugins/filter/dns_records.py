# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._dns.make import make_records
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import DnsError
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain


def dns_records(servers: Any) -> list[dict[str, Any]]:
    known = plain(servers)
    described = [known] if isinstance(known, Mapping) else known
    if not isinstance(described, list) or not all(isinstance(each, Mapping) for each in described):
        raise AnsibleFilterError("DNS records are made from a server, or from a list of servers")
    try:
        return [record.as_dict() for record in make_records(described)]
    except DnsError as error:
        raise AnsibleFilterError(f"DNS records:\n{error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"dns_records": dns_records}
