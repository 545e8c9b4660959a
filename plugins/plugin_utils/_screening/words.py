# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plain words for tests, signs and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ansible_collections.postern.mail.plugins.plugin_utils._screening.model import Advice

TESTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "greet": ("Talks too early", "The client speaks before it was greeted (PREGREET)."),
        "dnsbl": ("DNS lists", "The lists together give the client as many points as the threshold, or more."),
        "pipelining": ("Pipelining", "The client sends several commands at once without having been told it may."),
        "non_smtp_command": ("Not SMTP", "The client sends what belongs to other protocols, such as a web browser's."),
        "bare_newline": ("Bare newline", "The client ends lines with a newline alone."),
        "denylist": ("Your deny list", "The client is on your own list of those who are always refused."),
    }
)
"""Short title of a test, and what a client does that fails it."""

SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "delivered": "mail delivered",
        "returned": "came back after a deferral",
        "spf": "SPF of the sender names it",
        "dmarc": "DMARC passes",
        "name": "a name of its own",
    }
)

ADVICE: Mapping[Advice, str] = MappingProxyType(
    {
        Advice.ALLOW_FIRST: "Allow hosts first",
        Advice.LOOK_FIRST: "Look at hosts first",
        Advice.SWITCH: "Switch",
        Advice.NOT_ENOUGH: "Not enough data",
        Advice.NOT_MEASURED: "Not measured",
        Advice.ENFORCED: "Enforced",
    }
)

HEADLINES: Mapping[Advice, tuple[str, str]] = MappingProxyType(
    {
        Advice.ALLOW_FIRST: (
            "Enforcing would have stopped hosts that send you mail.",
            "Allow them first, run the playbook of the servers, then switch.",
        ),
        Advice.LOOK_FIRST: (
            "Enforcing would have stopped hosts whose mail arrived.",
            "None of them is certainly good. Look at each, allow the good ones, then switch.",
        ),
        Advice.SWITCH: (
            "Enforcing would have stopped nobody whose mail arrived.",
            "Switch the tests below that say so.",
        ),
        Advice.NOT_ENOUGH: ("There is not enough to judge by.", "Let postscreen observe for longer, then ask again."),
        Advice.NOT_MEASURED: ("Nothing was observed.", "What is missing stands with each test."),
        Advice.ENFORCED: ("Every test that is on is enforced.", "There is nothing to switch."),
    }
)

NOBODY = "Nobody connected to postscreen in this time."

NOT_MEASURED: Mapping[str, str] = MappingProxyType(
    {
        "greet": "It is off.",
        "dnsbl": "There are no lists: set postscreen_dnsbl_sites.",
        "pipelining": "It is off, as it should be unless you want every new client to come twice.",
        "non_smtp_command": "It is off, as it should be unless you want every new client to come twice.",
        "bare_newline": "It is off, as it should be unless you want every new client to come twice.",
        "denylist": "Your deny list is empty.",
    }
)


def count(number: int, one: str, many: str) -> str:
    """``1 host``, ``2 hosts``."""
    return f"{number} {one if number == 1 else many}"


def clean(text: object) -> str:
    """Without what would drive a terminal, or turn the direction of writing."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
