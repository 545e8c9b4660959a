# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes that only the host itself shows: files that are missing, tables that are older than their source.

They are no rules over a policy: the audit finds them in what it collected (report/collected.py).
"""

from __future__ import annotations

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Severity

NOT_COMPILED = FindingKind(
    code="table-not-compiled",
    severity=Severity.DEFERRED,
    title="A table was never compiled",
    wrong="hash:, btree:, lmdb: and cdb: tables are read from a compiled file, and that file is not there.",
    happens="Whoever gets as far as this table is answered 451 4.3.5 (Server configuration error).",
    example="check_client_access hash:/etc/postfix/whitelist   # and no /etc/postfix/whitelist.db",
    right="postmap hash:/etc/postfix/whitelist",
    source="postmap(1), DATABASE_README",
)
MISSING = FindingKind(
    code="table-missing",
    severity=Severity.DEFERRED,
    title="A table's file is missing",
    wrong="The configuration names a file that is not on the host.",
    happens="Whoever gets as far as this table is answered 451 4.3.0 or 4.3.5 until the file is there.",
    example="mynetworks = cidr:/etc/postfix/networks   # and no such file",
    right="Make the file, or take its name out of the configuration.",
    source="DATABASE_README",
)
STALE = FindingKind(
    code="table-stale",
    severity=Severity.IDLE,
    title="A table was edited and not compiled again",
    wrong="The source is younger than the compiled file that Postfix reads.",
    happens="Postfix works with the old content: what was added or removed since has no effect.",
    example="vi /etc/postfix/access   # and no postmap afterwards",
    right="postmap hash:/etc/postfix/access",
    source="postmap(1)",
)
NO_TYPE = FindingKind(
    code="table-type-not-installed",
    severity=Severity.DEFERRED,
    title="Postfix on this host cannot read this type of table",
    wrong="The type is not in `postconf -m`: its package is not installed, or this Postfix was built without it.",
    happens="Whoever gets as far as this table is answered 451 4.3.5 (Server configuration error).",
    example="check_client_access pcre:/etc/postfix/clients   # without postfix-pcre",
    right="apt-get install postfix-pcre   # or rewrite the table as another type",
    source="postconf(1) -m, DATABASE_README",
)
DUPLICATE = FindingKind(
    code="duplicate-parameter",
    severity=Severity.LOST,
    title="A parameter is set twice in main.cf",
    wrong="Only the last setting of a parameter counts. The earlier one, with another value, is lost.",
    happens="What the earlier line was to do does not happen: whom it let in may be refused, whom it stopped let in.",
    example="mynetworks = 127.0.0.0/8, 192.0.2.0/24\n...\nmynetworks = 127.0.0.0/8",
    right="Keep one of them, with everything that is wanted.",
    source="postconf(5)",
)
UNREADABLE = FindingKind(
    code="unreadable-configuration",
    severity=Severity.DEFERRED,
    title="Postfix cannot read its configuration",
    wrong="A line of main.cf or master.cf is not in the form that Postfix wants.",
    happens="Daemons that read it end at once. No mail is accepted after the next reload or restart.",
    example="smtpd_banner $myhostname ESMTP",
    right="smtpd_banner = $myhostname ESMTP",
    source="postconf(5), master(5)",
)
STRAY = FindingKind(
    code="stray-continuation",
    severity=Severity.IDLE,
    title="A line begins with white space and continues nothing",
    wrong="White space at the begin of a line continues the line before it. Where there is none, the line is skipped.",
    happens="The setting has no effect. Postfix logs a warning and goes on.",
    example="# first line of main.cf is a comment\n  mynetworks = 127.0.0.0/8",
    right="mynetworks = 127.0.0.0/8",
    source="postconf(5)",
)

KINDS: tuple[FindingKind, ...] = (NOT_COMPILED, MISSING, STALE, NO_TYPE, DUPLICATE, UNREADABLE, STRAY)
RULES: tuple[Rule, ...] = ()
