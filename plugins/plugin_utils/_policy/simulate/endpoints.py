# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the words of a list refer to: tables and policy services, with and without braces."""

from __future__ import annotations

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import parameters
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import (
    LIST_SEPARATORS,
    SPACE,
    SyntaxProblem,
    tokens,
    unwrapped,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.main_cf import name_value

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
    """Table in a word; none where Postfix only warns of the word's form (global/map_search.c)."""
    if not word.startswith("{"):
        return word
    try:
        table, *attributes = tokens(unwrapped(word).strip(SPACE))
        settings = [name_value(_unbraced(attribute).strip(SPACE)) for attribute in attributes]
    except ValueError:
        return ""
    if ":" not in table or any(name.lower() != "search_order" for name, _value in settings):
        return ""
    # Only the last of several search orders is looked at.
    order = settings[-1][1] if settings else ""
    return table if all(kind.lower() in _SEARCH_ORDERS for kind in tokens(order, parentheses="\0\0")) else ""


def _unbraced(text: str) -> str:
    return unwrapped(text) if text.startswith("{") else text


def _braced_service(word: str, action: str) -> tuple[str, str]:
    """Endpoint and default action of ``{ unix:private/x, default_action = DUNNO }``.

    :raises StartFailure: Postfix cannot read it
    """
    part = ""
    try:
        name, rest = _first(unwrapped(word))
        for part in tokens(rest):
            key, value = name_value(_unbraced(part))
            _check_setting(key, value)
            action = value if key == "default_action" else action
    except SyntaxProblem as problem:
        raise StartFailure(f"policy service syntax error: {problem}") from problem
    except PolicyError as problem:
        raise StartFailure(str(problem)) from problem
    except ValueError as problem:
        raise StartFailure(f'malformed option: {problem}: "...{part}..."') from problem
    if not name:
        raise StartFailure(f'empty policy service: "{word}"')
    return name, action


def _first(text: str) -> tuple[str, str]:
    """First word, whatever braces it holds, and the rest."""
    stripped = text.lstrip(LIST_SEPARATORS)
    end = next((at for at, char in enumerate(stripped) if char in LIST_SEPARATORS), len(stripped))
    return stripped[:end], stripped[end:]


def _check_setting(key: str, value: str) -> None:
    """:raises PolicyError: util/attr_override.c gives up over it"""
    if key in _TEXTS:
        if not value:
            raise PolicyError(f"bad string length 0 < 1: {key} = ")
    elif key in _TIMES:
        seconds = parameters.seconds(key, value, _TIMES[key])
        if seconds < 1:
            raise PolicyError(f"invalid {key}: {seconds} (min 1)")
    elif key in _NUMBERS:
        number = parameters.number(key, value)
        if number < _NUMBERS[key] and _NUMBERS[key]:
            raise PolicyError(f"invalid {key} parameter value {number} < {_NUMBERS[key]}")
    else:
        raise PolicyError(f'unknown option: "{key} = {value}"')


_SEARCH_ORDERS = frozenset({"cert_fingerprint", "pubkey_fingerprint", "issuer_cn", "subject_cn"})
_TEXTS = frozenset({"default_action", "policy_context"})
_TIMES = {"timeout": "s", "max_idle": "s", "max_ttl": "s", "retry_delay": "s"}
"""Unit of a bare number: that of the parameter's default."""
_NUMBERS = {"request_limit": 0, "try_limit": 1}
