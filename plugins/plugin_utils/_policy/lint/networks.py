# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mynetworks: who may relay without a password."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import reading
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import HostBits, Network
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Session, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem

MYNETWORKS = "mynetworks"
LOOPBACK = "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128"
STRANGER = "someone@stranger.example"
ELSEWHERE = "someone@elsewhere.example"

WIDE = FindingKind(
    code="mynetworks-too-wide",
    severity=Severity.RELAY,
    title="mynetworks holds a network that cannot be all yours",
    wrong="mynetworks lists who may send to anywhere without a password, and this network is larger than any one"
    " owner's.",
    happens="Every host in that network relays through this server to any address: spam in your name, soon on"
    " blocklists.",
    example="mynetworks = 0.0.0.0/0",
    right=f"mynetworks = {LOOPBACK}",
    source="postconf(5) mynetworks",
)
LARGE = FindingKind(
    code="mynetworks-large",
    severity=Severity.STYLE,
    title="mynetworks holds a large public network",
    wrong="mynetworks lists hundreds of public addresses; each of them may relay without a password.",
    happens="One broken or hired machine among them is enough to send spam in your name.",
    example="mynetworks = 127.0.0.0/8 198.51.0.0/20",
    right="mynetworks = 127.0.0.0/8 198.51.0.10/32",
    source="postconf(5) mynetworks",
)
PRIVATE = FindingKind(
    code="mynetworks-private-range",
    severity=Severity.STYLE,
    title="mynetworks holds a whole private range",
    wrong="A whole private range relays without a password. Containers, VPNs and proxies use addresses of these"
    " ranges too.",
    happens=(
        "Traffic that a container bridge, proxy or NAT gateway passes on comes from the gateway's private address:"
        " then the"
        " whole Internet relays."
    ),
    example="mynetworks = 127.0.0.0/8 172.16.0.0/12",
    right="mynetworks = 127.0.0.0/8 172.20.5.7/32",
    source="postconf(5) mynetworks",
)
NAME = FindingKind(
    code="mynetworks-name",
    severity=Severity.RELAY,
    title="A domain name in mynetworks",
    wrong="mynetworks compares host names too: a domain there stands for every host with that name or a subdomain of"
    " it.",
    happens="Whoever controls the DNS of that name, or of any name below it, relays through this server to any"
    " address.",
    example="mynetworks = 127.0.0.0/8 example.org",
    right="mynetworks = 127.0.0.0/8 192.0.2.25/32",
    source="postconf(5) mynetworks, parent_domain_matches_subdomains",
)
NOBODY = FindingKind(
    code="mynetworks-matches-nobody",
    severity=Severity.LOST,
    title="A word in mynetworks that matches nobody",
    wrong="The word is neither an address nor a network that Postfix understands; it is compared with host names and"
    " skipped.",
    happens="The hosts it was meant for are strangers: their mail to other domains is refused (554 or 454 Relay"
    " access denied).",
    example="mynetworks = 127.0.0.0/8 192.168.1.*",
    right="mynetworks = 127.0.0.0/8 192.168.1.0/24",
    source="postconf(5) mynetworks",
)
HOST_BITS = FindingKind(
    code="mynetworks-host-bits",
    severity=Severity.DEFERRED,
    title="A network in mynetworks with host bits",
    wrong="Behind the mask the address must be zero.",
    happens=(
        "Every client of that address family which no earlier network matched, 127.0.0.1 too, gets 451 4.3.0"
        " Temporary lookup"
        " failure: no mail comes in."
    ),
    example="mynetworks = 127.0.0.0/8 192.168.1.10/24",
    right="mynetworks = 127.0.0.0/8 192.168.1.0/24",
    source="postconf(5) mynetworks; util/cidr_match.c",
)
BROKEN = FindingKind(
    code="mynetworks-bad-pattern",
    severity=Severity.DEFERRED,
    title="A network in mynetworks that Postfix cannot read",
    wrong="The address or the mask of the network is wrong. A mask is the number of its bits.",
    happens=(
        "Every client of that address family which no earlier network matched gets 451 4.3.0 Temporary lookup"
        " failure: no mail"
        " comes in."
    ),
    example="mynetworks = 127.0.0.0/8 192.168.1.0/255.255.255.0",
    right="mynetworks = 127.0.0.0/8 192.168.1.0/24",
    source="postconf(5) mynetworks; util/cidr_match.c",
)
BRACKETS = FindingKind(
    code="mynetworks-missing-brackets",
    severity=Severity.DEFERRED,
    title="An IPv6 address in mynetworks without brackets",
    wrong="What holds a colon is taken for a lookup table, unless the address stands in brackets.",
    happens=(
        "Postfix looks for a table type of that name and finds none: every client which no earlier network matched"
        " gets"
        " 451 4.3.0, so no mail comes in."
    ),
    example="mynetworks = 127.0.0.0/8 ::1/128",
    right="mynetworks = 127.0.0.0/8 [::1]/128",
    source="postconf(5) mynetworks",
)
COMMENT = FindingKind(
    code="mynetworks-comment",
    severity=Severity.LOST,
    title="A comment inside mynetworks",
    wrong="A comment must be a line of its own; inside a value Postfix ignores all that follows the #.",
    happens="Networks behind the comment do not count: their hosts are strangers (454 or 554 Relay access denied).",
    example="mynetworks = 127.0.0.0/8 # this host\n  192.0.2.25/32",
    right="# this host and the web server\nmynetworks = 127.0.0.0/8\n  192.0.2.25/32",
    source="postconf(5), main.cf file format",
)
EXCLUSION = FindingKind(
    code="mynetworks-exclusion-too-late",
    severity=Severity.RELAY,
    title="An exclusion in mynetworks behind the network it is part of",
    wrong="The first match decides: an address that an earlier network matches never reaches its exclusion.",
    happens="The host that was to be excluded still relays to any address.",
    example="mynetworks = 127.0.0.0/8 192.168.1.0/24 !192.168.1.66",
    right="mynetworks = 127.0.0.0/8 !192.168.1.66 192.168.1.0/24",
    source="postconf(5) mynetworks",
)
LONELY_EXCLAMATION = FindingKind(
    code="mynetworks-lonely-exclamation-mark",
    severity=Severity.DEFERRED,
    title="An exclamation mark without a network",
    wrong="An exclamation mark belongs right before the network that it excludes.",
    happens="smtpd does not start (no pattern after '!'): nobody is served.",
    example="mynetworks = 127.0.0.0/8 ! 192.168.1.66 192.168.1.0/24",
    right="mynetworks = 127.0.0.0/8 !192.168.1.66 192.168.1.0/24",
    source="postconf(5) mynetworks; util/match_list.c",
)
NO_LOOPBACK = FindingKind(
    code="mynetworks-without-loopback",
    severity=Severity.STYLE,
    title="mynetworks without this machine",
    wrong="127.0.0.1 is not in mynetworks, so programs on this machine that speak SMTP are strangers.",
    happens="Web mail, monitoring and the like that send through localhost:25 get Relay access denied.",
    example="mynetworks = 192.0.2.25/32",
    right="mynetworks = 127.0.0.0/8 [::1]/128 192.0.2.25/32",
    source="postconf(5) mynetworks",
)
STYLE_WIDE = FindingKind(
    code="mynetworks-style",
    severity=Severity.RELAY,
    title="mynetworks_style trusts the neighbours",
    wrong="Without mynetworks, mynetworks_style tells who may relay; subnet and class mean all hosts of the"
    " provider's network.",
    happens="Other customers in the same network relay through this server to any address.",
    example="mynetworks_style = subnet",
    right="mynetworks_style = host",
    source="postconf(5) mynetworks_style",
)
STYLE_DEFAULT = FindingKind(
    code="mynetworks-style-by-compatibility",
    severity=Severity.STYLE,
    title="An old compatibility_level trusts the neighbours",
    wrong="Neither mynetworks nor mynetworks_style is set, and below compatibility_level 2 the default is"
    " mynetworks_style=subnet.",
    happens="All hosts of the provider's network relay through this server to any address.",
    example="compatibility_level = 1",
    right="compatibility_level = 3.6",
    source="postconf(5) mynetworks_style; COMPATIBILITY_README",
)
TABLE_KEY = FindingKind(
    code="mynetworks-table-key",
    severity=Severity.LOST,
    title="A network as key of an indexed table in mynetworks",
    wrong="hash, btree, lmdb, cdb and inline tables are asked for the client's whole address; a network there never"
    " matches.",
    happens="The hosts of that network are strangers: Relay access denied.",
    example="mynetworks = 127.0.0.0/8 inline:{192.168.1.0/24=ok}",
    right="mynetworks = 127.0.0.0/8 192.168.1.0/24",
    source="postconf(5) mynetworks; cidr_table(5)",
)

KINDS = (
    WIDE, LARGE, PRIVATE, NAME, NOBODY, HOST_BITS, BROKEN, BRACKETS, COMMENT, EXCLUSION, LONELY_EXCLAMATION,
    NO_LOOPBACK, STYLE_WIDE, STYLE_DEFAULT, TABLE_KEY,
)  # fmt: skip

_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
# What Docker and Podman number their bridges with unless told otherwise.
_CONTAINERS = tuple(ipaddress.ip_network(text) for text in ("172.16.0.0/12", "10.88.0.0/16"))
_LOOPBACKS = tuple(ipaddress.ip_network(text) for text in ("127.0.0.0/8", "::1/128", "::ffff:127.0.0.0/104"))

_TOO_WIDE = {4: 16, 6: 32}
"""An allocation of a provider (RFC 6177, IANA): longer prefixes may be one owner's."""
_LARGE = {4: 23, 6: 47}
_CONSPICUOUS = {4: 16, 6: 32}
_INDEXED = frozenset({"hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "inline", "texthash"})


@dataclass(frozen=True, slots=True)
class Pattern:
    """One word of mynetworks.

    :param index: place in the list, from 0
    :param text: without exclamation marks
    """

    index: int
    written: str
    text: str
    excluded: bool
    network: Network | None


def patterns(settings: Settings, parameter: str = MYNETWORKS) -> tuple[list[Pattern], int | None]:
    """Words of a network list as Postfix reads them.

    :return: patterns, and the index of the ``#`` at which Postfix stops reading, or None
    """
    found: list[Pattern] = []
    for index, word in enumerate(reading.split(settings, parameter)):
        if word.startswith("#"):
            return found, index
        text = word.lstrip("!")
        excluded = (len(word) - len(text)) % 2 == 1
        found.append(Pattern(index, word, text, excluded, _network(text)))
    return found, None


def _network(text: str) -> Network | None:
    if _is_table(text) or text.startswith("/"):
        return None
    try:
        return Network.parse(text)
    except SyntaxProblem:
        return None


def _is_table(text: str) -> bool:
    return not text.startswith("[") and ":" in text


def _ip_network(network: Network) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if network.family == 4:
        return ipaddress.IPv4Network((network.value, network.prefix))
    return ipaddress.IPv6Network((network.value, network.prefix))


def _written(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    if isinstance(network, ipaddress.IPv4Network):
        return str(network)
    return f"[{network.network_address}]/{network.prefixlen}"


def _inside(network: ipaddress.IPv4Network | ipaddress.IPv6Network, others: tuple[object, ...]) -> bool:
    return any(
        isinstance(other, type(network)) and network.subnet_of(other)  # type: ignore[arg-type]
        for other in others
    )


def check(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        if settings.is_set(MYNETWORKS):
            yield from _check_words(policy, service, settings)


def _check_words(policy: Policy, service: str, settings: Settings) -> Iterator[Finding]:
    known, comment = patterns(settings)
    for pattern in known:
        yield from _check_pattern(policy, service, settings, pattern)
    yield from _check_order(service, known)
    if comment is not None:
        written = reading.split(settings, MYNETWORKS)[comment:]
        yield find(
            COMMENT,
            MYNETWORKS,
            f"everything from {written[0]} on is ignored: {' '.join(written)}",
            "Put the comment on a line of its own that begins with #, and leave it out of the value",
            service=service,
            element=written[0],
            index=comment,
        )


def _check_pattern(policy: Policy, service: str, settings: Settings, pattern: Pattern) -> Iterator[Finding]:
    report = partial(_report, service, pattern)
    text = pattern.text
    if not text:
        yield report(
            LONELY_EXCLAMATION, "an exclamation mark stands alone", "Write it right before the network, without a space"
        )
    elif text.startswith("/"):
        return
    elif _is_table(text):
        yield from _check_table(policy, service, pattern)
    elif pattern.network is not None:
        if not pattern.excluded:
            yield from _check_size(service, settings, pattern, pattern.network)
    elif re.fullmatch(r"[0-9a-fA-F:.\[\]/]+", text) and _is_cidr(text):
        yield from _check_broken(service, pattern)
    elif _is_name(text):
        yield from _check_name(service, pattern)
    else:
        yield report(
            NOBODY,
            f"{pattern.written} matches no client",
            _meant(text)
            or "Write addresses, or networks such as 192.0.2.0/24 and [2001:db8::]/64, with spaces or commas between",
        )


def _is_cidr(text: str) -> bool:
    """Whether match_hostaddr() goes on to read it as a network, rather than leaving it as some name."""
    return (":" in text or "/" in text) or text.startswith("[")


def _is_name(text: str) -> bool:
    bare = text.removeprefix(".")
    return is_hostname(bare) and ("." in bare or bare.lower() == "localhost") and not re.fullmatch(r"[0-9.-]+", bare)


def _report(service: str, pattern: Pattern, kind: FindingKind, message: str, fix: str, **more: object) -> Finding:
    session = more.get("session")
    return find(
        kind,
        MYNETWORKS,
        message,
        fix,
        service=service,
        element=pattern.written,
        index=pattern.index,
        session=session.as_dict() if isinstance(session, Session) else None,
    )


def _check_size(service: str, settings: Settings, pattern: Pattern, network: Network) -> Iterator[Finding]:
    block = _ip_network(network)
    report = partial(_report, service, pattern)
    if _inside(block, _LOOPBACKS):
        return
    if _inside(block, _PRIVATE):
        if network.family == 4 and block.num_addresses == 1:
            if _inside(block, _CONTAINERS) and network.value & 255 == 1:
                yield report(
                    PRIVATE,
                    f"{pattern.text} looks like the gateway of a container network: all that it passes on relays",
                    "Take it out, unless you know that nothing from outside comes through it",
                )
        elif network.prefix <= _CONSPICUOUS[network.family] or _inside(block, _CONTAINERS):
            yield report(
                PRIVATE,
                f"all {block.num_addresses} addresses of {pattern.text} relay without a password"
                if network.family == 4
                else f"all addresses of {pattern.text} relay without a password",
                "List the hosts that need it one by one, and never the address of a container bridge, proxy or NAT"
                " gateway",
            )
        return
    if network.prefix <= _TOO_WIDE[network.family]:
        yield report(
            WIDE,
            f"{pattern.text} covers"
            f" {'the whole Internet' if network.prefix == 0 else f'{block.num_addresses} addresses'}",
            f"List your own hosts one by one: {LOOPBACK} and what else is yours",
            session=relay_session(str(_some_host(block)), service),
        )
    elif network.prefix <= _LARGE[network.family]:
        yield report(
            LARGE,
            f"{pattern.text} covers {block.num_addresses} addresses",
            "List the hosts that send through this server one by one",
        )


def _some_host(block: ipaddress.IPv4Network | ipaddress.IPv6Network) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address of the network; of the whole Internet one that documents use."""
    for text in ("198.51.100.77", "2001:db8:77::1"):
        address = ipaddress.ip_address(text)
        if address in block:
            return address
    return block.network_address + min(77, block.num_addresses - 1)


def relay_session(addr: str, service: str, name: str = "unknown") -> Session:
    return Session(addr=addr, name=name, helo="stranger.example", sender=STRANGER, rcpts=(ELSEWHERE,), service=service)


def _check_broken(service: str, pattern: Pattern) -> Iterator[Finding]:
    report = partial(_report, service, pattern)
    try:
        Network.parse(pattern.text)
    except HostBits as problem:
        right = _bracketed(problem.right)
        marks = pattern.written[: len(pattern.written) - len(pattern.text)]
        yield report(
            HOST_BITS, f"{pattern.text} has bits behind its mask", f"Write {marks}{right}{_or_host(pattern.text)}"
        )
    except SyntaxProblem as problem:
        kind = BROKEN
        yield report(
            kind, str(problem), _meant(pattern.text) or "Write the network's address and the number of bits of its mask"
        )


def _bracketed(network: str) -> str:
    address, _slash, prefix = network.partition("/")
    return f"[{address}]/{prefix}" if ":" in address else network


def _or_host(text: str) -> str:
    address = text.strip("[]").partition("/")[0].rstrip("]")
    host = f"[{address}]/128" if ":" in address else f"{address}/32"
    return f" for the whole network, or {host} for this one host"


def _meant(text: str) -> str:
    """What was probably meant, as an instruction; empty when there is no telling."""
    if masked := re.fullmatch(r"([0-9.]+)/([0-9.]+\.[0-9.]+)", text):
        try:
            return f"Write {ipaddress.IPv4Network((masked[1], masked[2]), strict=False)}"
        except ValueError:
            return ""
    if quoted := re.fullmatch(r"""["'`;]*([0-9a-fA-F:.\[\]/]+)["'`;]*""", text):
        return f"Write {quoted[1]}, without quotes or semicolons" if quoted[1] != text else _meant_prefix(text)
    if ";" in text:
        return "Write spaces or commas between networks: " + " ".join(part for part in text.split(";") if part)
    if "-" in text and re.fullmatch(r"[0-9.]+-[0-9.]+", text):
        return _meant_span(*text.split("-"))
    return _meant_prefix(text)


def _meant_prefix(text: str) -> str:
    """``192.168.``, ``192.168.1.*`` and ``10/8``."""
    address, slash, mask = text.partition("/")
    octets = [octet for octet in address.split(".") if octet not in {"", "*", "x", "%"}]
    if not octets or len(octets) > 4 or not all(octet.isdigit() and int(octet) < 256 for octet in octets):
        return ""
    prefix = int(mask) if slash and mask.isdigit() and int(mask) <= 32 else 8 * len(octets)
    network = ipaddress.IPv4Network((".".join([*octets, *["0"] * (4 - len(octets))]), prefix), strict=False)
    return f"Write {network}"


def _meant_span(first: str, last: str) -> str:
    try:
        blocks = list(ipaddress.summarize_address_range(ipaddress.IPv4Address(first), ipaddress.IPv4Address(last)))
    except ValueError:
        return ""
    return "Write " + " ".join(str(block) for block in blocks) if len(blocks) <= 8 else ""


def _check_name(service: str, pattern: Pattern) -> Iterator[Finding]:
    if pattern.excluded:
        return
    bare = pattern.text.removeprefix(".").lower()
    name = f"host.{bare}" if pattern.text.startswith(".") else bare
    yield _report(
        service,
        pattern,
        NAME,
        f"{pattern.text} stands for every client whose host name is {name}"
        + ("" if bare == "localhost" else " or ends in it"),
        f"Write the addresses of the hosts that are meant; for this machine {LOOPBACK}",
        session=relay_session("198.51.100.77", service, name),
    )


def _check_table(policy: Policy, service: str, pattern: Pattern) -> Iterator[Finding]:
    report = partial(_report, service, pattern)
    kind, _colon, _name = pattern.text.partition(":")
    address = pattern.text.partition("/")[0]
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        pass
    else:
        mask = pattern.text.partition("/")[2]
        right = f"[{address}]/{mask or 128}"
        try:
            Network.parse(right)
        except HostBits as problem:
            right = _bracketed(problem.right)
        except SyntaxProblem:
            right = f"[{address}]/128"
        yield report(
            BRACKETS, f"{pattern.text} is taken for a lookup table of type {kind or 'nothing'}", f"Write {right}"
        )
        return
    if kind.lower() not in _INDEXED:
        return
    content = reading.content_of(policy, pattern.text)
    entries = reading.table_entries(content) if content is not None else _inline(pattern.text)
    for key, _result in entries:
        if "/" in key and _network(key) is not None and not _is_host(key):
            yield report(
                TABLE_KEY, f"{pattern.text} has the key {key}, which no address equals", "Use a cidr: table instead"
            )
            return


def _is_host(key: str) -> bool:
    network = _network(key)
    return network is not None and "/" not in key


def _inline(text: str) -> Iterator[tuple[str, str]]:
    if text.lower().startswith("inline:{"):
        for entry in re.split(r"[,\s]+", text[len("inline:{") :].rstrip("}")):
            key, _equals, result = entry.strip("{} ").partition("=")
            yield key.strip(), result.strip()


def _check_order(service: str, known: list[Pattern]) -> Iterator[Finding]:
    for position, pattern in enumerate(known):
        if not pattern.excluded or pattern.network is None:
            continue
        block = _ip_network(pattern.network)
        for earlier in known[:position]:
            if not earlier.excluded and earlier.network is not None and _inside(block, (_ip_network(earlier.network),)):
                yield _report(
                    service,
                    pattern,
                    EXCLUSION,
                    f"{pattern.written} is never asked: {earlier.written} comes first and matches",
                    f"Write {pattern.written} before {earlier.written}",
                    session=relay_session(str(block.network_address), service),
                )
                break


def check_loopback(policy: Policy) -> Iterator[Finding]:
    """main.cf only: a listener of its own may well leave it out."""
    for service, settings in reading.services(policy):
        if MYNETWORKS in settings.service.overrides or not settings.is_set(MYNETWORKS):
            continue
        known, _comment = patterns(settings)
        if not known or any(pattern.network is None for pattern in known):
            continue  # empty on purpose, or a file or table that may hold it
        if not any(not p.excluded and p.network is not None and "127.0.0.1" in p.network for p in known):
            yield find(
                NO_LOOPBACK,
                MYNETWORKS,
                "127.0.0.1 is not in mynetworks",
                f"Add {LOOPBACK}, unless programs on this machine are to use a password as well",
                service=service,
            )


def check_style(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        if settings.is_set(MYNETWORKS):
            continue
        style = reading.value(settings, "mynetworks_style").strip().lower()
        if style not in {"subnet", "class"}:
            continue
        if settings.is_set("mynetworks_style"):
            yield find(
                STYLE_WIDE,
                "mynetworks_style",
                f"every host in the {'subnet' if style == 'subnet' else 'class A, B or C network'} of this server"
                f" relays",
                f"Write mynetworks_style = host, or mynetworks = {LOOPBACK} and the hosts that are yours",
                service=service,
                element=style,
            )
        elif settings.is_set("compatibility_level"):
            yield find(
                STYLE_DEFAULT,
                "compatibility_level",
                f"compatibility_level = {reading.value(settings, 'compatibility_level')} means mynetworks_style ="
                f" subnet",
                f"Write mynetworks = {LOOPBACK} and the hosts that are yours, or compatibility_level = 3.6",
                service=service,
            )


RULES: tuple[Rule, ...] = (check, check_loopback, check_style)
