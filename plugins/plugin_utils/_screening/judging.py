# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From counts to a verdict: whom enforcing would have stopped wrongly, and whether to switch."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.postern.mail.plugins.module_utils._screening_clients import TESTS, signs
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.dnsbl import address_filter
from ansible_collections.postern.mail.plugins.plugin_utils._screening import inventory, words
from ansible_collections.postern.mail.plugins.plugin_utils._screening.merging import merge
from ansible_collections.postern.mail.plugins.plugin_utils._screening.model import (
    Advice,
    Host,
    Report,
    Threshold,
    Verdict,
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
DEEP = ("pipelining", "non_smtp_command", "bare_newline")
_SPARED = 20
_REFUSAL = "127.255.255."  # no listing: "you may not ask"


def judge(
    name: str,
    results: Sequence[Mapping[str, Any]],
    allowed: Iterable[str] = (),
    minimum_days: int = 7,
    minimum_hosts: int = 50,
) -> Report:
    """The report on some servers.

    :param results: of the module postscreen_log
    :param allowed: networks that the inventory allows already
    :param minimum_days: days with connections below which nothing is advised
    :param minimum_hosts: clients below which nothing is advised
    """
    data = merge(results)
    settings = [result["settings"] for result in results]
    threshold = _threshold(data, settings)
    hosts = tuple(good_hosts(data["clients"], networks(allowed), threshold))
    enough = _enough(data, minimum_days, minimum_hosts)
    verdicts = tuple(_verdict(test, data, settings, hosts, enough) for test in TESTS)
    return Report(
        name=name,
        servers=tuple(str(result["name"]) for result in results),
        data=data,
        verdicts=verdicts,
        hosts=hosts,
        thresholds=tuple(_thresholds(data, settings, hosts, threshold)),
        threshold=threshold,
        warnings=tuple(_warnings(data, results)),
    )


def _threshold(data: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]) -> int:
    """As it is set; where nothing is known of that, the lowest rank that was logged."""
    known = [int(one["threshold"]) for one in settings if one["sites"]]
    return min(known or [int(rank) for rank, _number in data["ranks"]], default=1)


def networks(texts: Iterable[str]) -> list[Network]:
    """Addresses and networks; what is neither is left out, for others judge the inventory."""
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip("[]"), strict=False))
        except ValueError:
            continue
    return found


def good_hosts(clients: Iterable[Mapping[str, Any]], allowed: Collection[Network], threshold: int) -> list[Host]:
    """Those that enforcing would have stopped although something speaks for them; whom to allow comes first."""
    found = [_host(client, threshold) for client in clients if client.get("failed") and not _allowed(client, allowed)]
    return sorted(
        (host for host in found if host.signs),
        key=lambda host: (not host.allow, host.weak, -sum(host.lost.values()), -host.delivered, host.address),
    )


def _allowed(client: Mapping[str, Any], allowed: Collection[Network]) -> bool:
    if client.get("allowed", 0) > client.get("last_fail", 0):
        return True
    try:
        address = ipaddress.ip_address(str(client["address"]))
    except ValueError:
        return True  # no address: nothing that could be allowed
    return address.is_loopback or any(address in network for network in allowed)


def _host(client: Mapping[str, Any], threshold: int) -> Host:
    return Host(
        address=str(client["address"]),
        name=words.clean(client.get("name", "")),
        helo=tuple(words.clean(name) for name in client.get("helo", ())),
        fails=dict(client.get("fails", {})),
        rank=int(client.get("rank", 0)),
        sites=tuple((words.clean(site), words.clean(answer)) for site, answer in client.get("sites", ())),
        signs=tuple(signs(client)),
        doubts=tuple(_doubts(client, threshold)),
        delivered=int(client.get("delivered", 0)),
        lost=dict(client.get("lost", {})),
        last=int(client["last"]),
        servers=tuple(client.get("servers", ())),
    )


def _doubts(client: Mapping[str, Any], threshold: int) -> Iterator[str]:
    """What spammers whose mail got through have, and good hosts mostly not."""
    rank = client.get("rank", 0)
    if "denylist" in client.get("fails", {}):
        yield "it is on your own deny list"
    if "dnsbl" in client.get("fails", {}) and rank >= 2 * threshold:
        yield f"DNSBL rank {rank}, twice the threshold or more"
    if client.get("junk", 0) and client["junk"] >= client.get("delivered", 0):
        yield words.count(client["junk"], "message", "messages") + " filed as spam"
    if client.get("rejected", 0) > client.get("delivered", 0):
        yield words.count(client["rejected"], "recipient", "recipients") + " refused for other reasons"
    if client.get("spf_bad", 0) > client.get("spf", 0):
        yield "SPF of the sender fails"


def _enough(data: Mapping[str, Any], minimum_days: int, minimum_hosts: int) -> str:
    """Why there is not enough to judge by; empty where there is."""
    days = sum(1 for numbers in data["days"].values() if numbers.get("connect"))
    seen = data["hosts"].get("seen", 0)
    if days >= minimum_days and seen >= minimum_hosts:
        return ""
    had = f"{words.count(days, 'day', 'days')} and {words.count(seen, 'host', 'hosts')}"
    return f"{had} were seen; wait for {words.count(minimum_days, 'day', 'days')} and {minimum_hosts} hosts"


def _verdict(
    test: str, data: Mapping[str, Any], settings: Sequence[Mapping[str, Any]], hosts: Sequence[Host], enough: str
) -> Verdict:
    good = tuple(host for host in hosts if test in host.fails)
    sessions = sum(numbers.get(test, 0) for numbers in data["days"].values())
    stopped = data["tests"].get(test, {}).get("hosts", 0)
    measured = [one for one in settings if one["enabled"][test]]
    observing = [one for one in measured if one["actions"][test] == "observe"]
    allow = sum(host.allow for host in good)

    def verdict(advice: Advice, reason: str) -> Verdict:
        return Verdict(test, advice, sessions, stopped, good, reason)

    if not sessions and (not measured or not data["hosts"].get("seen")):
        return verdict(Advice.NOT_MEASURED, words.NOT_MEASURED[test] if data["hosts"].get("seen") else words.NOBODY)
    if measured and not observing:
        stops = words.count(len(good), "host that something speaks for", "hosts that something speaks for")
        return verdict(Advice.ENFORCED, f"It is enforced already.{f' It stopped {stops}.' if good else ''}")
    if allow:
        mails = sum(host.lost.get(test, 0) for host in good if host.allow)
        lost = f", and with them {words.count(mails, 'message', 'messages')} that were delivered" if mails else ""
        return verdict(
            Advice.ALLOW_FIRST, f"It would have stopped {words.count(allow, 'good host', 'good hosts')}{lost}."
        )
    if test == "dnsbl" and _lists_are_mute(data):
        return verdict(Advice.NOT_ENOUGH, "No list gave a usable answer, so nobody could fail: look at the resolver.")
    if enough:
        return verdict(Advice.NOT_ENOUGH, f"{words.sentence(enough)}.")
    weak = sum(host.weak for host in good)
    if len(good) > weak:
        few = words.count(len(good) - weak, "host whose mail arrived", "hosts whose mail arrived")
        return verdict(Advice.LOOK_FIRST, f"It would have stopped {few}; look at each.")
    if not stopped:
        return verdict(Advice.SWITCH, "It would have stopped nobody.")
    nobody = words.count(stopped, "host", "hosts")
    named = f"; {words.count(weak, 'has', 'have')} a name or SPF" if weak else ""
    return verdict(Advice.SWITCH, f"It would have stopped {nobody}, and no mail of any of them arrived{named}.")


def _lists_are_mute(data: Mapping[str, Any]) -> bool:
    """Whether lists were asked in vain: no answer of theirs says anything about a client."""
    asked = any(site["errors"] for site in data["sites"]) or bool(data["listings"])
    answers = (answer for one in data["listings"] for _site, answer in one["sites"])
    return asked and all(answer.startswith(_REFUSAL) for answer in answers)


def _thresholds(
    data: Mapping[str, Any], settings: Sequence[Mapping[str, Any]], hosts: Sequence[Host], threshold: int
) -> Iterator[Threshold]:
    ranks = [(int(rank), int(number), int(good)) for rank, number, good in data["rank_hosts"]]
    listed = [host for host in hosts if "dnsbl" in host.fails]
    weights = {(site["domain"], site["filter"], site["weight"]) for one in settings for site in one["sites"]}
    scores = [(score(one["sites"], weights), one["hosts"], one["good"]) for one in data["listings"]] if weights else []
    if not ranks and not scores:
        return
    highest = max([rank for rank, _number, _good in ranks] + [points for points, _number, _good in scores], default=0)
    for value in range(1, min(highest + 1, threshold + 30) + 1):
        table = ranks if value >= threshold else scores
        stopped = [row for row in table if row[0] >= value]
        spared = [host.address for host in listed if host.rank < value] if value > threshold else []
        yield Threshold(
            value,
            sum(number for _rank, number, _good in stopped),
            sum(good for _rank, _number, good in stopped),
            tuple(spared[:_SPARED]),
        )


def score(sites: Iterable[Sequence[str]], weights: Iterable[tuple[str, str, int]]) -> int:
    """Points of a client that is on these lists, as postscreen adds them up."""
    answers: dict[str, list[str]] = {}
    for domain, answer in sites:
        answers.setdefault(domain, []).append(answer)
    return sum(
        weight
        for domain, pattern, weight in weights
        if domain in answers and (not pattern or any(_matches(answer, pattern) for answer in answers[domain]))
    )


def _matches(answer: str, pattern: str) -> bool:
    fields = address_filter(pattern)
    octets = answer.split(".")
    if fields is None or len(octets) != 4 or not all(octet.isdigit() for octet in octets):
        return False
    return all(
        any(low <= int(octet) <= high for low, high in field) for octet, field in zip(octets, fields, strict=True)
    )


def _warnings(data: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What makes the numbers less than they seem."""
    for result in results:
        name = result["name"]
        if not result["settings"]["version"]:
            yield f"{name}: there is no Postfix; what was observed is told, but not how it is set up."
        elif not result["settings"]["running"] and result["hosts"].get("seen"):
            yield f"{name}: postscreen is not in master.cf now, although it has logged something in this time."
        elif not result["settings"]["running"]:
            yield f"{name}: postscreen does not run there. Add postscreen to mail_features."
        elif not result["lines"]:
            yield f"{name}: nothing was found in the log ({result['source']})."
        if result["lines"] and result["first"] > result["since"] + 86400:
            yield f"{name}: the log begins on {inventory.day(result['first'])} only ({result['source']})."
        for note in result["notes"]:
            yield f"{name}: {note}"
    seen = data["hosts"].get("seen", 0)
    for site in data["sites"]:
        if site["errors"] and site["errors"] > site["hits"]:
            failed = words.count(site["errors"], "question", "questions")
            yield f"{site['domain']} did not answer {failed}: look at the resolver, or remove the list."
        if site["hosts"] >= max(10, seen) and seen:
            yield f"{site['domain']} lists everybody: it is dead, or refuses your resolver. Remove it."
    refusing = {site for one in data["listings"] for site, answer in one["sites"] if answer.startswith(_REFUSAL)}
    for domain in sorted(refusing):
        yield f"{domain} refuses your resolver (127.255.255.x): it is a public one, or over the list's limit."
    busy = sum(numbers.get("busy", 0) for numbers in data["days"].values())
    if busy:
        refused = words.count(busy, "connection was", "connections were")
        yield f"{refused} told to come again because too many were open (421), in postscreen's log with its reason."
    if data["forgotten"]:
        yield f"There were very many hosts; {data['forgotten']} were counted and forgotten, some perhaps twice."
