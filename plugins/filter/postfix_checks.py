# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._content.generated import lines, refused
from ansible_collections.postern.mail.plugins.plugin_utils._content.tables import check_tables, footer_map
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.rules import PhraseError
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError


def postfix_checks(rules: Any, phrases: Any = None, charsets: Any = None, attachments: Any = None) -> dict[str, Any]:
    generated = plain(phrases) or [], plain(charsets) or [], plain(attachments) or []
    wrong = refused(*generated)
    if wrong:
        raise AnsibleFilterError(f"content checks: {'; '.join(wrong)}")
    try:
        return check_tables(plain(rules), lines(*generated))
    except (PostfixError, PhraseError) as error:
        raise AnsibleFilterError(f"content checks: {error}") from error


def postfix_reply_footers(footers: Any) -> list[dict[str, Any]]:
    return footer_map(plain(footers))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postfix_checks": postfix_checks, "postfix_reply_footers": postfix_reply_footers}
