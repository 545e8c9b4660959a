#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dnssec_check
author: Postern contributors (@postern)
short_description: Prove that a server's resolver validates DNSSEC
version_added: 0.1.0
description:
  - Asks the resolvers of C(/etc/resolv.conf) from the server itself. Each must be on loopback, since an answer that
    travels can be forged on its way, and must have proved the answers of a signed zone.
  - DANE believes nothing else. Postfix with C(smtp_tls_security_level=dane) and a resolver that does not validate
    finds no TLSA record at all, delivers as without, and only its log has a warning.
  - Changes nothing and needs nothing but Python.
options:
  signed:
    description: A signed zone, whose SOA record is asked for.
    type: str
    default: .
  forged:
    description: Names whose signatures are wrong. The resolver must have no answer for them.
    type: list
    elements: str
    default: []
  forwarders:
    description:
      - Whom a resolver that is still to come to this machine will ask, C(address) or C(address@port). They are asked
        instead, whether signatures of O(signed) reach this machine at all.
    type: list
    elements: str
    default: []
  required:
    description: Fail where answers cannot be believed; else only warn.
    type: bool
    default: true
  resolv_conf:
    description: The file to read.
    type: path
    default: /etc/resolv.conf
attributes:
  check_mode:
    description: It changes nothing.
    support: full
seealso:
  - name: RFC 7672
    description: SMTP Security via Opportunistic DANE TLS
    link: https://www.rfc-editor.org/rfc/rfc7672
"""

EXAMPLES = r"""
- name: Can this server do DANE?
  postern.mail.dnssec_check:
    signed: example.org
  register: resolver
"""

RETURN = r"""
resolvers:
  description: Who was asked.
  returned: always
  type: list
  elements: str
problems:
  description: Why answers cannot be believed, each with C(reason) and C(fix); empty where they can.
  returned: always
  type: list
  elements: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.postern.mail.plugins.module_utils._dnssec import (
    Answer,
    ask,
    judge,
    judge_forwarders,
    nameservers,
)


def _ask_forwarder(forwarder: str, name: str, kind: str) -> Answer:
    address, __, port = forwarder.partition("@")
    return ask(address, name, kind, port=int(port or 53), timeout=3.0, tries=2)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "signed": {"type": "str", "default": "."},
            "forged": {"type": "list", "elements": "str", "default": []},
            "forwarders": {"type": "list", "elements": "str", "default": []},
            "required": {"type": "bool", "default": True},
            "resolv_conf": {"type": "path", "default": "/etc/resolv.conf"},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["resolv_conf"])
    try:
        servers = nameservers(path.read_text(encoding="utf-8", errors="replace") if path.exists() else "")
    except OSError as error:
        module.fail_json(msg=f"{path} cannot be read: {error}")
        return
    signed, forwarders = module.params["signed"], tuple(module.params["forwarders"])
    if forwarders:
        servers, problems = forwarders, judge_forwarders(forwarders, signed, _ask_forwarder)
    else:
        problems = judge(servers, signed, module.params["forged"], ask)
    answer = {
        "changed": False,
        "resolvers": list(servers),
        "problems": [{"reason": problem.reason, "fix": problem.fix} for problem in problems],
    }
    sentences = [f"DANE is not possible here: {problem.reason}. {problem.fix}." for problem in problems]
    if problems and module.params["required"]:
        module.fail_json(msg="\n".join(sentences), **answer)
    for sentence in sentences:
        module.warn(sentence)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
