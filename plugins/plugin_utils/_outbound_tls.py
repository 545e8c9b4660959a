# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""How mail leaves: the level of encryption for everybody, and for single destinations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError

DANE_LEVELS = frozenset({"dane", "dane-only"})
# Levels that look at names in the certificate, and so may be told which (TLS_README, "Secure server certificate").
NAMED_LEVELS = frozenset({"verify", "secure"})
LOWEST = "may"
TABLE = "tls_policy"
# The compiled table must answer as it was written.
_PROOF = (
    'found=$(postmap -c "$0" -q "$1" "$2") && test "$found" = "$3" || { echo "$1: $found instead of $3" >&2; exit 1; }'
)


def policy_line(entry: Mapping[str, Any]) -> str:
    """One destination's policy in the words of smtp_tls_policy_maps.

    :param entry: level and, optionally, match (names) and min_protocol
    :raises PostfixError: match where no name is looked at: Postfix would keep the mail of this destination
    """
    level, match = str(entry["level"]), list(entry.get("match") or [])
    if match and level not in NAMED_LEVELS:
        raise PostfixError(f"{entry['destination']}: level {level} looks at no name, so it can have no match")
    words = [level]
    words += [f"match={':'.join(str(name).lower() for name in match)}"] if match else []
    words += [f"protocols=>={entry['min_protocol']}"] if entry.get("min_protocol") else []
    return " ".join(words)


def policy_table(policy: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The lookup table: policy by destination.

    :raises PostfixError: a destination twice
    """
    table: dict[str, str] = {}
    for entry in policy:
        destination = str(entry["destination"]).lower()
        if destination in table:
            raise PostfixError(f"{destination}: there are two TLS policies for it")
        table[destination] = policy_line(entry)
    return table


def _level(contributions: Sequence[Mapping[str, Any]]) -> str:
    """What contributors raise the level to; nobody lowers it.

    :raises PostfixError: two of them want different levels
    """
    level, owner = LOWEST, ""
    for contribution in contributions:
        wanted = contribution.get("outbound_tls_level")
        if not wanted:
            continue
        if owner and wanted != level:
            raise PostfixError(f"outbound_tls_level: {owner} wants {level}, {contribution['name']} wants {wanted}")
        level, owner = str(wanted), str(contribution["name"])
    return level


def _maps(own: Sequence[str], contributions: Iterable[Mapping[str, Any]]) -> list[str]:
    """The tables in the order in which they are asked: the user's word first, then contributors as they are wired.

    :raises PostfixError: one table named by two contributors, of which the second would never be asked
    """
    owners = dict.fromkeys(own, "postfix")
    for contribution in contributions:
        for table in contribution.get("tls_policy_maps") or []:
            who = str(contribution["name"])
            if table in owners:
                raise PostfixError(f"tls_policy_maps: {owners[table]} and {who} both name {table}")
            owners[table] = who
    return list(owners)


def outbound(
    policy: Sequence[Mapping[str, Any]], contributions: Sequence[Mapping[str, Any]], map_type: str
) -> dict[str, Any]:
    """What several roles and the user have a say in.

    :param policy: entries of postfix_tls_policy
    :param contributions: mappings with name and, optionally, outbound_tls_level and tls_policy_maps
    :returns: settings: values by parameter of main.cf, None where Postfix's own default holds; table: the entries of
        the user's table; proofs: commands for config_tree
    :raises PostfixError: two contributors disagree, or an entry cannot be written
    """
    level = _level(contributions)
    table = policy_table(policy)
    levels = {level, *(str(entry["level"]) for entry in policy)}
    own = [f"{map_type}:$maps_directory/{TABLE}"] if table else []
    settings = {
        "smtp_tls_security_level": level,
        # Postfix refuses mail to a DANE destination without it: it could not tell a validated answer from a forged one.
        "smtp_dns_support_level": "dnssec" if levels & DANE_LEVELS else None,
        "smtp_tls_policy_maps": _maps(own, contributions) or None,
    }
    compiled = f"{map_type}:{{tree}}/maps/{TABLE}"
    proofs = [["sh", "-c", _PROOF, "{tree}", destination, compiled, text] for destination, text in table.items()]
    return {"settings": settings, "table": table, "proofs": proofs}
