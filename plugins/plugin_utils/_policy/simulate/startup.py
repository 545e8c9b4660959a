# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What smtpd dies of while it reads its parameters (mail_params_init, the tables of smtpd.c), before it opens tables.

The words are Postfix's own; the first failure in Postfix's order counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import parameters
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.parameters_smtpd import LOADED, Loaded
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError, Version
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.expand import MacroError, compatibility_level

_PROTOCOLS = ("all", "ipv4", "ipv6")
_STYLES = ("class", "subnet", "host")
_FACILITIES = frozenset(
    ["auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp"]
    + [f"local{number}" for number in range(8)]
)
_LONGEST = 2**63 - 1


def check_parameters(settings: Settings) -> None:
    """Read all of smtpd's parameters as it does.

    :raises PolicyError: the first one that keeps it from starting, in Postfix's words
    """
    if settings.service.problems and not settings.service.problems[0].startswith("unexpected command-line"):
        raise PolicyError(settings.service.problems[0])
    derived = _derived(settings.version)
    for name, how in LOADED.items():
        if name in derived or settings.is_set(name):
            _check(settings, how)
    myhostname, relayhost = settings["myhostname"], settings["relayhost"]
    if myhostname.casefold() == relayhost.casefold():
        raise PolicyError(f"myhostname and relayhost parameter settings must not be identical: {myhostname}")
    if any(char in ", \t\r\n" for char in settings["myorigin"]):
        raise PolicyError(f"myorigin parameter setting must not contain multiple values: {settings['myorigin']}")
    if not _split(settings["inet_protocols"]):
        raise PolicyError(f"all network protocols are disabled (inet_protocols = {settings['inet_protocols']})")
    if settings.service.problems:
        raise PolicyError(settings.service.problems[0])


@lru_cache(maxsize=32)
def _derived(version: Version) -> frozenset[str]:
    """Parameters whose default mentions others, which may be wrong in their turn."""
    return frozenset(name for name, text in parameters.defaults(version).items() if "$" in text) | {"mynetworks"}


def _check(settings: Settings, how: Loaded) -> None:
    value = settings[how.name]
    if how.kind in ("str", "raw"):
        _check_length(how, value)
        _check_text(settings, how.name, value)
    elif how.kind in ("bool", "nbool"):
        parameters.boolean(how.name, value)
    elif how.kind == "time":
        _check_range(how, settings.seconds(how.name), "invalid {name}: {value} ({bound} {limit})", "min", "max")
    else:
        most = _LONGEST if how.kind == "long" else parameters.LARGEST_INT
        number = parameters.number(how.name, value, most)
        _check_range(how, number, "invalid {name} parameter value {value} {bound} {limit}", "<", ">")


def _check_length(how: Loaded, value: str) -> None:
    length = len(value.encode("utf-8", "surrogateescape"))
    form = "bad string length ({}): {} = {}" if how.kind == "raw" else "bad string length {}: {} = {}"
    if length < how.least:
        raise PolicyError(form.format(f"{length} < {how.least}", how.name, value))
    if how.most and length > how.most:
        raise PolicyError(form.format(f"{length} > {how.most}", how.name, value))


def _check_range(how: Loaded, value: int, form: str, below: str, above: str) -> None:
    if how.least and value < how.least:
        raise PolicyError(form.format(name=how.name, value=value, bound=below, limit=how.least))
    if how.most and value > how.most:
        raise PolicyError(form.format(name=how.name, value=value, bound=above, limit=how.most))


def _check_text(settings: Settings, name: str, value: str) -> None:
    """Texts that are judged as soon as they are read."""
    if name == "compatibility_level":
        try:
            compatibility_level(value)
        except MacroError as error:
            raise PolicyError(str(error)) from error
    elif name in ("myhostname", "mydomain") and not is_hostname(value):
        raise PolicyError(f"file /etc/postfix/main.cf: parameter {name}: bad parameter value: {value}")
    elif name == "syslog_facility" and value.lower() not in _FACILITIES:
        raise PolicyError(f"file /etc/postfix/main.cf: parameter {name}: unrecognized value: {value}")
    elif name == "inet_protocols":
        _check_words(name, value, _PROTOCOLS, value)
    elif name == "mynetworks" and not settings.is_set(name):
        style = settings["mynetworks_style"]
        _check_words("mynetworks mask style", style, _STYLES, style)
        if len(set(_split(style))) != 1:
            raise PolicyError(f"bad mynetworks_style value: {style}; specify exactly one value")


def _check_words(context: str, value: str, known: Sequence[str], whole: str) -> None:
    for word in _split(value):
        if word not in known:
            raise PolicyError(f'unknown {context} value "{word}" in "{whole}"')


def _split(value: str) -> list[str]:
    return [str(word) for word in value.replace(",", " ").split()]
