#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_explain
author: Postern contributors (@postern)
short_description: Say in plain words what a Postfix would do with a message, and why
version_added: 0.1.0
description:
  - Plays a session against the access policy that M(postern.mail.postfix_policy) has read on a host, and prints what
    would happen, which rule decides, what was asked before it, and what could be changed.
  - A line of the mail log can be given instead of the session; it then also says whether the policy of today still
    gives that answer.
  - It runs on the controller, opens no connection and asks no DNS. What nobody told is assumed, and said.
options:
  policy:
    description: Result of M(postern.mail.postfix_policy).
    type: dict
    required: true
  client:
    description: Address of the client. Needed without O(log).
    type: str
  name:
    description: Verified host name of the client; V(unknown) when it has none.
    type: str
  reverse:
    description: Host name that the address leads to, verified or not. As O(name) by default.
    type: str
  helo:
    description: What the client greets with. By default its name, or its address in brackets.
    type: str
  login:
    description: Name under which the client has logged in. Without it, it has not.
    type: str
  sender:
    description: Envelope sender; V(<>) for a bounce.
    type: str
  recipient:
    description: Envelope recipients.
    type: list
    elements: str
  service:
    description: Service of master.cf that the client speaks to, such as V(smtp), V(submission) or V(587).
    type: str
  log:
    description: A line of the mail log. Other options win over what it says.
    type: str
  listed:
    description: DNS lists that have the client's address.
    type: list
    elements: str
    default: []
  dns:
    description:
      - What the DNS has, as name to type to values; V(SERVFAIL) instead of the types where it does not answer.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
seealso:
  - module: postern.mail.postfix_policy
"""

EXAMPLES = r"""
- name: Why was Alice refused in the hotel?
  postern.mail.policy_explain:
    policy: "{{ policy }}"
    client: 203.0.113.7
    login: alice
    sender: alice@example.org
    recipient: bob@example.net
    service: submission
"""

RETURN = r"""
text:
  description: The answer as it is printed.
  returned: always
  type: str
verdict:
  description: The verdict as plain data, as the filter P(postern.mail.smtp_verdict#filter) returns it.
  returned: always
  type: dict
"""
