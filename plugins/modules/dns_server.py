#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_server
author: Postern contributors (@postern)
short_description: Take what DNS must say of a mail server
version_added: 0.1.0
description:
  - Proves the description of one server and returns it, so that a play has those of all its hosts
    (P(postern.mail.dns_records#filter)). It runs on the controller and opens no connection.
options:
  server:
    description:
      - Its C(hostname), C(domains), C(parked_domains), C(addresses), C(ttl), C(mx_priority), C(spf) (C(servers),
        C(extra), C(all)), C(dmarc) (the tags of RFC 9989), C(tlsrpt_rua), C(mta_sts_id), C(services),
        C(service_priority), C(autoconfig), C(web_host), C(caa) (C(issuers), C(iodef)) and C(records). Only the first
        is needed.
      - C(addresses_given) says whether the addresses are a person's; of those found on the host a private one is a
        mistake.
    type: dict
    required: true
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Learn what DNS must say of this server
  postern.mail.dns_server:
    server:
      hostname: mx1.example.org
      domains: [example.org]
      addresses: [192.0.2.25, "2001:db8::25"]
      dmarc: {p: none, rua: ["mailto:alice@example.org"]}
  register: __dns_described
"""

RETURN = r"""
server:
  description: What was given.
  returned: success
  type: dict
"""
