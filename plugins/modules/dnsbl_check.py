#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dnsbl_check
author: Postern contributors (@postern)
short_description: Ask DNS block lists whether they give this host usable answers
version_added: 0.1.0
description:
  - Many lists refuse public resolvers, or those that ask too often, and say so with an answer that looks like a
    listing. A list whose domain has lapsed may list everybody. Neither must ever decide about mail.
  - Asks each list the two questions of RFC 5782 section 5, from the host and through the resolvers in its
    C(resolv.conf), which is how Postfix asks. 127.0.0.2 must be listed, 127.0.0.1 must not.
  - It changes nothing.
options:
  sites:
    description: The lists.
    type: list
    elements: dict
    required: true
    suboptions:
      domain:
        description: Domain of the list, without a key.
        type: str
        required: true
      key:
        description: Secret label before the domain, as customers of some lists get it.
        type: str
        default: ""
      filters:
        description: Answers that count, as Postfix writes them (C(127.0.0.[2..11])). None means every answer.
        type: list
        elements: str
        default: []
      test_point:
        description: Address that the list lists for testing. Empty where it has none.
        type: str
        default: 127.0.0.2
      errors:
        description: Answers of this list that mean it refuses to answer, beside C(127.255.255.*).
        type: list
        elements: str
        default: []
      limits:
        description: What its operators want before they answer; part of the error.
        type: str
        default: ""
      good:
        description: A list of good hosts. Test points of those need not be within the filter.
        type: bool
        default: false
  required:
    description: Fail when a list cannot be used. Otherwise each is a warning.
    type: bool
    default: true
  resolv_conf:
    description: Where the resolvers are named.
    type: path
    default: /etc/resolv.conf
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
notes:
  - A list that gives no answer is not usable either, but harms nobody. Postfix takes silence for "not listed".
seealso:
  - name: RFC 5782
    description: DNS Blacklists and Whitelists.
    link: https://www.rfc-editor.org/rfc/rfc5782
"""

EXAMPLES = r"""
- name: Does this server's resolver get answers?
  postern.mail.dnsbl_check:
    sites:
      - {domain: bl.example.net, filters: ["127.0.0.[2..11]"]}
    required: false
  register: lists
"""

RETURN = r"""
sites:
  description: Each list, with C(domain), C(usable), C(answers) and, where it is not usable, C(reason) and C(advice).
  returned: always
  type: list
  elements: dict
resolvers:
  description: Who was asked.
  returned: always
  type: list
  elements: str
"""

import concurrent.futures
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.postern.mail.plugins.module_utils._dnsbl import (
    Prover,
    Question,
    Verdict,
    lookup,
    read_resolv_conf,
)

_SITE = {
    "domain": {"type": "str", "required": True},
    "key": {"type": "str", "default": "", "no_log": True},
    "filters": {"type": "list", "elements": "str", "default": []},
    "test_point": {"type": "str", "default": "127.0.0.2"},
    "errors": {"type": "list", "elements": "str", "default": []},
    "limits": {"type": "str", "default": ""},
    "good": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "sites": {"type": "list", "elements": "dict", "required": True, "options": _SITE},
            "required": {"type": "bool", "default": True},
            "resolv_conf": {"type": "path", "default": "/etc/resolv.conf"},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["resolv_conf"])
    resolvers = read_resolv_conf(path.read_text(encoding="utf-8") if path.exists() else "")
    prover = Prover(lambda name: lookup(name, resolvers))
    questions = [Question.of(site) for site in module.params["sites"]]
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        verdicts = list(pool.map(prover.judge, questions))
    unusable = [verdict for verdict in verdicts if not verdict.usable]
    answer = {
        "changed": False,
        "sites": [verdict.as_dict() for verdict in verdicts],
        "resolvers": list(resolvers.servers),
    }
    if unusable and module.params["required"]:
        module.fail_json(msg=_failure(unusable, resolvers.servers), **answer)
    for verdict in unusable:
        module.warn(_sentence(verdict))
    module.exit_json(**answer)


def _sentence(verdict: Verdict) -> str:
    return f"The list {verdict.domain} cannot be used here: {verdict.reason}. {verdict.advice}."


def _failure(unusable: list[Verdict], servers: tuple[str, ...]) -> str:
    asked = f"Asked through {', '.join(servers)}. Postfix is as it was: the lists would have decided about mail."
    return "\n".join([*map(_sentence, unusable), asked])


if __name__ == "__main__":
    main()
