# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.rules import PhraseError, compile_rules
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.shape import phrase_shape
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain


def header_phrases(rules: Any, charsets: Any = None) -> list[dict[str, Any]]:
    wanted = plain(rules)
    faults = [
        f"[{place}]{fault}" for place, rule in enumerate(wanted) for fault in phrase_shape(rule) if not fault.is_warning
    ]
    if faults:
        raise AnsibleFilterError(f"postern.mail.header_phrases: {'; '.join(faults)}")
    try:
        return compile_rules(wanted, plain(charsets))
    except PhraseError as error:
        raise AnsibleFilterError(f"postern.mail.header_phrases: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"header_phrases": header_phrases}
