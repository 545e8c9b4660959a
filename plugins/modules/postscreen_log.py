#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postscreen_log
author: Postern contributors (@postern)
short_description: Count what postscreen has logged, and change nothing
version_added: 0.1.0
description:
  - Reads the mail log of the last days, from the journal or from files (compressed ones too), and counts on the host
    what C(postscreen) and its neighbours say, client by client. Only the counts are returned, however large the log is.
  - It works with every Postfix that has postscreen, whoever set it up, old spellings included.
  - The playbook C(postern.mail.postscreen_report) makes a report of what it returns.
options:
  name:
    description: Name of the host in the report.
    type: str
    required: true
  days:
    description: How many days to look back.
    type: int
    default: 14
  source:
    description:
      - V(auto) takes the journal or the files, whichever holds more of the time asked for.
    type: str
    choices: [auto, journal, files]
    default: auto
  files:
    description:
      - Log files, as paths or patterns of a shell. Empty are the usual places, and C(maillog_file) of Postfix.
      - They are read as O(source=files) tells, from the oldest to the youngest. Those that were not written in the time
        asked for are not opened.
    type: list
    elements: str
    default: []
  config_directory:
    description: Directory of main.cf; without it that of the host's C(postconf).
    type: path
  most_clients:
    description: Clients that are returned one by one, those first that a test would stop and something speaks for.
    type: int
    default: 5000
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
notes:
  - It needs to read the log, so usually C(become).
  - Keys of DNS lists are not returned.
  - Memory is bounded. Where there are more clients than it can hold, those are forgotten first (and only counted) that
    nothing speaks for.
seealso:
  - module: postern.mail.postscreen_report
"""

EXAMPLES = r"""
- name: Read what postscreen observed
  postern.mail.postscreen_log:
    name: "{{ inventory_hostname }}"
    days: 30
  register: postscreen_log
"""

RETURN = r"""
name:
  description: O(name).
  returned: success
  type: str
settings:
  description: What postscreen is set to do - its version, tests, actions and lists.
  returned: success
  type: dict
source:
  description: Where the lines came from.
  returned: success
  type: str
  sample: journal
since:
  description: Beginning of the time asked for, in seconds since 1970.
  returned: success
  type: int
until:
  description: Its end.
  returned: success
  type: int
days:
  description: Events by day of the host's calendar.
  returned: success
  type: dict
ranks:
  description: Pairs of a DNSBL rank and the sessions that had it.
  returned: success
  type: list
  elements: list
sites:
  description: Hits, hosts and failed lookups of each DNS list.
  returned: success
  type: list
  elements: dict
clients:
  description: Hosts that a test would have stopped, and hosts that delivered mail.
  returned: success
  type: list
  elements: dict
notes:
  description: What could not be read.
  returned: success
  type: list
  elements: str
"""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.postern.mail.plugins.module_utils import _postfix_read as read
from ansible_collections.postern.mail.plugins.module_utils import _screening_lines as lines
from ansible_collections.postern.mail.plugins.module_utils import _screening_settings as setup
from ansible_collections.postern.mail.plugins.module_utils._screening_tally import Tally

_PLACES = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/postfix/sbin"]


class Host:
    """The host's Postfix and its logs."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.postconf = module.get_bin_path("postconf", opt_dirs=_PLACES)
        self.postmap = module.get_bin_path("postmap", opt_dirs=_PLACES)
        self.journalctl = module.get_bin_path("journalctl")
        self.notes: list[str] = []

    def postfix(self, *arguments: str) -> str:
        """What postconf says; empty where there is none."""
        if not self.postconf:
            return ""
        directory = self.module.params["config_directory"]
        command = [self.postconf, *(["-c", directory] if directory else []), *arguments]
        return str(self.module.run_command(command, environ_update={"LC_ALL": "C"})[1])

    def public_names(self, domains: list[str], reply_map: str) -> dict[str, str]:
        """Names that postscreen shows to clients instead of those with a key."""
        found = {}
        for table in reply_map.replace(",", " ").split():
            for domain in domains:
                if self.postmap and domain not in found:
                    status, out, _words = self.module.run_command([self.postmap, "-q", domain, table])
                    if status == 0 and out.strip():
                        found[domain.lower()] = out.strip()
        return found

    def source(self, maillog: str, since: int, until: int) -> tuple[str, Iterator[Any]]:
        """Where to read, and the lines."""
        wanted, patterns = self.module.params["source"], self.module.params["files"]
        given = list(patterns) or [*lines.PLACES, *([maillog + "*"] if maillog.startswith("/var/") else [])]
        files = lines.log_files(given, since)
        if wanted == "auto":
            wanted = "files" if patterns or self.longer_in_files(files, since, until) else "journal"
        if wanted == "journal":
            if not self.journalctl:
                self.module.fail_json(
                    msg="There is no journalctl on this host. Set files to the paths of the mail log."
                )
            return "journal", lines.of_journal(self.journalctl, since, self.notes)
        if not files:
            self.notes.append(f"No log file was written in this time: {', '.join(given)}.")
        return f"files: {', '.join(files)}" if files else "files", lines.of_files(files, self.notes)

    def longer_in_files(self, files: list[str], since: int, until: int) -> bool:
        """Whether the files hold more of the time than the journal, by an hour at least."""
        if not self.journalctl or not files:
            return bool(files)
        spare: list[str] = []
        begins = lines.first_of(lines.of_journal(self.journalctl, since, spare))
        if begins is None:
            return True
        first = lines.first_of(lines.of_files(files, spare))
        if first is None:
            return False
        covered = os.stat(files[-1]).st_mtime - max(first, since)
        return covered > until - max(begins, since) + 3600


def collect(host: Host) -> dict[str, Any]:
    until = int(time.time())
    since = until - host.module.params["days"] * 86400
    parameters = read.parameters(host.postfix(*setup.NAMES))
    settings = setup.settings(parameters, host.postfix("-M"))
    tally = Tally()
    source, stream = host.source(parameters.get("maillog_file", ""), since, until)
    for at, program, text in stream:
        if since <= at <= until + 86400:
            tally.feed(at, program, text)
    data = dict(tally.result(host.module.params["most_clients"]), settings=settings)
    names = host.public_names(
        [site["domain"] for site in settings["sites"]], parameters.get("postscreen_dnsbl_reply_map", "")
    )
    return dict(setup.without_keys(data, names), source=source, since=since, until=until, notes=host.notes)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "days": {"type": "int", "default": 14},
            "source": {"type": "str", "choices": ["auto", "journal", "files"], "default": "auto"},
            "files": {"type": "list", "elements": "str", "default": []},
            "config_directory": {"type": "path"},
            "most_clients": {"type": "int", "default": 5000},
        },
        supports_check_mode=True,
    )
    if not 1 <= module.params["days"] <= 3650:
        module.fail_json(msg=f"days must be 1 to 3650, not {module.params['days']}.")
    with contextlib.suppress(OSError):
        os.nice(10)  # mail comes first
    module.exit_json(changed=False, name=module.params["name"], **collect(Host(module)))


if __name__ == "__main__":
    main()
