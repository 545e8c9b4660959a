# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.attachments import compile_attachments
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.rules import PhraseError
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.shape import attachment_shape
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain


def attachment_names(rules: Any) -> list[dict[str, Any]]:
    wanted = plain(rules)
    faults = [f"[{place}]{fault}" for place, rule in enumerate(wanted) for fault in attachment_shape(rule)]
    if faults:
        raise AnsibleFilterError(f"postern.mail.attachment_names: {'; '.join(faults)}")
    try:
        return compile_attachments(wanted)
    except PhraseError as error:
        raise AnsibleFilterError(f"postern.mail.attachment_names: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"attachment_names": attachment_names}
