# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS block and allow lists known by name: which are gone, what they answer, what they are to be asked.

What is said here is a fact about somebody else's service, so each entry tells where it was published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Gone:
    """A list that ended.

    :param since: when, as exactly as it was told
    :param wildcard: whether it answered that every address is listed, at least for a time
    """

    since: str
    source: str
    wildcard: bool = False
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Alive:
    """A list that works.

    :param asked: ``address``, ``domain`` or ``both``: what it is a list of
    :param filter: the answers that mean "listed", as a filter of Postfix; empty where every answer does
    :param errors: answers that mean "you may not ask" or "you asked wrongly"
    :param limits: what must be done before it may be asked at all; empty: nothing
    :param good: a list of good hosts
    :param within: the list that holds all of this one
    :param caution: why a hit alone is no reason to refuse mail; empty: it is one
    """

    asked: str
    source: str
    filter: str = ""
    errors: tuple[str, ...] = ()
    limits: str = ""
    good: bool = False
    within: str = ""
    caution: str = ""


_SORBS = Gone("5 June 2024", "https://github.com/mailcow/mailcow-dockerized/pull/5901", instead="zen.spamhaus.org")
_AHBL = Gone("1 January 2015", "https://www.dnsbl.com/ (Reminder: AHBL is Shutting Down)", wildcard=True)
_NJABL = Gone("1 March 2013", "the operators' notice: zones emptied, then delegated to unallocated addresses")

GONE: Mapping[str, Gone] = MappingProxyType(
    {
        "sorbs.net": _SORBS,
        "manitu.net": Gone("16 January 2025", "https://github.com/matteocorti/check_rbl/issues/61"),
        "nixspam.net": Gone("16 January 2025", "https://github.com/matteocorti/check_rbl/issues/61"),
        "njabl.org": _NJABL,
        "ahbl.org": _AHBL,
        "ordb.org": Gone(
            "18 December 2006", "the operators' notice; from March 2008 it listed every address", wildcard=True
        ),
        "dsbl.org": Gone("May 2008", "https://vamsoft.com/company/news/dsbl-shutdown"),
        "cbl.abuseat.org": Gone(
            "2021 (part of XBL)", "https://www.abuseat.org/cutover.html", instead="zen.spamhaus.org"
        ),
        "spamcannibal.org": Gone(
            "30 May 2019", "https://github.com/chrislee35/dnsbl-client/pull/7 (domain lapsed)", wildcard=True
        ),
        "dnsbl.inps.de": Gone("25 May 2020", "https://github.com/dmippolitov/pydnsbl/pull/11"),
        "emailbasura.org": Gone(
            "October 2019", "https://www.dnsbl.com/2019/10/status-of-blemailbasuraorg-dead.html", wildcard=True
        ),
        "sectoor.de": Gone("June 2018", "https://github.com/modoboa/modoboa/issues/1598"),
        "dul.ru": Gone("19 May 2015", "https://www.dnsbl.com/ (Status of dul.ru: DEAD)", wildcard=True),
        "burnt-tech.com": Gone("September 2019", "https://www.dnsbl.com/ (Status of Burnt Tech: DEAD)", wildcard=True),
        "wpbl.info": Gone("before July 2025", "https://github.com/dmippolitov/pydnsbl/issues/48"),
        "dnsbl.cyberlogic.net": Gone("before July 2025", "https://github.com/dmippolitov/pydnsbl/issues/48"),
        "virbl.bit.nl": Gone("January 2017", "https://github.com/dmippolitov/pydnsbl/issues/48"),
        "virbl.dnsbl.bit.nl": Gone("January 2017", "https://github.com/dmippolitov/pydnsbl/issues/48"),
        "msrbl.net": Gone("before July 2025", "https://github.com/dmippolitov/pydnsbl/issues/48"),
        "spam.abuse.ch": Gone("before February 2019", "https://github.com/rspamd/rspamd/issues/2744"),
        "megarbl.net": Gone(
            "before April 2021", "https://github.com/adionditsak/blacklist-check-unix-linux-utility/pull/8"
        ),
        "dnsrbl.org": Gone(
            "before April 2021", "https://github.com/adionditsak/blacklist-check-unix-linux-utility/pull/8"
        ),
        "nszones.com": Gone("2012 (never a list of its own)", "https://www.spamhaus.org/organization/statement/8/"),
        "mail-abuse.org": Gone("before 2010 (MAPS became a product that is not public)", "DNSBL operators' notices"),
        "relays.osirusoft.com": Gone("August 2003", "the operator's notice: listed every address", wildcard=True),
        "monkeys.com": Gone("September 2003", "the operator's notice: listed every address", wildcard=True),
        "blackholes.us": Gone("2009", "https://www.dnsbl.com/2009/10/ (Status of blackholes.us: DEAD)"),
        "rfc-ignorant.org": Gone("30 November 2012", "the operator's notice"),
    }
)

_SPAMHAUS = "https://docs.spamhaus.com/datasets/docs/source/40-real-world-usage/PublicMirrors/MTAs/020-Postfix.html"
_SPAMHAUS_ERRORS = ("127.255.255.252", "127.255.255.254", "127.255.255.255")
_SPAMHAUS_LIMITS = "a resolver of your own (public resolvers are refused) or a Data Query Service key"
_URIBL = "https://www.uribl.com/about.shtml"
_DNSWL = "https://www.dnswl.org/?page_id=15"

KNOWN: Mapping[str, Alive] = MappingProxyType(
    {
        "zen.spamhaus.org": Alive("address", _SPAMHAUS, "127.0.0.[2..11]", _SPAMHAUS_ERRORS, _SPAMHAUS_LIMITS),
        "sbl.spamhaus.org": Alive(
            "address", _SPAMHAUS, "127.0.0.[2..9]", _SPAMHAUS_ERRORS, _SPAMHAUS_LIMITS, within="zen.spamhaus.org"
        ),
        "xbl.spamhaus.org": Alive(
            "address", _SPAMHAUS, "127.0.0.[4..7]", _SPAMHAUS_ERRORS, _SPAMHAUS_LIMITS, within="zen.spamhaus.org"
        ),
        "sbl-xbl.spamhaus.org": Alive(
            "address", _SPAMHAUS, "127.0.0.[2..9]", _SPAMHAUS_ERRORS, _SPAMHAUS_LIMITS, within="zen.spamhaus.org"
        ),
        "pbl.spamhaus.org": Alive(
            "address", _SPAMHAUS, "127.0.0.[10;11]", _SPAMHAUS_ERRORS, _SPAMHAUS_LIMITS, within="zen.spamhaus.org"
        ),
        "dbl.spamhaus.org": Alive(
            "domain", _SPAMHAUS, "127.0.1.[2..99]", ("127.0.1.255", *_SPAMHAUS_ERRORS), _SPAMHAUS_LIMITS
        ),
        "zrd.spamhaus.org": Alive("domain", _SPAMHAUS, "127.0.2.[2..24]", _SPAMHAUS_ERRORS, _SPAMHAUS_LIMITS),
        "zen.dq.spamhaus.net": Alive("address", _SPAMHAUS, "127.0.0.[2..11]", _SPAMHAUS_ERRORS),
        "sbl.dq.spamhaus.net": Alive("address", _SPAMHAUS, "127.0.0.[2..9]", _SPAMHAUS_ERRORS),
        "xbl.dq.spamhaus.net": Alive("address", _SPAMHAUS, "127.0.0.[4..7]", _SPAMHAUS_ERRORS),
        "pbl.dq.spamhaus.net": Alive("address", _SPAMHAUS, "127.0.0.[10;11]", _SPAMHAUS_ERRORS),
        "dbl.dq.spamhaus.net": Alive("domain", _SPAMHAUS, "127.0.1.[2..99]", ("127.0.1.255", *_SPAMHAUS_ERRORS)),
        "zrd.dq.spamhaus.net": Alive("domain", _SPAMHAUS, "127.0.2.[2..24]", _SPAMHAUS_ERRORS),
        "authbl.dq.spamhaus.net": Alive("address", _SPAMHAUS, "127.0.0.20", _SPAMHAUS_ERRORS),
        "b.barracudacentral.org": Alive(
            "address",
            "https://github.com/iredmail/iRedMail/issues/232",
            limits="the address of your resolver, registered at barracudacentral.org",
        ),
        "multi.uribl.com": Alive(
            "domain", _URIBL, "127.0.0.[2..14]", ("127.0.0.1", "127.0.0.255"), "a resolver of your own"
        ),
        "black.uribl.com": Alive("domain", _URIBL, "127.0.0.2", ("127.0.0.1", "127.0.0.255"), "a resolver of your own"),
        "grey.uribl.com": Alive(
            "domain",
            _URIBL,
            "127.0.0.4",
            ("127.0.0.1", "127.0.0.255"),
            "a resolver of your own",
            caution="grey lists bulk senders whom some want",
        ),
        "red.uribl.com": Alive("domain", _URIBL, "127.0.0.8", ("127.0.0.1", "127.0.0.255"), "a resolver of your own"),
        "multi.surbl.org": Alive(
            "domain", "https://www.surbl.org/lists", "127.0.0.[2..254]", ("127.0.0.1",), "a resolver of your own"
        ),
        "list.dnswl.org": Alive(
            "address", _DNSWL, "127.0.[2..20].[1..3]", ("127.0.0.255",), "a resolver of your own", good=True
        ),
        "wl.mailspike.net": Alive("address", "https://www.mailspike.org/usage.html", "127.0.0.[16..20]", good=True),
        "bl.mailspike.net": Alive("address", "https://www.mailspike.org/usage.html", "127.0.0.[2;10;11;12;13]"),
        "bl.spamcop.net": Alive(
            "address",
            "https://www.spamcop.net/fom-serve/cache/291.html",
            "127.0.0.2",
            caution="its operators advise to score it: it lists hosts of big providers for hours",
        ),
        "hostkarma.junkemailfilter.com": Alive(
            "both",
            "http://wiki.junkemailfilter.com/index.php/Spam_DNS_Lists",
            "127.0.0.2",
            ("127.0.0.1", "127.0.0.3", "127.0.0.5"),
        ),
        "ips.backscatterer.org": Alive(
            "address",
            "https://www.backscatterer.org/?target=usage",
            "127.0.0.2",
            caution="it lists hosts that bounce, honest ones too; use it for the null sender only",
        ),
        "dnsbl-1.uceprotect.net": Alive("address", "https://www.uceprotect.net/en/index.php?m=6&s=0", "127.0.0.2"),
        "dnsbl-2.uceprotect.net": Alive(
            "address",
            "https://www.uceprotect.net/en/index.php?m=3&s=4",
            "127.0.0.2",
            caution="it lists whole networks for what single hosts in them did",
        ),
        "dnsbl-3.uceprotect.net": Alive(
            "address",
            "https://www.uceprotect.net/en/index.php?m=3&s=5",
            "127.0.0.2",
            caution="it lists whole providers for what single hosts of theirs did",
        ),
        "psbl.surriel.com": Alive("address", "https://psbl.org/", "127.0.0.2"),
        "bl.blocklist.de": Alive("address", "http://www.blocklist.de/en/api.html"),
        "all.spamrats.com": Alive("address", "https://www.spamrats.com/"),
        "noptr.spamrats.com": Alive(
            "address",
            "https://www.spamrats.com/",
            caution="it lists hosts for their reverse DNS only",
        ),
        "dnsbl.dronebl.org": Alive("address", "https://dronebl.org/docs/howtouse"),
    }
)


def _suffixes(domain: str) -> list[str]:
    labels = domain.lower().rstrip(".").split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def gone(domain: str) -> Gone | None:
    """The list that is no more, or one of its former parts (``dul.dnsbl.sorbs.net``)."""
    return next((GONE[suffix] for suffix in _suffixes(domain) if suffix in GONE), None)


def known(domain: str) -> Alive | None:
    """A list that works, with or without a key before it (``KEY.zen.dq.spamhaus.net``)."""
    return next((KNOWN[suffix] for suffix in _suffixes(domain) if suffix in KNOWN), None)


def canonical(domain: str) -> str:
    """The name that the list is known by; the domain itself when it is not known."""
    return next((suffix for suffix in _suffixes(domain) if suffix in KNOWN), domain.lower().rstrip("."))
