# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server's log in a few words."""

from __future__ import annotations

from typing import Any

from ansible_collections.postern.mail.plugins.module_utils import _screening_settings as setup
from ansible_collections.postern.mail.plugins.module_utils._screening_tally import Tally

START = 1_794_000_000
DAY = 86400
PARAMETERS = {
    "mail_version": "3.10.5",
    "postscreen_dnsbl_sites": "dnsbl.example=127.0.0.[2..11]*2, other.example*1",
    "postscreen_dnsbl_threshold": "2",
}
POSTSCREEN = "smtp inet n - n - 1 postscreen\n"

Log = list[tuple[int, str, str]]


def early(at: int, address: str, port: int = 4000) -> Log:
    """A session that spoke too early."""
    connect = f"CONNECT from [{address}]:{port} to [192.0.2.1]:25"
    return [
        (at, "postfix/postscreen", connect),
        (at, "postfix/postscreen", f"PREGREET 9 after 0.1 from [{address}]:{port}: x"),
    ]


def listed(at: int, address: str, rank: int, *sites: str) -> Log:
    """A session with a rank."""
    found = [(at, "postfix/dnsblog", f"addr {address} listed by domain {site} as 127.0.0.2") for site in sites]
    connect = (at, "postfix/postscreen", f"CONNECT from [{address}]:5000 to [192.0.2.1]:25")
    fails = [(at + 5, "postfix/postscreen", f"DNSBL rank {rank} for [{address}]:5000")] if rank >= 2 else []
    return [connect, *found, *fails]


def mail(at: int, address: str, name: str, junk: bool = False) -> Log:
    """A message that arrived."""
    queue_id = f"4Q{at:010}"
    where = "Junk" if junk else "INBOX"
    return [
        (at, "postfix/smtpd", f"connect from {name}[{address}]"),
        (at, "postfix/smtpd", f"{queue_id}: client={name}[{address}]"),
        (at, "postfix/cleanup", f"{queue_id}: message-id=<{at}@example.net>"),
        (at, "dovecot", f"lmtp(b)<1>: msgid=<{at}@example.net>: saved mail to {where}"),
        (at, "postfix/lmtp", f"{queue_id}: to=<b@example.org>, status=sent (250 2.0.0 Saved)"),
        (at, "postfix/qmgr", f"{queue_id}: removed"),
    ]


def spf(at: int, address: str) -> Log:
    """The sender names this address."""
    return [
        (
            at,
            "policyd-spf",
            f"prepend Received-SPF: Pass (x) identity=mailfrom; client-ip={address}; helo=mx.example.net",
        )
    ]


def crowd(days: int = 10, hosts: int = 60) -> Log:
    """Hosts that pass, on every day."""
    log: Log = []
    for number in range(days):
        for host in range(hosts):
            at = START + number * DAY + host
            log.append((at, "postfix/postscreen", f"CONNECT from [198.51.100.{host}]:6000 to [192.0.2.1]:25"))
            log.append((at, "postfix/postscreen", f"PASS NEW [198.51.100.{host}]:6000"))
    return log


def observe(*logs: Log, name: str = "mx1", **parameters: str) -> dict[str, Any]:
    """What the module returns of such a log."""
    tally = Tally()
    for at, program, text in sorted((line for log in logs for line in log), key=lambda line: line[0]):
        tally.feed(at, program, text)
    settings = setup.settings({**PARAMETERS, **parameters}, POSTSCREEN)
    more = {"name": name, "settings": settings, "source": "journal", "since": START, "until": START + 14 * DAY}
    return {**tally.result(1000), **more, "notes": []}
