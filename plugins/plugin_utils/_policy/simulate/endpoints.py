# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the words of a list refer to: tables and policy services, with and without braces."""

from __future__ import annotations

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lexical import SyntaxProblem, tokens, unwrapped

_TRANSPORTS = ("inet", "local", "unix")


class StartFailure(Exception):
    """smtpd does not come up.

    :param crash: it dies by a signal; else it gives up with a message
    """

    def __init__(self, reason: str, *, crash: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.crash = crash


def endpoint(word: str, action: str) -> tuple[str, str]:
    """Endpoint and default action of the word after ``check_policy_service``.

    :param action: default action of main.cf
    :raises StartFailure: Postfix gives up over it
    """
    name = word
    if word.startswith("{"):
        name, action = _braced_service(word, action)
    transport, _colon, address = name.partition(":")
    if not address or not transport:
        raise StartFailure(f'need service transport:endpoint instead of "{name}"')
    if transport not in _TRANSPORTS:
        raise StartFailure(f"invalid transport name: {transport} in service: {name}")
    return name, action


def table_name(word: str) -> str:
    """Table in a word; none where Postfix only warns of the word's form."""
    if not word.startswith("{"):
        return word
    try:
        parts = list(tokens(unwrapped(word).strip()))
    except SyntaxProblem:
        return ""
    if not parts or ":" not in parts[0] or any("=" not in part for part in parts[1:]):
        return ""
    return parts[0]


def _braced_service(word: str, action: str) -> tuple[str, str]:
    """Endpoint and default action of ``{ unix:private/x, default_action = DUNNO }``.

    :raises StartFailure: Postfix cannot read it
    """
    try:
        parts = list(tokens(unwrapped(word)))
    except SyntaxProblem as problem:
        raise StartFailure(f"policy service syntax error: {problem}") from problem
    if not parts:
        raise StartFailure(f'empty policy service: "{word}"')
    for part in parts[1:]:
        try:
            text = unwrapped(part).strip() if part.startswith("{") else part
        except SyntaxProblem as problem:
            raise StartFailure(f"policy service syntax error: {problem}") from problem
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or name not in _SERVICE_SETTINGS:
            raise StartFailure(f"unknown or malformed policy service setting: {text}")
        if name == "default_action":
            action = value
    return parts[0], action


_SERVICE_SETTINGS = frozenset(
    {
        "timeout",
        "max_idle",
        "max_ttl",
        "retry_delay",
        "request_limit",
        "try_limit",
        "default_action",
        "policy_context",
    }
)
