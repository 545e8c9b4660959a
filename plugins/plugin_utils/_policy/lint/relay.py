# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open relays, each with a session that proves it (relay.py)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import domains, networks, reading
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_address
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    Element,
    Finding,
    Kind,
    Severity,
    TableContent,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.relay import (
    RECIPIENT,
    RELAY,
    Witness,
    list_length,
    witnesses,
)

_RIGHT = "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
_HAPPENS = "Spam goes through this server to any address, in your name; within hours it is on blocklists."
_SOURCE = "SMTPD_ACCESS_README, Dangerous use of smtpd_recipient_restrictions; postconf(5) smtpd_relay_restrictions"

OPEN = FindingKind(
    code="open-relay",
    severity=Severity.RELAY,
    title="Open relay",
    wrong="Nothing in the lists refuses a stranger who sends to a domain that is not yours.",
    happens=_HAPPENS,
    example="smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = reject_rbl_client reject_unauth_destination",
    right=_RIGHT + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
    source=_SOURCE,
)
CLIENT = FindingKind(
    code="relay-by-client",
    severity=Severity.RELAY,
    title="A client listed with OK relays",
    wrong="OK in an access table that is asked before reject_unauth_destination means: this client may send to"
    " anywhere.",
    happens="The client sends to any address; whoever gets its host name, by a DNS entry of his own, does so too.",
    example="smtpd_relay_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.7=OK},\n"
    "  reject_unauth_destination",
    right=_RIGHT + "smtpd_recipient_restrictions = check_client_access inline:{192.0.2.7=OK}",
    source=_SOURCE,
)
HELO = FindingKind(
    code="relay-by-helo",
    severity=Severity.RELAY,
    title="Whoever says the right HELO relays",
    wrong="A table of HELO names says OK before reject_unauth_destination. A client says whatever HELO it likes.",
    happens=_HAPPENS,
    example="smtpd_relay_restrictions = permit_mynetworks, check_helo_access inline:{mail.example.com=OK},\n"
    "  reject_unauth_destination",
    right=_RIGHT + "smtpd_helo_restrictions = check_helo_access inline:{mail.example.com=OK}",
    source=_SOURCE,
)
SENDER = FindingKind(
    code="relay-by-sender",
    severity=Severity.RELAY,
    title="Whoever gives the right sender relays",
    wrong="A table of senders says OK before reject_unauth_destination. A client gives whatever sender it likes.",
    happens=_HAPPENS,
    example="smtpd_relay_restrictions = permit_mynetworks, check_sender_access inline:{example.com=OK},\n"
    "  reject_unauth_destination",
    right=_RIGHT + "smtpd_sender_restrictions = check_sender_access inline:{example.com=OK}",
    source=_SOURCE,
)
RECIPIENT_KIND = FindingKind(
    code="relay-by-recipient",
    severity=Severity.RELAY,
    title="Everybody relays to a domain that is not yours",
    wrong="A table of recipients says OK for a domain of others, or the recipient list permits it, before the guard.",
    happens="Strangers send to that domain through this server, spam included.",
    example="smtpd_relay_restrictions = permit_mynetworks, check_recipient_access inline:{example.com=OK},\n"
    "  reject_unauth_destination",
    right=_RIGHT + "smtpd_recipient_restrictions = check_recipient_access inline:{example.com=OK}",
    source=_SOURCE,
)
POLICY_SERVICE = FindingKind(
    code="relay-by-policy-service",
    severity=Severity.RELAY,
    title="A policy service may let strangers relay",
    wrong="The policy service is asked before reject_unauth_destination: its OK means that the client may send to"
    " anywhere.",
    happens="The day the service answers OK (an SPF pass, an allow list) the client relays to any address.",
    example="smtpd_relay_restrictions = permit_mynetworks, check_policy_service unix:private/policy,\n"
    "  reject_unauth_destination",
    right=_RIGHT + "smtpd_recipient_restrictions = check_policy_service unix:private/policy",
    source="SMTPD_POLICY_README; " + _SOURCE,
)
NETWORKS = FindingKind(
    code="relay-by-networks",
    severity=Severity.RELAY,
    title="mynetworks holds strangers",
    wrong="Everybody in mynetworks relays without a password, and it matches addresses that are not yours.",
    happens=_HAPPENS,
    example="mynetworks = 127.0.0.0/8 static:yes\n" + _RIGHT.rstrip(),
    right="mynetworks = 127.0.0.0/8\n" + _RIGHT.rstrip(),
    source="postconf(5) mynetworks",
)
DOMAINS = FindingKind(
    code="relay-to-everywhere",
    severity=Severity.RELAY,
    title="Every domain counts as yours",
    wrong="A list of domains matches domains that are not yours, so reject_unauth_destination lets mail for them"
    " through.",
    happens=_HAPPENS,
    example="relay_domains = static:yes\n" + _RIGHT.rstrip(),
    right="relay_domains = example.org\nrelay_recipient_maps = lmdb:/etc/postfix/relay_recipients\n" + _RIGHT.rstrip(),
    source="postconf(5) relay_domains",
)
IF_TABLE = FindingKind(
    code="relay-if-table-says-ok",
    severity=Severity.STYLE,
    title="A table decides who relays",
    wrong="An access table is asked before reject_unauth_destination, in the list that keeps strangers from relaying.",
    happens="Each OK in it lets its client send to anywhere; what the table holds was not told.",
    example="smtpd_relay_restrictions = permit_mynetworks, check_client_access hash:/etc/postfix/clients,\n"
    "  reject_unauth_destination",
    right=_RIGHT + "smtpd_recipient_restrictions = check_client_access hash:/etc/postfix/clients",
    source=_SOURCE,
)

KINDS = (OPEN, CLIENT, HELO, SENDER, RECIPIENT_KIND, POLICY_SERVICE, NETWORKS, DOMAINS, IF_TABLE)

_BY_SUBJECT = {
    "says_ok": POLICY_SERVICE,
    "helo": HELO,
    "sender": SENDER,
    "client": CLIENT,
    "recipient": RECIPIENT_KIND,
}


def check(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        if reading.is_loopback(settings.service):
            continue
        found = witnesses(policy, service)
        for witness in found:
            if not _told_already(policy, witness):
                yield _finding(settings, witness)
        if not any(witness.opening.index is None for witness in found):
            yield from _unknown_tables(policy, service, settings)


def _told_already(policy: Policy, witness: Witness) -> bool:
    """Whether a rule about the parameter itself says it better."""
    word = _word(witness)
    if word == "permit_mynetworks":
        return any(finding.severity is Severity.RELAY for finding in networks.check(policy))
    return word == "permit_mx_backup" and any(True for _finding in domains.check_mx_backup(policy))


def _word(witness: Witness) -> str:
    words = witness.opening.element.lower().split()
    return next((word for word in words if word != "warn_if_reject"), "")


def _finding(settings: Settings, witness: Witness) -> Finding:
    kind = _kind(witness)
    parameter, index, element = witness.opening.parameter, witness.opening.index, witness.opening.element
    if kind is NETWORKS:
        parameter, index, element = "mynetworks", None, ""
    elif kind is DOMAINS:
        parameter, index, element = _domain_list(settings, witness), None, ""
    return find(
        kind,
        parameter,
        _message(witness, kind),
        _fix(witness, kind, settings),
        service=witness.service,
        element=element,
        index=index,
        session=witness.session.as_dict(),
    )


def _kind(witness: Witness) -> FindingKind:
    if _word(witness) == "permit_mynetworks":
        return NETWORKS
    if (witness.by_domain and witness.opening.index is None) or _word(witness) == "permit_auth_destination":
        return DOMAINS
    differs = _differences(witness)
    asked = _ASKED.get(_word(witness))
    if asked in differs:
        return _BY_SUBJECT[asked]
    return _BY_SUBJECT[differs[0]] if differs else OPEN


_ASKED = {
    "check_policy_service": "says_ok",
    "check_helo_access": "helo",
    "check_sender_access": "sender",
    "check_client_access": "client",
    "check_reverse_client_hostname_access": "client",
    "check_recipient_access": "recipient",
}


def _differences(witness: Witness) -> list[str]:
    return [name for name in _BY_SUBJECT if getattr(witness.attempt, name) != getattr(witness.plain, name)]


def _domain_list(settings: Settings, witness: Witness) -> str:
    """The list that matches too much: one that asks a table or names a top-level domain."""
    for name in domains.CLASSES:
        vague = any(":" in word or "." not in word for word in reading.split(settings, name))
        if vague and settings.is_set(name) and (name == "relay_domains" or not settings.is_set("relay_domains")):
            return name
    return "relay_domains"


def who(witness: Witness) -> str:
    """The stranger in plain words: only what lets him in."""
    attempt, traits = witness.attempt, []
    for name in _differences(witness):
        if name == "client":
            traits.append(_client(witness))
        elif name == "helo":
            traits.append("who sends no HELO" if attempt.helo is None else f"who says HELO {attempt.helo}")
        elif name == "sender":
            traits.append(f"who gives the sender {attempt.sender or '<>'}")
        elif name == "says_ok":
            traits.append(f"for whom {', '.join(sorted(attempt.says_ok))} answers OK")
    if attempt.order == 2:
        traits.append("who is on the DNS allow list")
    elif attempt.order == 3:
        traits.append("who makes this server an MX of his domain")
    elif attempt.order == 1:
        traits.append("whose own DNS is in order")
    return "any stranger" + (" " + ", ".join(traits) if traits else "")


def _client(witness: Witness) -> str:
    client, plain = witness.attempt.client, witness.plain.client
    if client.name not in {plain.name, "unknown"}:
        return f"whose host name is {client.name}"
    if client.reverse not in {None, plain.reverse}:
        return f"whose address has the name {client.reverse} in the reverse DNS"
    return f"at {client.addr}"


def _message(witness: Witness, kind: FindingKind) -> str:
    recipient = witness.attempt.recipient
    text = f"{who(witness)} may send to {recipient}"
    if kind is CLIENT and witness.attempt.client.addr != witness.plain.client.addr and _listed(witness):
        text += "; if that is wanted, mynetworks is the place to say so"
    if not witness.certain:
        text += ", unless a table whose content was not given refuses it"
    return text[0].upper() + text[1:]


def _listed(witness: Witness) -> bool:
    """Whether the very address stands in the table."""
    return is_address(witness.attempt.client.addr) and witness.attempt.client.addr in witness.opening.why


def _fix(witness: Witness, kind: FindingKind, settings: Settings) -> str:
    element = witness.opening.element
    if kind is OPEN:
        return _open_fix(witness, settings)
    if kind is NETWORKS:
        return f"Write mynetworks = {networks.LOOPBACK} and the addresses of your own hosts"
    if kind is DOMAINS:
        return "List your own domains one by one"
    if kind is POLICY_SERVICE:
        return f"Put {element} behind reject_unauth_destination in {witness.opening.parameter}"
    other = {HELO.code: "smtpd_helo_restrictions", SENDER.code: "smtpd_sender_restrictions"}.get(kind.code, RECIPIENT)
    if witness.opening.parameter == RELAY:
        return f"Take {element} out of {RELAY} and put it into {other}; or let the table say DUNNO instead of OK"
    return (
        f"Write {RELAY} = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination,"
        f" or put {element} behind reject_unauth_destination"
    )


def _open_fix(witness: Witness, settings: Settings) -> str:
    permits = ["permit_mynetworks"]
    if reading.flag(settings, "smtpd_sasl_auth_enable"):
        permits.append("permit_sasl_authenticated")
    right = f"Write {RELAY} = {', '.join([*permits, 'reject_unauth_destination'])}"
    element = witness.opening.element
    return f"{right}; take {element} out" if element and witness.opening.parameter == RELAY else right


# --- Tables whose content is not known ---

# Elements of the lists, times searches.
_MOST_WORK = 1000
_MOST_TABLES = 100
_FILES = frozenset({"hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash", "regexp", "pcre", "cidr"})
_DATABASES = frozenset({"mysql", "pgsql", "ldap", "sqlite", "memcache", "tcp", "socketmap", "proxy", "mongodb"})


def _unknown_tables(policy: Policy, service: str, settings: Settings) -> Iterator[Finding]:
    unknown: dict[str, tuple[str, Element]] = {}
    for name in (RELAY, RECIPIENT):
        for inner, outer in reading.walk(settings, name):
            reference = inner.name if inner.kind is Kind.TABLE else inner.argument.text if inner.argument else ""
            if reference not in unknown and _is_unknown(policy, reference):
                unknown[reference] = (name, outer)
    # Of very many tables the first ones are tried: together, then, at one search each, as many as there is time for.
    tried = list(unknown.items())[:_MOST_TABLES]
    if not tried or not _lets_in(policy, service, dict(tried)):
        return
    trials = max(1, _MOST_WORK // max(1, list_length(settings)))
    for reference, (name, outer) in tried[:trials]:
        if _lets_in(policy, service, [reference]):
            yield find(
                IF_TABLE,
                name,
                f"each OK in {reference} lets its client send to anywhere",
                f"Put {outer} behind reject_unauth_destination, unless the table holds no OK",
                service=service,
                element=outer,
            )


def _lets_in(policy: Policy, service: str, tables: Iterable[str]) -> bool:
    """Whether a stranger relays once these tables say OK to everybody."""
    said = {reference: _says_ok(reference) for reference in tables}
    trial = replace(policy, tables={**policy.tables, **said}, _settings={})
    return any(_word(witness).startswith("check_") or ":" in _word(witness) for witness in witnesses(trial, service))


def _is_unknown(policy: Policy, reference: str) -> bool:
    kind, colon, path = reference.partition(":")
    if not colon or kind.lower() not in _FILES | _DATABASES or path.startswith("{"):
        return False
    return reading.content_of(policy, reference) is None and not re.match(r"(unix|inet):", reference)


def _says_ok(reference: str) -> TableContent:
    kind = reference.removeprefix("proxy:").partition(":")[0].lower()
    if kind == "cidr":
        return "0.0.0.0/0 OK\n::/0 OK\n"
    if kind in {"regexp", "pcre"}:
        return "/./ OK\n"
    return {"listed.example": "OK", "192.0.2.99": "OK", "someone@listed.example": "OK"}


RULES: tuple[Rule, ...] = (check,)
