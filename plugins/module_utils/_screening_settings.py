# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""How a postscreen is set up, in one form for all releases, and without the keys of its lists.

This runs on the host, with any Python from 3.7 on: no syntax newer than that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ACTIONS = {
    "greet": ("postscreen_greet_action",),
    "dnsbl": ("postscreen_dnsbl_action",),
    "pipelining": ("postscreen_pipelining_action",),
    "non_smtp_command": ("postscreen_non_smtp_command_action",),
    "bare_newline": ("postscreen_bare_newline_action",),
    "denylist": ("postscreen_denylist_action", "postscreen_blacklist_action"),
}
"""Parameters that say what a test does, the new spelling first."""

SWITCHES = {
    "pipelining": "postscreen_pipelining_enable",
    "non_smtp_command": "postscreen_non_smtp_command_enable",
    "bare_newline": "postscreen_bare_newline_enable",
}
"""Tests that are off unless asked for."""

NAMES = (
    "mail_version",
    "myhostname",
    "maillog_file",
    "postscreen_dnsbl_sites",
    "postscreen_dnsbl_threshold",
    "postscreen_dnsbl_reply_map",
    "postscreen_access_list",
    *(name for names in ACTIONS.values() for name in names),
    *SWITCHES.values(),
)

_KEY = re.compile(r"(?=[a-z0-9]*\d)[a-z0-9]{16,63}", re.IGNORECASE)
_SITE = re.compile(r"([^\s=*]+)(?:=([^*]+))?(?:\*([+-]?\d{1,6}))?")


def settings(parameters: Mapping[str, str], services: str) -> dict[str, Any]:
    """What the report needs to know.

    :param parameters: what postconf says of :data:`NAMES`
    :param services: what ``postconf -M`` says; empty where it says nothing
    """
    actions = {}
    for test, names in ACTIONS.items():
        value = next((parameters[name] for name in names if parameters.get(name, "").strip()), "ignore")
        actions[test] = "observe" if _expanded(value, parameters).lower() == "ignore" else "enforce"
    threshold = parameters.get("postscreen_dnsbl_threshold", "")
    sites = dnsbl_sites(parameters.get("postscreen_dnsbl_sites", ""))
    access = parameters.get("postscreen_access_list", "").replace("permit_mynetworks", "").strip(" ,\n")
    enabled = {test: parameters.get(name, "").lower() == "yes" for test, name in SWITCHES.items()}
    return {
        "version": parameters.get("mail_version", ""),
        "hostname": parameters.get("myhostname", ""),
        "running": any(re.search(r"\spostscreen(\s|$)", line) for line in services.splitlines()),
        "actions": actions,
        "enabled": {"greet": True, "dnsbl": bool(sites), "denylist": bool(access), **enabled},
        "threshold": int(threshold) if threshold.isdigit() else 1,
        "sites": sites,
    }


def _expanded(value: str, parameters: Mapping[str, str]) -> str:
    """``$postscreen_blacklist_action``, which is how 3.6 and newer have the new name fall back on the old one."""
    match = re.match(r"\$\{?(\w+)", value)
    return parameters.get(match.group(1), "ignore") if match else value.strip()


def dnsbl_sites(text: str) -> list[dict[str, Any]]:
    """Each list with its filter and weight; what cannot be read is left out."""
    found = []
    for word in re.split(r"[\s,]+", text):
        match = _SITE.fullmatch(word)
        if match:
            domain, answers, weight = match.groups()
            found.append({"domain": domain, "filter": answers or "", "weight": int(weight or 1)})
    return found


def public_name(domain: str) -> str:
    """A list without the key that a subscriber puts in front of its name."""
    first, _dot, rest = domain.partition(".")
    return rest if "." in rest and _KEY.fullmatch(first) else domain


def without_keys(data: Any, names: Mapping[str, str]) -> Any:
    """The same data with the public names of all lists.

    :param names: public name by name; of a list that is not here the key is guessed
    """
    result = dict(data, settings=dict(data["settings"]))
    result["settings"]["sites"] = [
        dict(site, domain=shown(site["domain"], names)) for site in data["settings"]["sites"]
    ]
    result["sites"] = [dict(site, domain=shown(site["domain"], names)) for site in data["sites"]]
    for key in ("listings", "clients"):
        result[key] = [
            dict(one, sites=[[shown(site, names), answer] for site, answer in one["sites"]]) if "sites" in one else one
            for one in data[key]
        ]
    return result


def shown(domain: str, names: Mapping[str, str]) -> str:
    return names.get(domain.lower()) or public_name(domain)
