# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError, Service, render_master


def postfix_master_cf(services: Any) -> str:
    if not isinstance(services, list):
        raise AnsibleFilterError("postern.mail.postfix_master_cf: takes a list of services")
    try:
        return render_master(Service.from_data(service) for service in services)
    except PostfixError as error:
        raise AnsibleFilterError(f"master.cf: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postfix_master_cf": postfix_master_cf}
