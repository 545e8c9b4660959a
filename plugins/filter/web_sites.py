# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils import _web
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain


def web_sites(servers: Any, own: Any, **settings: Any) -> dict[str, Any]:
    known = plain(servers)
    columns = (known.get("hostnames") or [], known.get("domains") or [], known.get("features") or [])
    try:
        rows = [
            {"hostname": hostname, "domains": domains, "web": "web" in features}
            for hostname, domains, features in zip(*columns, strict=True)
            if hostname
        ]
        return _web.sites(rows, plain(own), **plain(settings))
    except ValueError as error:
        raise AnsibleFilterError(f"web sites: {error}") from error


def web_string(text: Any) -> str:
    try:
        return _web.nginx_string(str(plain(text)))
    except _web.WebError as error:
        raise AnsibleFilterError(str(error)) from error


def web_address_pattern(domains: Any) -> str:
    return _web.address_pattern([str(domain) for domain in plain(domains)])


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"web_sites": web_sites, "web_string": web_string, "web_address_pattern": web_address_pattern}
