# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which forms of an address are looked up."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.addrfind import (
    Find,
    find_address,
    strip_extension,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Tables, open_maps
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings


def settings(**parameters: str) -> Settings:
    return Policy.of({"compatibility_level": "3.6", "myhostname": "mx.example.org", **parameters}).settings()


@pytest.mark.parametrize(
    ("delimiters", "address", "bare"),
    [
        ("+", "u+e@d", "u@d"),
        ("+-", "u-e+f@d", "u@d"),
        ("+", "+e@d", None),
        ("+", "u@d+e", None),
        ("-", "owner-list@d", None),
        ("-", "list-request@d", None),
        ("+-", "double-bounce@d", None),
        ("-", "mailer-daemon@d", None),
        ("+", "u+@d", "u@d"),
        ("", "u+e@d", None),
    ],
)
def test_extension(delimiters: str, address: str, bare: str | None) -> None:
    assert strip_extension(address, settings(recipient_delimiter=delimiters)) == bare


@pytest.mark.parametrize(
    ("address", "keys", "local", "found"),
    [
        ("u+e@d.example", ("u@d.example", "u+e@d.example"), False, "u+e@d.example"),
        ("u+e@d.example", ("u@d.example", "u+e"), True, "u@d.example"),
        ("u+e@d.example", ("u", "@d.example"), True, "u"),
        ("u+e@d.example", ("u", "@d.example"), False, "@d.example"),
        ("u+e@d.example", ("d.example", "u@"), True, None),
        ("a b@d.example", ("a b@d.example",), False, "a b@d.example"),
    ],
)
def test_usual_forms(address: str, keys: tuple[str, ...], local: bool, found: str | None) -> None:
    own = settings(recipient_delimiter="+")
    entries = " ".join(f"{{ {key} = x }}" for key in keys if " " not in key)
    reference = f"inline:{{ {entries} }}" if entries else f"pcre:{{ {{/^{keys[0]}$/ x}} }}"
    maps = open_maps(Tables(own, {}), "virtual_alias_maps", value=reference)
    hit = find_address(maps, address, own, is_local=lambda domain: local)
    assert (hit.key if hit else None) == found


@pytest.mark.parametrize(
    ("find", "key"),
    [
        (Find.FULL | Find.DOMAIN, "a.example"),
        (Find.FULL | Find.DOMAIN | Find.PARENTS, "example"),
        (Find.FULL | Find.DOMAIN | Find.DOTTED_PARENTS, ".example"),
        (Find.FULL | Find.LOCALPART_AT, "user@"),
    ],
)
def test_other_forms(find: Find, key: str) -> None:
    own = settings()
    maps = open_maps(Tables(own, {}), "transport_maps", value=f"inline:{{ {key}=x }}")
    hit = find_address(maps, "user@a.example", own, find=find)
    assert hit is not None and hit.key == key
