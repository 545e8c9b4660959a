# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS block and allow lists: those that are gone, asked wrongly, or whose errors count as a listing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import dnsbl_sites, reading
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.filters import FilterError, parse_filter
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Element, Finding, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings

GUARD = "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"

DEAD = FindingKind(
    code="dnsbl-dead",
    severity=Severity.LOST,
    title="A block list that is no more",
    wrong="The list was shut down. Lists that end are often made to list every address, so that they are noticed.",
    happens=(
        "At best each mail waits for an answer that never comes; when the name answers everything, as lapsed domains"
        " do, ALL"
        " mail is refused with 554."
    ),
    example=GUARD + "smtpd_recipient_restrictions = reject_rbl_client dnsbl.sorbs.net",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
    source="the operators' notices, named with each finding",
)
NO_FILTER = FindingKind(
    code="dnsbl-needs-filter",
    severity=Severity.LOST,
    title="Error answers of a block list count as a listing",
    wrong=(
        "The list answers with special addresses when it refuses to answer (a public resolver, too many questions)."
        " Without a"
        " filter Postfix takes any answer for a listing."
    ),
    happens="On the day the list refuses this resolver, ALL mail is refused with 554.",
    example=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
    source=f"postconf(5) reject_rbl_client; {dnsbl_sites.KNOWN['zen.spamhaus.org'].source}",
)
ERROR_IN_FILTER = FindingKind(
    code="dnsbl-filter-holds-errors",
    severity=Severity.LOST,
    title="A filter that lets error answers count",
    wrong="The filter covers addresses with which the list says that it refuses to answer.",
    happens="On the day the list refuses this resolver, ALL mail is refused with 554.",
    example=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.[0..255].[0..255].[2..255]",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
    source=f"postconf(5) reject_rbl_client; {dnsbl_sites.KNOWN['zen.spamhaus.org'].source}",
)
SYNTAX = FindingKind(
    code="dnsbl-filter-syntax",
    severity=Severity.DEFERRED,
    title="A return-code filter that Postfix cannot read",
    wrong="Behind = stands an IPv4 address, each part a number or [first..last;other]; nothing else.",
    happens="smtpd dies when it reaches the element (RBL reply error): the connection breaks without a reply, for"
    " every client.",
    example=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.x",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
    source="postconf(5) reject_rbl_client; util/ip_match.c",
)
REFUSES_ADDRESSES = FindingKind(
    code="dnsbl-domain-list-for-addresses",
    severity=Severity.LOST,
    title="A list of domains asked about addresses",
    wrong="The list holds domain names. Asked about an address it answers with an error code, which counts as a"
    " listing.",
    happens="ALL mail is refused with 554.",
    example=GUARD + "smtpd_recipient_restrictions = reject_rbl_client dbl.spamhaus.org",
    right=GUARD + "smtpd_recipient_restrictions = reject_rhsbl_sender dbl.spamhaus.org=127.0.1.[2..99]",
    source="postconf(5) reject_rhsbl_sender; https://www.spamhaus.org/faqs/domain-blocklist/",
)
WRONG_QUESTION = FindingKind(
    code="dnsbl-wrong-question",
    severity=Severity.IDLE,
    title="A block list asked what it does not know",
    wrong="A list of addresses is asked about a domain, or a list of domains about an address.",
    happens="Nothing is ever found; each mail costs a DNS question.",
    example=GUARD + "smtpd_recipient_restrictions = reject_rhsbl_sender zen.spamhaus.org=127.0.0.[2..11]",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
    source="postconf(5) reject_rbl_client, reject_rhsbl_sender",
)
GOOD_REJECTED = FindingKind(
    code="dnsbl-allow-list-rejects",
    severity=Severity.LOST,
    title="A list of good hosts used to refuse mail",
    wrong="The list holds mail servers of good repute.",
    happens="Just the well-kept servers are refused with 554.",
    example=GUARD + "smtpd_recipient_restrictions = reject_rbl_client list.dnswl.org",
    right=GUARD + "smtpd_recipient_restrictions = permit_dnswl_client list.dnswl.org=127.0.[2..20].[1..3]",
    source="postconf(5) permit_dnswl_client",
)
BAD_PERMITTED = FindingKind(
    code="dnsbl-block-list-permits",
    severity=Severity.IDLE,
    title="A block list used to permit",
    wrong="The list holds hosts that send spam; permit_dnswl_client lets whoever is listed past the rest of this list.",
    happens="Spammers skip the checks behind it, everybody else is checked.",
    example=GUARD + "smtpd_recipient_restrictions = permit_dnswl_client zen.spamhaus.org=127.0.0.[2..11],"
    " reject_unknown_sender_domain",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11],"
    " reject_unknown_sender_domain",
    source="postconf(5) permit_dnswl_client",
)
GOOD_UNFILTERED = FindingKind(
    code="dnswl-needs-filter",
    severity=Severity.IDLE,
    title="Error answers of an allow list count as good repute",
    wrong="The allow list answers with a special address when it refuses to answer; without a filter that is a"
    " listing, too.",
    happens="On the day the list refuses this resolver every client counts as a good one: the checks behind are"
    " skipped.",
    example=GUARD + "smtpd_recipient_restrictions = permit_dnswl_client list.dnswl.org, reject_unknown_sender_domain",
    right=GUARD + "smtpd_recipient_restrictions = permit_dnswl_client list.dnswl.org=127.0.[2..20].[1..3],"
    " reject_unknown_sender_domain",
    source=f"postconf(5) permit_dnswl_client; {dnsbl_sites.KNOWN['list.dnswl.org'].source}",
)
TWICE = FindingKind(
    code="dnsbl-part-of-another",
    severity=Severity.IDLE,
    title="A block list that is part of another one in use",
    wrong="The bigger list holds all entries of this one, and it is asked as well.",
    happens="Nothing more is found; each mail costs another DNS question, and free use is limited by their number.",
    example=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11],\n"
    "  reject_rbl_client pbl.spamhaus.org=127.0.0.[10;11]",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
    source=dnsbl_sites.KNOWN["zen.spamhaus.org"].source,
)
REPEATED = FindingKind(
    code="dnsbl-asked-twice",
    severity=Severity.STYLE,
    title="A block list asked twice for one mail",
    wrong="The same list is asked twice about the same thing.",
    happens="The second question finds nothing new.",
    example=GUARD + "smtpd_client_restrictions = reject_rbl_client bl.mailspike.net=127.0.0.[2;10;11;12;13]\n"
    "smtpd_recipient_restrictions = reject_rbl_client bl.mailspike.net=127.0.0.[2;10;11;12;13]",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client bl.mailspike.net=127.0.0.[2;10;11;12;13]",
    source="postconf(5) reject_rbl_client, postscreen_dnsbl_sites",
)
LIMITS = FindingKind(
    code="dnsbl-registration",
    severity=Severity.STYLE,
    title="A block list that must be asked for permission",
    wrong="The list answers only resolvers that were registered with it.",
    happens="Unregistered, nothing is ever found, or each mail waits for an answer that does not come.",
    example=GUARD + "smtpd_recipient_restrictions = reject_rbl_client b.barracudacentral.org=127.0.0.2",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
    source=dnsbl_sites.KNOWN["b.barracudacentral.org"].source,
)
CAUTION = FindingKind(
    code="dnsbl-refuses-honest-hosts",
    severity=Severity.LOST,
    title="A block list that lists honest hosts by design",
    wrong="A hit in this list alone is no reason to refuse mail; its own operators say so.",
    happens="Mail of honest senders is refused with 554.",
    example=GUARD + "smtpd_recipient_restrictions = reject_rbl_client dnsbl-3.uceprotect.net=127.0.0.2",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client dnsbl-1.uceprotect.net=127.0.0.2",
    source=dnsbl_sites.KNOWN["dnsbl-3.uceprotect.net"].source,
)
KEY_SHOWN = FindingKind(
    code="dnsbl-key-visible",
    severity=Severity.STYLE,
    title="The key of a block list is shown to everybody",
    wrong="The reply to a refused client names the list as it is asked, with the secret key that was bought or given.",
    happens="Whoever is refused can read the key and use it up.",
    example=GUARD + "smtpd_recipient_restrictions = reject_rbl_client"
    " abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net=127.0.0.[2..11]",
    right=GUARD + "smtpd_recipient_restrictions = reject_rbl_client"
    " abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net=127.0.0.[2..11]\n"
    "rbl_reply_maps = lmdb:/etc/postfix/rbl_replies",
    source="postconf(5) rbl_reply_maps, postscreen_dnsbl_reply_map",
)

KINDS = (
    DEAD, NO_FILTER, ERROR_IN_FILTER, SYNTAX, REFUSES_ADDRESSES, WRONG_QUESTION, GOOD_REJECTED, BAD_PERMITTED,
    GOOD_UNFILTERED, TWICE, REPEATED, LIMITS, CAUTION, KEY_SHOWN,
)  # fmt: skip

POSTSCREEN = "postscreen_dnsbl_sites"
_ADDRESS = {"reject_rbl_client", "reject_rbl", "permit_dnswl_client"}
_DOMAIN = {
    "reject_rhsbl_client",
    "reject_rhsbl_reverse_client",
    "reject_rhsbl_helo",
    "reject_rhsbl_sender",
    "reject_rhsbl_recipient",
    "permit_rhswl_client",
}


@dataclass(frozen=True, slots=True)
class Use:
    """One list that is asked somewhere.

    :param element: element of a restriction list, or the word of postscreen_dnsbl_sites
    :param question: ``address`` or ``domain``
    :param subject: restriction without its argument: what is asked about
    :param filter: text behind ``=``; None when there is none
    :param weight: of postscreen; 1 in restriction lists
    """

    parameter: str
    element: Element | str
    index: int
    domain: str
    filter: str | None
    question: str
    subject: str
    permits: bool
    warn: bool = False
    weight: int = 1


def uses(settings: Settings) -> Iterator[Use]:
    """All lists that one service asks."""
    for name in reading.LISTS:
        for inner, outer in reading.walk(settings, name):
            word = inner.name.lower()
            if word == "reject_maps_rbl":
                yield from _old_list(settings)
            if word not in _ADDRESS | _DOMAIN or inner.argument is None:
                continue
            domain, equals, answer = inner.argument.text.partition("=")
            yield Use(
                name,
                outer,
                outer.index,
                domain,
                answer if equals else None,
                "address" if word in _ADDRESS else "domain",
                word,
                word.startswith("permit"),
                inner.warn or outer.warn,
            )


def _old_list(settings: Settings) -> Iterator[Use]:
    """The lists that reject_maps_rbl asks, until Postfix 3.8."""
    for index, domain in enumerate(reading.split(settings, "maps_rbl_domains")):
        yield Use("maps_rbl_domains", domain, index, domain, None, "address", "reject_maps_rbl", permits=False)


def postscreen_uses(settings: Settings) -> Iterator[Use]:
    for index, word in enumerate(reading.split(settings, POSTSCREEN)):
        site, _star, weight = word.partition("*")
        domain, equals, answer = site.partition("=")
        try:
            number = int(weight or 1)
        except ValueError:
            number = 1
        yield Use(
            POSTSCREEN,
            word,
            index,
            domain,
            answer if equals else None,
            "address",
            POSTSCREEN,
            number < 0,
            weight=number,
        )


def check(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        used = list(uses(settings))
        for use in used:
            yield from _check_use(service, settings, use)
        yield from _check_repeated(service, used)


def check_postscreen(policy: Policy) -> Iterator[Finding]:
    """Findings of main.cf: postscreen is one process for the whole server."""
    settings = postscreen_settings(policy)
    used = list(postscreen_uses(settings))
    for use in used:
        if "_" not in use.domain:
            yield from _check_use("", settings, use)
    yield from _check_repeated("", used)


def postscreen_settings(policy: Policy) -> Settings:
    """As postscreen reads them; where no service runs it, as the first smtpd does."""
    keys = [service.key for service in policy.services if service.command == "postscreen"]
    keys += [service.key for service in policy.smtpd_services()]
    return policy.settings(*keys[:1])


def _check_use(service: str, settings: Settings, use: Use) -> Iterator[Finding]:
    report = partial(find, service=service, element=use.element, index=use.index)
    if (ended := dnsbl_sites.gone(use.domain)) is not None:
        yield report(
            DEAD,
            use.parameter,
            f"{use.domain} ended {ended.since} ({ended.source})"
            + (", and answered that everything is listed" if ended.wildcard else ""),
            "Take it out" + (f"; {ended.instead} holds what it listed" if ended.instead else ""),
            severity=Severity.IDLE if use.permits or use.warn else None,
            consequence=_postscreen_consequence(use),
        )
        return
    if use.filter is not None and (reason := _broken(use.filter)):
        yield report(
            SYNTAX,
            use.parameter,
            f"{use.filter or 'an empty filter'} is no filter: {reason}",
            _suggestion(use),
            consequence="postscreen does not start: no mail comes in" if use.parameter == POSTSCREEN else "",
        )
        return
    alive = dnsbl_sites.known(use.domain)
    if alive is not None:
        yield from _check_known(service, settings, use, alive)


def _postscreen_consequence(use: Use) -> str:
    if use.parameter != POSTSCREEN:
        return ""
    return (
        "At best it never counts; when the name answers everything, as lapsed domains do, its weight counts for"
        " every client."
    )


def _broken(text: str) -> str:
    try:
        parse_filter(text)
    except FilterError as problem:
        return str(problem)
    return ""


def _suggestion(use: Use) -> str:
    alive = dnsbl_sites.known(use.domain)
    wanted = (alive.filter if alive else "") or "127.0.0.[2..11]"
    weight = f"*{use.weight}" if use.weight != 1 else ""
    return f"Write {use.domain}={wanted}{weight}"


def _check_known(service: str, settings: Settings, use: Use, alive: dnsbl_sites.Alive) -> Iterator[Finding]:
    report = partial(find, service=service, element=use.element, index=use.index)
    where = use.parameter
    counted = _counted_errors(use, alive)
    if alive.asked == "domain" and use.question == "address":
        kind = REFUSES_ADDRESSES if counted and not use.permits else WRONG_QUESTION
        fix = "Use it with reject_rhsbl_sender, reject_rhsbl_helo or reject_rhsbl_reverse_client"
        softer = Severity.IDLE if use.warn else None
        yield report(kind, where, f"{use.domain} lists domains, not addresses", fix, severity=softer)
        return
    if alive.asked == "address" and use.question == "domain":
        softer = None
        yield report(
            WRONG_QUESTION, where, f"{use.domain} lists addresses, not domains", "Use it with reject_rbl_client"
        )
        return
    if alive.good != use.permits:
        if alive.good and not use.warn:
            yield report(GOOD_REJECTED, where, f"{use.domain} lists good hosts", _good_fix(use, alive))
        elif use.permits and use.parameter != POSTSCREEN:
            yield report(
                BAD_PERMITTED, where, f"{use.domain} lists hosts that send spam", "Use reject_rbl_client with this list"
            )
        return
    yield from _check_filter(report, use, alive, counted)
    yield from _check_terms(report, settings, use, alive)


def _good_fix(use: Use, alive: dnsbl_sites.Alive) -> str:
    if use.parameter == POSTSCREEN:
        return f"Give it a negative weight: {use.domain}={alive.filter}*-2"
    return f"Write permit_dnswl_client {use.domain}={alive.filter}"


def _counted_errors(use: Use, alive: dnsbl_sites.Alive) -> tuple[str, ...]:
    """Answers of the list that are errors and yet count."""
    if use.filter is None:
        return alive.errors
    wanted = parse_filter(use.filter)
    return tuple(answer for answer in alive.errors if wanted.matches(answer))


def _check_filter(
    report: partial[Finding], use: Use, alive: dnsbl_sites.Alive, counted: tuple[str, ...]
) -> Iterator[Finding]:
    if not counted or use.warn:
        return  # warn_if_reject: the documented way to have errors in the log
    if use.permits:
        yield report(
            GOOD_UNFILTERED,
            use.parameter,
            f"{counted[0]} of {use.domain} says that it refuses to answer",
            _suggestion(use),
        )
        return
    limits = f"; it wants {alive.limits}" if alive.limits else ""
    if use.parameter == POSTSCREEN and use.filter is None:
        consequence = "On the day the list refuses this resolver, its weight counts for every client."
    else:
        consequence = ""
    yield report(
        NO_FILTER if use.filter is None else ERROR_IN_FILTER,
        use.parameter,
        f"{counted[-1]} of {use.domain} says that it refuses to answer, and counts as a listing{limits}",
        _suggestion(use),
        consequence=consequence,
    )


def _check_terms(report: partial[Finding], settings: Settings, use: Use, alive: dnsbl_sites.Alive) -> Iterator[Finding]:
    if "registered" in alive.limits:
        yield report(
            LIMITS,
            use.parameter,
            f"{use.domain} wants {alive.limits}",
            "Register the resolver of this server, or take the list out",
        )
    if alive.caution and use.parameter != POSTSCREEN and not use.warn and not use.permits:
        mild = "score" in alive.caution
        yield report(
            CAUTION,
            use.parameter,
            f"{use.domain}: {alive.caution}",
            "Give it a weight below the threshold in postscreen_dnsbl_sites, or score it in the content filter",
            severity=Severity.STYLE if mild else None,
        )
    if use.domain.lower().endswith(".dq.spamhaus.net") and not use.permits:
        hides = "postscreen_dnsbl_reply_map" if use.parameter == POSTSCREEN else "rbl_reply_maps"
        if not reading.value(settings, hides).strip():
            yield report(
                KEY_SHOWN,
                use.parameter,
                "the reply to a refused client shows the key",
                f"Set {hides} to a table that gives {use.domain} a name without the key",
            )


def _check_repeated(service: str, used: list[Use]) -> Iterator[Finding]:
    asked: dict[tuple[str, str, str | None], Use] = {}
    names = {dnsbl_sites.canonical(use.domain) for use in used if not use.permits}
    for use in used:
        report = partial(find, service=service, element=use.element, index=use.index)
        alive = dnsbl_sites.known(use.domain)
        if alive is not None and alive.within in names and not use.permits:
            yield report(TWICE, use.parameter, f"{alive.within} holds all of {use.domain}", "Take it out")
        key = (use.subject, use.domain.lower(), use.filter)
        if key in asked and not use.warn and not asked[key].warn:
            first = asked[key]
            yield report(
                REPEATED,
                use.parameter,
                f"{use.domain} was asked in {first.parameter} already ({first.element})",
                "Take it out",
            )
        asked.setdefault(key, use)


def check_both(policy: Policy) -> Iterator[Finding]:
    """A list in postscreen that refuses alone and in smtpd as well."""
    screened = postscreen_settings(policy)
    threshold = _number(reading.value(screened, "postscreen_dnsbl_threshold"), 1)
    if reading.value(screened, "postscreen_dnsbl_action").strip().lower() == "ignore":
        return
    decisive = {use.domain.lower() for use in postscreen_uses(screened) if use.weight >= threshold}
    for service, settings in reading.services(policy):
        if not reading.is_public_mx(settings.service):
            continue
        for use in uses(settings):
            if use.question == "address" and not use.permits and not use.warn and use.domain.lower() in decisive:
                yield find(
                    REPEATED,
                    use.parameter,
                    f"postscreen has refused everybody in {use.domain} already",
                    f"Take it out here, as long as {POSTSCREEN} has it",
                    service=service,
                    element=use.element,
                    index=use.index,
                )


def _number(text: str, default: int) -> int:
    try:
        return int(text)
    except ValueError:
        return default


RULES: tuple[Rule, ...] = (check, check_postscreen, check_both)
