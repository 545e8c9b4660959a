# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a certificate that lies on a host, told at the variables that name its files."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._certificates import Fault, certificate_faults
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, shown
from ansible_collections.postern.mail.plugins.plugin_utils._rules_tls import faults_told

_KEYS = {
    "mismatch": Fault(
        "it is not the key of the certificate",
        "Put the key there that the certificate was made for. If the certificate is not the first in its file: "
        "put it first",
        "key",
    ),
    "encrypted": Fault(
        "it is protected by a passphrase, which nobody is there to type when a daemon starts",
        "Write it without: openssl pkey -in KEY -out KEY.new",
        "key",
    ),
    "unreadable": Fault("it cannot be read as the key of this certificate", "Put the key there as PEM", "key"),
    "none": Fault("there is no private key in it", 'Put it there as PEM ("-----BEGIN PRIVATE KEY-----")', "key"),
}


@dataclass(frozen=True)
class Seen:
    """A pair of files, and what the host says of them.

    :param text: the certificates in the file, PEM
    :param key: fits, or one of the words in _KEYS; empty where it was not judged
    """

    certificate: str
    key_file: str
    certificate_variable: str
    key_variable: str
    text: str = ""
    certificate_problem: str = ""
    has_key: bool = False
    key: str = ""
    key_problem: str = ""
    key_open: bool = False

    @classmethod
    def of(cls, pair: Mapping[str, Any], looked: Mapping[str, Any]) -> Seen:
        """:param looked: what the module certificate_check returns for a pair"""
        return cls(
            str(pair["certificate"]),
            str(pair["key"]),
            str(pair["certificate_variable"]),
            str(pair["key_variable"]),
            str(looked["certificate"]),
            str(looked["certificate_problem"]),
            bool(looked["certificate_has_key"]),
            str(looked["key"]),
            str(looked["key_problem"]),
            bool(looked["key_open"]),
        )


def mistakes(seen: Seen, names: Sequence[str], now: datetime.datetime) -> Iterator[Mistake]:
    """All mistakes of one pair."""
    for found in _faults(seen, names, now):
        where = seen.key_file if found.about == "key" else seen.certificate
        yield from faults_told([found], seen.certificate_variable, seen.key_variable, shown(where))


def _faults(seen: Seen, names: Sequence[str], now: datetime.datetime) -> Iterator[Fault]:
    fix = "Put it there before this run, or remove both variables: a self-signed pair is made then"
    if seen.certificate_problem:
        yield Fault(f"it cannot be read on the host: {seen.certificate_problem}", fix)
    else:
        if seen.has_key:
            reason = "there is a private key in it, and every user of the host may read a certificate"
            yield Fault(reason, "Keep the key in a file of its own", warning=True)
        yield from certificate_faults(seen.text, names, now)
    if seen.key_problem:
        yield Fault(f"it cannot be read on the host: {seen.key_problem}", fix, "key")
    elif seen.key in _KEYS:
        yield _KEYS[seen.key]
    if seen.key_open:
        reason = "others than its owner may read or change it"
        yield Fault(reason, "chmod 0600, and chown root: daemons read it before they give up their rights", "key", True)
