# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module would have read on a host, for the tests of the report."""

from __future__ import annotations

from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.audit import Audit, audit

MASTER = """\
smtp inet n - n - - smtpd
submission inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
"""
DATE = "2026-11-22 07:00 UTC"


def collected(main_cf: str, *, master_cf: str = MASTER, **more: Any) -> dict[str, Any]:
    """Result of postfix_policy for one configuration."""
    instance = {
        "name": "",
        "config_directory": "/etc/postfix",
        "version": "3.10.13",
        "main_cf": main_cf,
        "master_cf": master_cf,
        "computed": {"myhostname": "mx.example.org", "mydomain": "example.org", "mynetworks": "127.0.0.0/8"},
        "table_types": ["hash", "cidr", "pcre", "inline", "unix", "proxy"],
        "tables": {"unix:passwd.byname": {"alice": "x"}},
        "references": [],
        **more,
    }
    return {"platform": "Debian GNU/Linux 13 (trixie)", "hostname": "mx", "instances": [instance]}


def audited(main_cf: str, host: str = "mx1", accept: tuple[dict[str, str], ...] = (), **more: Any) -> Audit:
    """The audit of one configuration."""
    return audit(host, collected(main_cf, **more), DATE, accept)[0]
