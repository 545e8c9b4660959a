# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words of a restriction list that Postfix does not know, and signs that it takes for words.

None of them is noticed by ``postfix check``. Each answers 451 to every session that gets as far as the word, which the
administrator's own network mostly does not.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import (
    ACCESS_RESULTS,
    RESTRICTIONS,
    Argument,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import Place, Service, each_service
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_address, is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Kind, Severity

_451 = (
    "Every session that gets as far as this word is answered 451 4.3.5 Server configuration error: mail from strangers"
    " waits and comes back after days, while your own network, permitted earlier, notices nothing."
)

UNKNOWN_RESTRICTION = FindingKind(
    code="unknown-restriction",
    severity=Severity.DEFERRED,
    title="A word that is no restriction",
    wrong="The list holds a word that is neither a restriction of Postfix nor a class of yours: a typing mistake, or a"
    " name that only exists in forums.",
    happens=_451,
    example="smtpd_sender_restrictions = permit_mynetworks, reject_unknown_sender",
    right="smtpd_sender_restrictions = permit_mynetworks, reject_unknown_sender_domain",
    source="postconf(5): smtpd_sender_restrictions and its sisters list every word",
)
COMMENT_IN_LIST = FindingKind(
    code="comment-in-list",
    severity=Severity.DEFERRED,
    title="A comment behind a value",
    wrong="main.cf knows comments only on lines of their own. A # behind a value is a word of the list, and so is every"
    " word of the comment.",
    happens=_451,
    example="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination # no open relay",
    right="# no open relay\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
    source="postconf(5), the format of main.cf",
)
FOREIGN_SYNTAX = FindingKind(
    code="foreign-syntax",
    severity=Severity.DEFERRED,
    title="Quotes, brackets or semicolons in a list",
    wrong="Words of a list are separated by commas and white space. Quotes, semicolons, brackets and dashes, as other"
    " languages have them, become part of the words, which Postfix then does not know.",
    happens=_451,
    example='smtpd_recipient_restrictions = "permit_mynetworks"; reject_unauth_destination',
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    source="postconf(5): specify a list of restrictions, separated by commas and/or whitespace",
)
NEGATED_RESTRICTION = FindingKind(
    code="negated-restriction",
    severity=Severity.DEFERRED,
    title="A restriction with ! before it",
    wrong="Restrictions cannot be negated. The ! of mynetworks and of tables is only part of an unknown word here.",
    happens=_451,
    example="smtpd_client_restrictions = permit_mynetworks, !reject_unknown_client_hostname",
    right="smtpd_client_restrictions = permit_mynetworks",
    source="postconf(5): smtpd_client_restrictions",
)
STRAY_COLON = FindingKind(
    code="stray-colon",
    severity=Severity.DEFERRED,
    title="A colon at a restriction",
    wrong="A word with a colon is the name of a table (type:name) to Postfix, not a restriction.",
    happens="Without a name behind the colon smtpd does not start at all, so that nobody can send or receive; with one,"
    " every session that gets there is answered 451 4.3.5 Server configuration error.",
    example="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination:, reject",
    right="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination, reject",
    source="postconf(5), type:table; src/util/dict_open.c",
)
UNBALANCED_BRACE = FindingKind(
    code="unbalanced-brace",
    severity=Severity.DEFERRED,
    title="A brace that is not closed",
    wrong="An opening brace keeps everything up to its closing brace together as one word; without it, the whole rest"
    " of the list is one word.",
    happens="The rest of the list is lost: its checks do not run, and the word itself answers 451 4.3.5 or, if no guard"
    " against relaying is left, smtpd does not start.",
    example="smtpd_recipient_restrictions = check_client_access inline:{192.0.2.1=REJECT, reject_unauth_destination",
    right="smtpd_recipient_restrictions = check_client_access inline:{192.0.2.1=REJECT}, reject_unauth_destination",
    source="postconf(5), the format of main.cf: braces",
)
BRACED_RESTRICTION = FindingKind(
    code="braced-restriction",
    severity=Severity.DEFERRED,
    title="A restriction in braces",
    wrong="Braces belong around the arguments of check_policy_service and check_ccert_access and around inline tables;"
    " around a restriction or an ordinary table they make an unknown word.",
    happens=_451,
    example="smtpd_client_restrictions = permit_mynetworks, { reject_unknown_client_hostname }",
    right="smtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname",
    source="postconf(5): check_policy_service, check_ccert_access",
)
DEPRECATED_SPELLING = FindingKind(
    code="deprecated-spelling",
    severity=Severity.STYLE,
    title="A name from before Postfix 2.3",
    wrong="The restriction has had another name for many years; the old one works, but no manual explains it any more.",
    happens="Nothing yet; a later release of Postfix may drop the old name and answer 451 instead.",
    example="smtpd_client_restrictions = permit_mynetworks, reject_unknown_client",
    right="smtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname",
    source="postconf(5): With Postfix 2.2 and earlier: reject_unknown_client",
)
CASE_OF_CLASS = FindingKind(
    code="case-of-class",
    severity=Severity.DEFERRED,
    title="A class in other letters",
    wrong="Upper and lower case matter in the names of restriction classes, unlike in those of restrictions.",
    happens=_451,
    example="smtpd_restriction_classes = Strict\nStrict = reject_unknown_client_hostname\n"
    "smtpd_client_restrictions = permit_mynetworks, strict",
    right="smtpd_restriction_classes = strict\nstrict = reject_unknown_client_hostname\n"
    "smtpd_client_restrictions = permit_mynetworks, strict",
    source="RESTRICTION_CLASS_README; src/smtpd/smtpd_check.c: smtpd_rest_classes",
)
UNDECLARED_CLASS = FindingKind(
    code="undeclared-class",
    severity=Severity.DEFERRED,
    title="A class that is not declared",
    wrong="The word is defined in main.cf but not named in smtpd_restriction_classes; only names there are classes.",
    happens=_451,
    example="strict = reject_unknown_client_hostname\nsmtpd_client_restrictions = permit_mynetworks, strict",
    right="smtpd_restriction_classes = strict\nstrict = reject_unknown_client_hostname\n"
    "smtpd_client_restrictions = permit_mynetworks, strict",
    source="postconf(5): smtpd_restriction_classes",
)

KINDS = (
    UNKNOWN_RESTRICTION,
    COMMENT_IN_LIST,
    FOREIGN_SYNTAX,
    NEGATED_RESTRICTION,
    STRAY_COLON,
    UNBALANCED_BRACE,
    BRACED_RESTRICTION,
    DEPRECATED_SPELLING,
    CASE_OF_CLASS,
    UNDECLARED_CLASS,
)

# Names that are met in forums, mailing lists and blog posts but never were in Postfix -> what is meant.
INVENTIONS: Mapping[str, str] = {
    "reject_unknown_sender": "reject_unknown_sender_domain",
    "reject_unknown_recipient": "reject_unlisted_recipient",
    "reject_unknown_user": "reject_unlisted_recipient",
    "reject_unknown_forward_client_hostname": "reject_unknown_client_hostname",
    "reject_unknown_client_host": "reject_unknown_client_hostname",
    "reject_unknown_reverse_client": "reject_unknown_reverse_client_hostname",
    "reject_unknown_reverse_hostname": "reject_unknown_reverse_client_hostname",
    "reject_unknown_helo": "reject_unknown_helo_hostname",
    "reject_invalid_helo": "reject_invalid_helo_hostname",
    "reject_invalid_client_hostname": "reject_unknown_client_hostname",
    "reject_non_fqdn_helo": "reject_non_fqdn_helo_hostname",
    "reject_non_fqdn_client": "reject_non_fqdn_helo_hostname",
    "reject_non_fqdn_client_hostname": "reject_non_fqdn_helo_hostname",
    "reject_non_fqdn_recipient_domain": "reject_non_fqdn_recipient",
    "reject_non_fqdn_sender_domain": "reject_non_fqdn_sender",
    "reject_unauthorized_destination": "reject_unauth_destination",
    "reject_unauth_dest": "reject_unauth_destination",
    "reject_unauth": "reject_unauth_destination",
    "reject_unauthenticated": "permit_sasl_authenticated, reject",
    "reject_unauthenticated_sender": "reject_unauthenticated_sender_login_mismatch",
    "reject_unauth_relay": "reject_unauth_destination",
    "reject_unauth_sender": "reject_unlisted_sender",
    "reject_unauthorized_pipelining": "reject_unauth_pipelining",
    "reject_relay": "reject_unauth_destination",
    "reject_sender_mismatch": "reject_sender_login_mismatch",
    "reject_login_mismatch": "reject_sender_login_mismatch",
    "reject_known_sender_mismatch": "reject_known_sender_login_mismatch",
    "reject_spf_invalid_sender": "check_policy_service unix:private/policyd-spf",
    "reject_rbl_sender": "reject_rhsbl_sender",
    "reject_rbl_helo": "reject_rhsbl_helo",
    "reject_rhsbl": "reject_rhsbl_sender",
    "reject_dnsbl": "reject_rbl_client",
    "reject_dnsbl_client": "reject_rbl_client",
    "reject_bl_client": "reject_rbl_client",
    "permit_dnswl": "permit_dnswl_client",
    "reject_all": "reject",
    "reject_everything": "reject",
    "permit_all": "permit",
    "accept": "permit",
    "allow": "permit",
    "deny": "reject",
    "drop": "reject",
    "dunno": "",
    "ok": "permit",
    "hold": "",
    "discard": "",
    "permit_my_networks": "permit_mynetworks",
    "permit_mynetwork": "permit_mynetworks",
    "permit_networks": "permit_mynetworks",
    "permit_local": "permit_mynetworks",
    "permit_localhost": "permit_mynetworks",
    "permit_mydomain": "permit_auth_destination",
    "permit_mydestination": "permit_auth_destination",
    "permit_sasl_auth": "permit_sasl_authenticated",
    "permit_sasl": "permit_sasl_authenticated",
    "permit_authenticated": "permit_sasl_authenticated",
    "permit_auth": "permit_sasl_authenticated",
    "permit_smtp_auth": "permit_sasl_authenticated",
    "permit_tls": "permit_tls_clientcerts",
    "permit_tls_clients": "permit_tls_clientcerts",
    "permit_relay_domains": "permit_auth_destination",
    "check_address_map": "check_client_access",
    "check_sender": "check_sender_access",
    "check_recipient": "check_recipient_access",
    "check_client": "check_client_access",
    "check_helo": "check_helo_access",
    "check_sender_map": "check_sender_access",
    "check_recipient_map": "check_recipient_access",
    "check_client_ip_access": "check_client_access",
    "check_ip_access": "check_client_access",
    "check_client_hostname_access": "check_client_access",
    "check_reverse_client_access": "check_reverse_client_hostname_access",
    "check_sender_domain_access": "check_sender_access",
    "check_spf": "check_policy_service unix:private/policyd-spf",
    "check_policy": "check_policy_service unix:private/policy",
    "check_policyd": "check_policy_service unix:private/policy",
    "check_greylist": "check_policy_service inet:127.0.0.1:10023",
    "check_postgrey": "check_policy_service inet:127.0.0.1:10023",
    "check_mynetworks": "permit_mynetworks",
    "reject_mynetworks": "check_client_access cidr:/etc/postfix/own_networks",
}
# ASCII and typographic quotes, other languages' lists and statements.
_FOREIGN = re.compile("[\"'`;\\\\\\[\\]()<>|\u2018\u2019\u201c\u201d\u00ab\u00bb\u00a0\u200b]|^-+$|^&&?$|^and$|^or$")
_MAY_BE_BRACED = frozenset({"check_policy_service", "check_ccert_access"})
# difflib compares with every restriction, so that thousands of unknown words would take long.
_MOST_HINTS = 200


def _current() -> list[str]:
    return [name for name, entry in RESTRICTIONS.items() if entry.implemented and not entry.alias_of]


_KNOWN = _current()


@lru_cache(maxsize=1024)
def meant(word: str) -> str:
    """The restriction somebody probably meant, empty where there is none like it."""
    lower = word.lower()
    if lower in INVENTIONS:
        return INVENTIONS[lower]
    bare = re.sub(r"[^a-z0-9_]", "_", lower).strip("_")
    if bare in RESTRICTIONS and RESTRICTIONS[bare].implemented:
        return bare
    close = difflib.get_close_matches(bare, _KNOWN, 1, 0.75) if len(bare) < 80 else []
    return close[0] if close else ""


def _did_you_mean(word: str, guess: bool) -> tuple[str, str]:
    """Half a sentence, and what to write."""
    if hint := meant(word) if guess else "":
        return f"; probably {hint} is meant", hint
    return "", "leave the word out, or define it as a class and name it in smtpd_restriction_classes"


def _unknown(service: Service) -> Iterator[Finding]:
    commented: set[str] = set()
    words = 0
    for place in service.everywhere:
        if place.element.kind is not Kind.UNKNOWN:
            continue
        words += 1
        if place.parameter in commented and not _is_slip(place.element.name, words):
            continue  # a word of the comment
        finding = _unknown_word(service, place, guess=words <= _MOST_HINTS)
        if finding.code == COMMENT_IN_LIST.code:
            commented.add(place.parameter)
        yield finding


def _is_slip(word: str, words: int) -> bool:
    """Whether it looks like a misspelt restriction rather than like prose."""
    return "_" in word and words <= _MOST_HINTS and bool(meant(word))


def _unknown_word(service: Service, place: Place, *, guess: bool) -> Finding:
    word = place.element.name
    cause = _cause(service, place)
    if cause is None and word.upper() in ACCESS_RESULTS:
        meaning = INVENTIONS.get(word.lower(), "")
        fix = meaning or "leave it out, or put it into a table behind a check_*_access"
        cause = UNKNOWN_RESTRICTION, f"{word} is a result of access tables, not a restriction.", fix
    if cause is None:
        hint, fix = _did_you_mean(word, guess)
        cause = UNKNOWN_RESTRICTION, f"Postfix has no restriction {word}{hint}.", fix
    kind, message, fix = cause
    return service.at(place, kind, message, fix)


def _lonely_name(service: Service, place: Place, word: str) -> tuple[str, str]:
    """A host name or address, mostly the second of several DNS lists."""
    at = place.element.index
    elements = service.elements(place.parameter)
    before = elements[at - 1].name if 0 < at < len(elements) else ""
    message = f"Postfix takes {word} for a restriction, which it does not know."
    entry = RESTRICTIONS.get(before.lower())
    if entry is not None and entry.argument is Argument.DOMAIN:
        return f"{message} Each list needs a {before} of its own.", f"{before} {word}"
    result = "REJECT" if place.parameter.endswith("_restrictions") else "..."
    return f"{message} Names and addresses go into a table.", f"check_client_access inline:{{{word}={result}}}"


def _cause(service: Service, place: Place) -> tuple[FindingKind, str, str] | None:
    word = place.element.name
    if word.startswith("#"):
        fix = "put the comment on a line of its own, before the parameter"
        return COMMENT_IN_LIST, "Postfix takes # and the words after it for restrictions, not for a comment.", fix
    if word.startswith("{") or "{" in word or "}" in word:
        return _braces(word)
    same = [name for name in service.classes if name.lower() == word.lower()]
    if same:
        return CASE_OF_CLASS, f"The class is called {same[0]}; Postfix does not know {word}.", same[0]
    if word.lower() == "reject_sender_login_mismatch":
        return CASE_OF_CLASS, f"This name must be written in lower case; Postfix does not know {word}.", word.lower()
    if word.startswith("!"):
        fix = "leave it out; exceptions go into an access table before the restriction, with the result DUNNO or OK"
        return NEGATED_RESTRICTION, f"Restrictions cannot be negated: Postfix does not know {word}.", fix
    if _FOREIGN.search(word):
        return FOREIGN_SYNTAX, f"{word} is one unknown word to Postfix, signs included.", _mended(word)
    head, equals, rest = word.partition("=")
    if equals and head.lower() in RESTRICTIONS:
        message = f"{word} is one unknown word to Postfix: an argument stands behind a space, not behind =."
        takes = RESTRICTIONS[head.lower()].takes_argument
        return FOREIGN_SYNTAX, message, f"{head} {rest}" if takes else head
    if "." in word and (is_hostname(word) or is_address(word.partition("/")[0])):
        return UNKNOWN_RESTRICTION, *_lonely_name(service, place, word)
    if service.settings.is_set(word):
        message = f"{word} is defined in main.cf but not named in smtpd_restriction_classes, so it is no class."
        names = " ".join(["smtpd_restriction_classes =", *service.classes, word])
        return UNDECLARED_CLASS, message, names
    return None


def _mended(word: str) -> str:
    parts = re.sub(r"[^A-Za-z0-9_.:/-]+", " ", word).strip(" -").split()
    if not parts:
        return "leave it out; separate words by commas or spaces"
    entry = RESTRICTIONS.get(parts[0].lower())
    return (" " if entry is not None and entry.takes_argument else ", ").join(parts)


def _braces(word: str) -> tuple[FindingKind, str, str]:
    if word.count("{") > word.count("}"):
        message = "The opening brace is not closed, so that Postfix takes the rest of the list for one word."
        return UNBALANCED_BRACE, message, "close the brace after the word or table it belongs to"
    fix = word.strip("{} ") or "leave it out"
    if word.startswith("{") and word.endswith("}"):
        return BRACED_RESTRICTION, f"Postfix does not know the word {word}.", fix
    return FOREIGN_SYNTAX, f"{word} is one unknown word to Postfix, braces included.", fix


def _tables(service: Service) -> Iterator[Finding]:
    """Words that Postfix takes for tables only because of a colon or a brace."""
    for place in service.everywhere:
        element = place.element
        if element.kind is not Kind.TABLE:
            yield from _argument_braces(service, place)
            continue
        head, __, rest = element.name.partition(":")
        if element.name.count("{") > element.name.count("}"):
            _kind, message, fix = _braces(element.name)
            yield service.at(place, UNBALANCED_BRACE, message, fix)
        elif element.name.startswith("{"):
            message = "Braces around an ordinary table are not allowed: Postfix answers 451 when it gets here."
            yield service.at(place, BRACED_RESTRICTION, message, element.name[1:-1].strip() or "leave it out")
        elif not rest or not head:
            yield _stray_colon(service, place, head or rest)
        elif "=" in head and head.partition("=")[0].lower() in RESTRICTIONS:
            name, __, argument = element.name.partition("=")
            message = f"An argument stands behind a space: Postfix takes {element.name} for one table."
            yield service.at(place, STRAY_COLON, message, f"{name} {argument}", consequence=_451)
        elif head.lower() in RESTRICTIONS or head.lower() in INVENTIONS:
            message = f"Postfix takes {element.name} for a table of type {head}, which does not exist."
            yield service.at(place, STRAY_COLON, message, f"{head} {rest}", consequence=_451)


def _argument_braces(service: Service, place: Place) -> Iterator[Finding]:
    element, argument = place.element, str(place.element.argument or "")
    if argument.count("{") > argument.count("}"):
        _kind, message, fix = _braces(argument)
        yield service.at(place, UNBALANCED_BRACE, message, fix)
    elif argument.startswith("{") and place.name.startswith("check_") and place.name not in _MAY_BE_BRACED:
        message = f"Braces around the table of {element.name} are not allowed: Postfix answers 451 when it gets here."
        fix = f"{element.name} {argument.strip('{} ').split(',', 1)[0].split(' ', 1)[0]}"
        yield service.at(place, BRACED_RESTRICTION, message, fix)


def _stray_colon(service: Service, place: Place, name: str) -> Finding:
    message = f"{place.element.name} looks like a table without a type or a name: smtpd does not start."
    fix = meant(name) or name if name else "leave the colon out"
    consequence = "smtpd does not start at all (fatal: open dictionary): nobody can send or receive."
    return service.at(place, STRAY_COLON, message, fix, consequence=consequence)


def _deprecated(service: Service) -> Iterator[Finding]:
    for place in service.everywhere:
        entry = RESTRICTIONS.get(place.name) if place.element.kind is Kind.RESTRICTION else None
        if entry is None or not entry.alias_of:
            continue
        message = f"{place.element.name} is the old name of {entry.alias_of}."
        argument = f" {place.element.argument}" if place.element.argument else ""
        fix = ("warn_if_reject " if place.element.warn else "") + entry.alias_of + argument
        yield service.at(place, DEPRECATED_SPELLING, message, fix)


RULES = (each_service(_unknown, _tables, _deprecated),)
