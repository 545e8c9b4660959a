#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_check
author: Postern contributors (@postern)
short_description: Judge certificates that lie on a host, before anything uses them
version_added: 0.1.0
description:
  - Reads each certificate with its chain on the host and judges it on the controller. It must be valid now, have the
    names, be strong enough, and each certificate of its chain must have signed the one before it.
  - Whether the key is that of the certificate is decided on the host. The key never leaves it.
  - It changes nothing, and never fails because of what it finds; M(postern.mail.validate) tells the mistakes of all
    hosts at once.
  - The host needs nothing but Python.
options:
  pairs:
    description: Certificates and their keys.
    type: list
    elements: dict
    required: true
    suboptions:
      certificate:
        description: Absolute path of the certificate, followed by its chain (PEM).
        type: path
        required: true
      key:
        description: Absolute path of its key (PEM, without a passphrase).
        type: path
        required: true
      certificate_variable:
        description: Variable that O(pairs[].certificate) comes from; mistakes name it.
        type: str
        required: true
      key_variable:
        description: Variable that O(pairs[].key) comes from.
        type: str
        required: true
  names:
    description: Host names that each certificate must have.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
seealso:
  - module: postern.mail.validate
"""

EXAMPLES = r"""
- name: Look at the certificate
  postern.mail.certificate_check:
    names: [mx1.example.org]
    pairs:
      - certificate: /etc/ssl/private/mx1.pem
        key: /etc/ssl/private/mx1.key
        certificate_variable: mail_certificate_file
        key_variable: mail_certificate_key_file
  register: certificates

- name: Tell what is wrong with it
  postern.mail.validate:
    report: ["{{ certificates }}"]
"""

RETURN = r"""
mistakes:
  description: What is wrong, in the form of RV(postern.mail.validate#module:mistakes).
  type: list
  elements: dict
  returned: always
host:
  description: The host.
  type: str
  returned: always
"""

import os
import ssl
import stat

from ansible.module_utils.basic import AnsibleModule

MAX_BYTES = 1 << 20
# The second is a key of another type: OpenSSL looks for the certificate of that type.
MISMATCHES = ("MISMATCH", "NO_CERTIFICATE_ASSIGNED")


def read(path: str) -> tuple[str, str]:
    """Text of a file, and why it cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return "", (error.strerror or str(error)).lower()
    if len(data) > MAX_BYTES:
        return "", "it is far too large for a certificate"
    return data.decode("utf-8", "replace"), ""


def key_verdict(certificate: str, key: str) -> str:
    """fits, mismatch, encrypted or unreadable."""
    asked = []

    def passphrase() -> str:
        asked.append(True)
        return ""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")  # whether it is strong enough is judged elsewhere
    try:
        context.load_cert_chain(certificate, key, passphrase)
    except ssl.SSLError as error:
        if asked:
            return "encrypted"
        return "mismatch" if (error.reason or "").endswith(MISMATCHES) else "unreadable"
    except (OSError, ValueError):
        return "encrypted" if asked else "unreadable"
    return "fits"


def look(pair: dict[str, str]) -> dict[str, object]:
    text, problem = read(pair["certificate"])
    # Only certificates leave the host: who has put the key into the same file has it told, not copied.
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    parts = [part.partition(end)[0] for part in text.split(begin)[1:]]
    key_text, key_problem = read(pair["key"])
    verdict = ""
    if not key_problem:
        verdict = key_verdict(pair["certificate"], pair["key"]) if parts else "unjudged"
        if "PRIVATE KEY-----" not in key_text:
            verdict = "none"
    return {
        "certificate": "".join(f"{begin}{part}{end}\n" for part in parts),
        "certificate_problem": problem,
        "certificate_has_key": "PRIVATE KEY-----" in text,
        "key": verdict,
        "key_problem": key_problem,
        "key_open": not key_problem
        and bool(os.stat(pair["key"]).st_mode & (stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH)),
    }


def main() -> None:
    pair = {name: {"type": "path", "required": True} for name in ("certificate", "key")}
    # Names of variables, no secrets.
    pair |= {
        name: {"type": "str", "required": True, "no_log": False} for name in ("certificate_variable", "key_variable")
    }
    module = AnsibleModule(
        argument_spec={
            "pairs": {"type": "list", "elements": "dict", "required": True, "options": pair},
            "names": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, looked=[look(each) for each in module.params["pairs"]])


if __name__ == "__main__":
    main()
