# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Counts what postscreen and its neighbours log, client by client, in bounded memory.

The texts are those of Postfix 2.8 to 3.11. Whoever writes to port 25 chooses parts of them: a line is either of the
form that its program writes, or it is left out.

This runs on the host, with any Python from 3.7 on: no syntax newer than that.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from typing import Any

from ansible_collections.postern.mail.plugins.module_utils._screening_clients import (
    TESTS,
    Client,
    domain_of,
    record,
    signs,
)

EVENTS = ("connect", "pass_new", "pass_old", *TESTS, "stopped", "hangup", "allowed", "veto", "limit", "busy", "refused")
"""What is counted a day; ``stopped``: sessions that failed a test."""

BACK_AFTER = 60
"""Seconds after which a client that comes again is one with a queue."""

BURST = 30
"""Answers of the lists to one question come within these seconds."""

MOST_CLIENTS = 50000
MOST_SESSIONS = 20000
MOST_MAILS = 20000
MOST_SITES = 24
MOST_GREETINGS = 3
MOST_PROGRAMS = 1000
MOST_SITES_TOLD = 100
MOST_LISTINGS = 500

_PEER = r"\[([0-9A-Fa-f:.]{2,45})\]:(\d{1,5})"
_FAILS = (
    ("greet", re.compile(rf"PREGREET \d+ after [^ ]+ from {_PEER}: (.*)", re.DOTALL)),
    ("dnsbl", re.compile(rf"DNSBL rank (-?\d{{1,9}}) for {_PEER}")),
    ("pipelining", re.compile(rf"(?:COMMAND )?PIPELINING from {_PEER}")),
    ("non_smtp_command", re.compile(rf"NON-SMTP COMMAND from {_PEER}")),
    ("bare_newline", re.compile(rf"BARE NEWLINE from {_PEER}")),
)
_OTHER = re.compile(
    r"(CONNECT from|PASS NEW|PASS OLD|HANGUP after [^ ]+ from|DISCONNECT|ALLOWLISTED|WHITELISTED|DENYLISTED|BLACKLISTED"
    rf"|(?:ALLOW|WHITE)LIST VETO|COMMAND (?:TIME|COUNT|LENGTH) LIMIT from) {_PEER}"
)
_SCREENED = re.compile(rf"NOQUEUE: reject: (RCPT|CONNECT) from {_PEER}: (.*)", re.DOTALL)
_BUSY = re.compile(rf"reject: connect from {_PEER}: all screening ports busy")
_LISTED = re.compile(r"addr ([0-9A-Fa-f:.]{2,45}) listed by domain (\S{1,255}) as ([0-9A-Fa-f:.]{2,45})")
_SILENT = re.compile(r"warning: \w+: lookup error for DNS query (\S{1,400}): ")
_NAMED = r"([^\s\[]{1,255})\[([0-9A-Fa-f:.]{2,45})\](?::\d{1,5})?"
_GUEST = re.compile(rf"connect from {_NAMED}$")
_MAIL = re.compile(rf"([0-9A-Za-z]{{5,24}}): client={_NAMED}(.*)", re.DOTALL)
_REFUSED = re.compile(rf"NOQUEUE: (?:milter-)?reject: [A-Z-]+ from {_NAMED}: ([45])\d\d .*", re.DOTALL)
_HELO = re.compile(r" helo=<([^<>]{1,255})>$")
_MESSAGE_ID = re.compile(r"([0-9A-Za-z]{5,24}): (?:resent-)?message-id=(\S{1,998})")
_SENT = re.compile(r"([0-9A-Za-z]{5,24}): to=<.* status=sent \((.*)\)$", re.DOTALL)
_REMOVED = re.compile(r"([0-9A-Za-z]{5,24}): removed$")
_GREETING = re.compile(r"(?:EHLO|HELO) ([^\s\\]{1,255})", re.IGNORECASE)
_SPF = re.compile(
    r"\b(pass|fail|softfail|neutral|none|permerror|temperror)\b.{0,400}?(?:\bclient-ip=\"?|;ip=)([0-9A-Fa-f:.]{2,45})",
    re.IGNORECASE | re.DOTALL,
)
_SPF_HELO = re.compile(r"\bhelo=\"?([^\s;\"]{1,255})")
_DMARC = re.compile(r"([0-9A-Za-z]{5,24}): (?:(SPF)\(mailfrom\): )?\S{1,255} (pass|fail)$")
_STORED = re.compile(r"msgid=(\S{1,998}?): .{0,80}?(?:stored|saved) mail (?:in)?to (?:mailbox )?'?([^']{1,255})'?")
_FILED = re.compile(r"(?:^|[^a-z])(?:junk|spam|quarantine|bulk|trash)(?:[^a-z]|$)|스팸|정크|迷惑|垃圾", re.IGNORECASE)
_THROWN = re.compile(r"\b(?:discard(?:ed)?|quarantined?|spam|junk)\b", re.IGNORECASE)
_ANGLES = re.compile(r"<[^<>]*>")


class Mail:
    """A message in the queue that a client brought."""

    __slots__ = ("address", "bits", "junk", "message_id", "sent")

    def __init__(self, address: str, bits: int) -> None:
        self.address = address
        self.bits = bits
        self.message_id = ""
        self.sent = self.junk = 0


class Tally:
    """Feed it lines in the order of time, then ask for the :meth:`result`."""

    def __init__(self, most_clients: int = MOST_CLIENTS) -> None:
        self._most_clients = most_clients
        self._clients: dict[str, Client] = {}
        # The oldest go when there are too many; of a plain dictionary the first key is found slowly.
        self._sessions: OrderedDict[str, int] = OrderedDict()  # address and port -> bits of the tests that failed
        self._mails: OrderedDict[str, Mail] = OrderedDict()
        self._ids: OrderedDict[str, str] = OrderedDict()  # Message-ID -> queue ID
        self._day = ("", 0, 0)
        self._programs: dict[str, Any] = {}
        self._sums = Sums()
        self.days: dict[str, dict[str, int]] = {}
        self.ranks: dict[int, int] = {}
        self.lines = 0
        self.first: int | None = None
        self.last: int | None = None
        self.forgotten = 0
        self._readers = {
            "postscreen": self._postscreen,
            "dnsblog": self._dnsblog,
            "smtpd": self._smtpd,
            "cleanup": self._cleanup,
            "qmgr": self._queue,
            "lmtp": self._delivery,
            "local": self._delivery,
            "virtual": self._delivery,
            "pipe": self._delivery,
            "smtp": self._delivery,
            "relay": self._delivery,
            "dovecot": self._dovecot,
            "policyd-spf": self._spf,
            "policy-spf": self._spf,
            "pyspf-milter": self._spf,
            "opendmarc": self._dmarc,
        }

    def feed(self, at: int, program: str, text: str) -> None:
        """A line of the log. Lines of programs that do not matter cost next to nothing."""
        reader = self._programs.get(program)
        if reader is None:
            if program in self._programs:
                return
            users = "/submission" in program or "/smtps" in program
            reader = None if users else self._readers.get(program.rpartition("/")[2])
            if len(self._programs) < MOST_PROGRAMS:
                self._programs[program] = reader
            if reader is None:
                return
        self.lines += 1
        if self.first is None:
            self.first = at
        self.last = at
        reader(at, text)

    # Who it is about

    def _client(self, at: int, address: str) -> Client:
        client = self._clients.get(address)
        if client is None:
            if len(self._clients) >= self._most_clients:
                self._forget()
            client = self._clients[address] = Client(at)
        client.last = at
        return client

    def _forget(self) -> None:
        """Half of the clients go: first those that nothing speaks for, then those not seen for longest."""
        worth = sorted((bool(signs(record(address, one))), one.last, address) for address, one in self._clients.items())
        for _good, _last, address in worth[: max(1, len(worth) // 2)]:
            self._sums.add(record(address, self._clients.pop(address)))
            self.forgotten += 1

    def _count(self, at: int, event: str) -> None:
        name, start, end = self._day
        if not start <= at < end:
            moment = time.localtime(at)
            name = time.strftime("%Y-%m-%d", moment)
            start = at - moment.tm_hour * 3600 - moment.tm_min * 60 - moment.tm_sec
            # An hour less than a day: where clocks change, the next line looks again.
            self._day = (name, start, start + 82800 if at < start + 82800 else at + 1)
        day = self.days.setdefault(name, {})
        day[event] = day.get(event, 0) + 1

    # postscreen(8)

    def _postscreen(self, at: int, text: str) -> None:
        match = _OTHER.match(text)
        if match:
            self._other(at, match.group(1), match.group(2), match.group(3))
            return
        for test, pattern in _FAILS:
            match = pattern.match(text)
            if match:
                groups = match.groups()
                address, port = groups[1:] if test == "dnsbl" else groups[:2]
                client = self._fail(at, test, address, port)
                if test == "dnsbl":
                    rank = int(groups[0])
                    self.ranks[rank] = self.ranks.get(rank, 0) + 1
                    client.rank = max(client.rank, rank)
                elif test == "greet":
                    _greeted(client, _GREETING.match(groups[2]))
                return
        match = _SCREENED.match(text)
        if match:
            self._screened(at, *match.groups())
        elif _BUSY.match(text):
            self._count(at, "busy")

    def _other(self, at: int, what: str, address: str, port: str) -> None:
        if what == "CONNECT from":
            client = self._client(at, address)
            client.connects += 1
            client.bits = 0
            client.allowed = 0
            if len(self._sessions) >= MOST_SESSIONS:
                self._sessions.popitem(last=False)
            self._sessions[f"{address} {port}"] = 0
            self._count(at, "connect")
        elif what == "DISCONNECT":
            self._sessions.pop(f"{address} {port}", None)
        elif what.startswith("PASS"):
            self._sessions.pop(f"{address} {port}", None)
            client = self._client(at, address)
            if what == "PASS NEW":
                client.new += 1
            else:
                client.old += 1
            self._count(at, "pass_new" if what == "PASS NEW" else "pass_old")
        elif what in ("ALLOWLISTED", "WHITELISTED"):
            self._client(at, address).allowed = at
            self._count(at, "allowed")
        elif what in ("DENYLISTED", "BLACKLISTED"):
            self._fail(at, "denylist", address, port)
        elif what.startswith("HANGUP"):
            self._count(at, "hangup")
        elif what.startswith("COMMAND"):
            self._count(at, "limit")
        elif what.endswith("VETO"):
            self._count(at, "veto")

    def _fail(self, at: int, test: str, address: str, port: str) -> Client:
        client = self._client(at, address)
        bit = 1 << TESTS.index(test)
        key = f"{address} {port}"
        before = self._sessions.get(key, 0)
        if before & bit:
            return client
        if before == 0:
            client.failed += 1
            self._count(at, "stopped")
        if key in self._sessions or len(self._sessions) < MOST_SESSIONS:
            self._sessions[key] = before | bit
        client.bits |= bit
        client.last_fail = at
        client.fails[test] = client.fails.get(test, 0) + 1
        self._count(at, test)
        return client

    def _screened(self, at: int, command: str, address: str, _port: str, reply: str) -> None:
        if command == "CONNECT":
            self._count(at, "busy")
            return
        client = self._client(at, address)
        _greeted(client, _HELO.search(reply))
        if reply.startswith("4"):
            self._put_off(at, client)
            client.screened = client.screened or at
        else:
            self._count(at, "refused")

    # dnsblog(8)

    def _dnsblog(self, at: int, text: str) -> None:
        match = _LISTED.match(text)
        if match:
            address, site, answer = match.groups()
            self._sums.site(site)["hits"] += 1
            client = self._client(at, address)
            if at - client.burst_at > BURST:
                client.burst = frozenset()
            client.burst_at = at
            if len(client.burst) < MOST_SITES:
                client.burst |= {(site, answer)}
            if len(client.burst) > len(client.sites):
                client.sites = client.burst
            return
        match = _SILENT.match(text)
        if match:
            labels = match.group(1).split(".")
            self._sums.site(".".join(labels[32:] if len(labels) > 32 else labels[4:]))["errors"] += 1

    # smtpd(8), and what becomes of a message

    def _smtpd(self, at: int, text: str) -> None:
        match = _MAIL.match(text)
        if match:
            self._accept(at, *match.groups())
            return
        match = _GUEST.match(text)
        if match:
            client = self._clients.get(match.group(2))
            if client is not None:
                _named(client, match.group(1))
            return
        match = _REFUSED.match(text)
        if match:
            client = self._clients.get(match.group(2))
            if client is None:
                return
            _named(client, match.group(1))
            _greeted(client, _HELO.search(text))
            if match.group(3) == "4":
                self._put_off(at, client)
            else:
                client.rejected += 1

    def _put_off(self, at: int, client: Client) -> None:
        client.deferred += 1
        client.deferred_at = client.deferred_at or at

    def _accept(self, at: int, queue_id: str, name: str, address: str, more: str) -> None:
        if "sasl_" in more or address.startswith("127.") or address == "::1":
            return
        client = self._client(at, address)
        _named(client, name)
        client.accepted += 1
        if client.deferred_at and at - client.deferred_at >= BACK_AFTER:
            client.returned = True
        if len(self._mails) >= MOST_MAILS:
            self._done(next(iter(self._mails), ""))
        self._mails[queue_id] = Mail(address, client.bits)

    def _cleanup(self, _at: int, text: str) -> None:
        match = _MESSAGE_ID.match(text)
        if match and match.group(1) in self._mails:
            self._mails[match.group(1)].message_id = match.group(2)
            if len(self._ids) >= MOST_MAILS:
                self._ids.popitem(last=False)
            self._ids[match.group(2)] = match.group(1)

    def _delivery(self, _at: int, text: str) -> None:
        match = _SENT.match(text)
        if match and match.group(1) in self._mails:
            mail = self._mails[match.group(1)]
            mail.sent += 1
            # A content filter in front of the mailbox says so when it throws a message away.
            if _THROWN.search(_ANGLES.sub("", match.group(2))):
                mail.junk += 1

    def _dovecot(self, _at: int, text: str) -> None:
        match = _STORED.search(text) if "msgid=" in text else None
        if match and _FILED.search(match.group(2)):
            mail = self._mails.get(self._ids.get(match.group(1), ""))
            if mail is not None:
                mail.junk += 1

    def _queue(self, _at: int, text: str) -> None:
        match = _REMOVED.match(text)
        if match and match.group(1) in self._mails:
            self._done(match.group(1))

    def _done(self, queue_id: str) -> None:
        """A message left the queue: it was delivered unless every recipient's copy went to a folder of spam."""
        mail = self._mails.pop(queue_id)
        self._ids.pop(mail.message_id, None)
        client = self._clients.get(mail.address)
        if client is None or not mail.sent:
            return
        if mail.junk >= mail.sent:
            client.junk += 1
            return
        client.delivered += 1
        for place, test in enumerate(TESTS):
            if mail.bits >> place & 1:
                client.lost[test] = client.lost.get(test, 0) + 1

    # Who the sender is

    def _spf(self, _at: int, text: str) -> None:
        match = _SPF.search(text)
        if not match:
            return
        client = self._clients.get(match.group(2))
        if client is None:
            return
        _greeted(client, _SPF_HELO.search(text))
        result = match.group(1).lower()
        if "identity=helo" in text:
            return
        if result == "pass":
            client.spf += 1
        elif result in ("fail", "softfail"):
            client.spf_bad += 1

    def _dmarc(self, _at: int, text: str) -> None:
        match = _DMARC.match(text)
        mail = self._mails.get(match.group(1)) if match else None
        client = self._clients.get(mail.address) if mail else None
        if match is None or client is None:
            return
        passed = match.group(3) == "pass"
        if match.group(2):
            client.spf += passed
            client.spf_bad += not passed
        else:
            client.dmarc += passed

    # The end

    def result(self, most_told: int) -> dict[str, Any]:
        """Everything counted, as plain data.

        :param most_told: clients that are told of one by one
        """
        for queue_id in list(self._mails):
            self._done(queue_id)
        told = []
        for address, client in self._clients.items():
            one = record(address, client)
            self._sums.add(one)
            self._sums.screening(client)
            if client.failed or client.delivered:
                told.append(one)
        told.sort(key=_worth, reverse=True)
        return {
            "first": self.first,
            "last": self.last,
            "lines": self.lines,
            "days": self.days,
            "ranks": [[rank, number] for rank, number in sorted(self.ranks.items())],
            "forgotten": self.forgotten,
            "untold": max(0, len(told) - most_told),
            "clients": told[:most_told],
            **self._sums.result(),
        }


class Sums:
    """What is counted over all clients."""

    def __init__(self) -> None:
        self.sites: dict[str, dict[str, int]] = {}
        self._hosts = dict.fromkeys(("seen", "stopped", "good", "passed", "put_off", "back"), 0)
        self._tests = {test: {"hosts": 0, "good": 0} for test in TESTS}
        self._ranks: dict[int, list[int]] = {}
        self._listings: dict[frozenset[tuple[str, str]], list[int]] = {}

    def site(self, name: str) -> dict[str, int]:
        if name not in self.sites and len(self.sites) >= MOST_SITES_TOLD:
            name = "others"
        return self.sites.setdefault(name, {"hits": 0, "hosts": 0, "good": 0, "errors": 0})

    def add(self, told: dict[str, Any]) -> None:
        good = bool(signs(told))
        if told.get("connects"):
            self._hosts["seen"] += 1
        if told.get("new") or told.get("old"):
            self._hosts["passed"] += 1
        if told.get("failed"):
            self._hosts["stopped"] += 1
            self._hosts["good"] += good
        for test in told.get("fails", ()):
            self._tests[test]["hosts"] += 1
            self._tests[test]["good"] += good
        if "dnsbl" in told.get("fails", ()):
            _add(self._ranks, told.get("rank", 0), good)
        listed = frozenset((site, answer) for site, answer in told.get("sites", ()))
        for name in {site for site, _answer in listed}:
            self.site(name)["hosts"] += 1
            self.site(name)["good"] += good
        if listed and (listed in self._listings or len(self._listings) < MOST_LISTINGS):
            _add(self._listings, listed, good)

    def screening(self, client: Client) -> None:
        """Clients that postscreen itself put off, as the tests after the greeting do, and those that came back."""
        if client.screened:
            self._hosts["put_off"] += 1
            self._hosts["back"] += bool(client.old or client.accepted or client.last - client.screened >= BACK_AFTER)

    def result(self) -> dict[str, Any]:
        listings = sorted(self._listings.items(), key=lambda item: (-item[1][0], sorted(item[0])))
        return {
            "hosts": self._hosts,
            "tests": self._tests,
            "rank_hosts": [[rank, *numbers] for rank, numbers in sorted(self._ranks.items())],
            "sites": [{"domain": name, **numbers} for name, numbers in sorted(self.sites.items())],
            "listings": [
                {"sites": [list(one) for one in sorted(key)], "hosts": n[0], "good": n[1]} for key, n in listings
            ],
        }


def _add(table: dict[Any, list[int]], key: Any, good: bool) -> None:
    numbers = table.setdefault(key, [0, 0])
    numbers[0] += 1
    numbers[1] += good


def _worth(told: dict[str, Any]) -> tuple[bool, bool, int, int]:
    """Who is told of first: those that a test would stop and something speaks for."""
    good = bool(signs(told))
    return good and bool(told.get("failed")), good, told.get("delivered", 0), told["last"]


def _named(client: Client, name: str) -> None:
    if name != "unknown":
        client.name = name


def _greeted(client: Client, match: Any) -> None:
    """Remember a few of the names that a client greeted with, of its own domain if there is one."""
    if not match or match.group(1) in client.helo:
        return
    if len(client.helo) < MOST_GREETINGS:
        client.helo += (match.group(1),)
    elif client.name and domain_of(match.group(1)) == domain_of(client.name):
        client.helo = (*client.helo[:-1], match.group(1))
