# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What a server's daemons log from a moment on."""

from __future__ import annotations

import re

from dialogue.lab import Host, wait_for


class Journal:
    """The journal of a host from the moment this object is made."""

    def __init__(self, host: Host) -> None:
        self.host = host
        # A cursor, not a time: two tests within one second do not see each other's lines.
        last = host.output("journalctl", "-q", "-n", "1", "--show-cursor")
        self.cursor = last.rpartition("-- cursor: ")[2].strip()

    def lines(self, *identifiers: str) -> list[str]:
        """``identifier[pid]: words`` of every line, or of those of the syslog ``identifiers`` (``postfix/smtpd``)."""
        text = self.host.output("journalctl", "-q", "-o", "short", f"--after-cursor={self.cursor}")
        lines = [line.split(maxsplit=4)[4] for line in text.splitlines() if line.count(" ") > 4]
        # Not with --identifier: Debian 12's journalctl then leaves out the first line that matches.
        return [line for line in lines if not identifiers or re.split(r"[\[:]", line, maxsplit=1)[0] in identifiers]

    def find(self, pattern: str, *identifiers: str) -> list[str]:
        """The lines in which the regular expression is found."""
        return [line for line in self.lines(*identifiers) if re.search(pattern, line)]

    def wait(self, pattern: str, *identifiers: str, timeout: float = 20) -> list[str]:
        """As ``find``, once there is one. AssertionError when there is none in time."""
        wait_for(f"/{pattern}/ in the log of {self.host}", lambda: self.find(pattern, *identifiers), timeout=timeout)
        return self.find(pattern, *identifiers)
