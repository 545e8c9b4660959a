# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What smtpd dies of while it reads its parameters; each message was compared with the real smtpd's."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.startup import check_parameters

_BASE = {"myhostname": "mx.example.org", "compatibility_level": "3.6"}

# (parameters, message; empty: it starts)
STARTS: list[tuple[dict[str, str], str]] = [
    ({}, ""),
    ({"smtpd_timeout": " +3"}, ""),
    ({"smtpd_timeout": "3sx"}, ""),
    ({"smtpd_timeout": "3q"}, "parameter smtpd_timeout: bad time value or unit: 3q"),
    ({"smtpd_timeout": "s"}, "invalid smtpd_timeout: 0 (min 1)"),
    ({"smtpd_timeout": ""}, "parameter smtpd_timeout: bad time value or unit: "),
    ({"in_flow_delay": "11"}, "invalid in_flow_delay: 11 (max 10)"),
    ({"foo": "$"}, ""),
    ({"smtp_tls_security_level": "$"}, ""),
    ({"smtpd_banner": "a$$b"}, ""),
    ({"smtpd_banner": ""}, "bad string length 0 < 1: smtpd_banner = "),
    ({"default_rbl_reply": "$"}, ""),
    ({"default_rbl_reply": ""}, "bad string length (0 < 1): default_rbl_reply = "),
    ({"default_verp_delimiters": "+=="}, "bad string length 3 > 2: default_verp_delimiters = +=="),
    ({"compatibility_level": "3.6.1"}, ""),
    ({"compatibility_level": "3.x"}, 'malformed compatibility level syntax: "3.x"'),
    ({"myhostname": "a b"}, "file /etc/postfix/main.cf: parameter myhostname: bad parameter value: a b"),
    (
        {"relayhost": "MX.example.org"},
        "myhostname and relayhost parameter settings must not be identical: mx.example.org",
    ),
    ({"myorigin": "a b"}, "myorigin parameter setting must not contain multiple values: a b"),
    ({"inet_protocols": "IPV4"}, 'unknown inet_protocols value "IPV4" in "IPV4"'),
    ({"mynetworks_style": "hosts"}, 'unknown mynetworks mask style value "hosts" in "hosts"'),
    ({"mynetworks_style": "host subnet"}, "bad mynetworks_style value: host subnet; specify exactly one value"),
    ({"mynetworks_style": "hosts", "mynetworks": "x"}, ""),
    ({"smtpd_delay_reject": "YES"}, ""),
    ({"smtpd_delay_reject": "ja"}, "bad boolean configuration: smtpd_delay_reject = ja"),
    ({"smtpd_tls_ask_ccert": "1"}, "bad boolean configuration: smtpd_tls_ask_ccert = 1"),
    ({"reject_code": "5x"}, "bad numerical configuration: reject_code = 5x"),
    ({"reject_code": "99999999999"}, "bad numerical configuration: reject_code = 99999999999"),
    ({"message_size_limit": "99999999999"}, ""),
    ({"unverified_sender_defer_code": "550"}, "invalid unverified_sender_defer_code parameter value 550 > 499"),
    ({"line_length_limit": "10"}, "invalid line_length_limit parameter value 10 < 512"),
    ({"syslog_facility": "x"}, "file /etc/postfix/main.cf: parameter syslog_facility: unrecognized value: x"),
    # The first in Postfix's order, not in ours.
    ({"smtpd_timeout": "q", "reject_code": "x", "smtpd_banner": ""}, "bad numerical configuration: reject_code = x"),
]


@pytest.mark.parametrize("version", ["3.7", "3.10", "3.11"])
@pytest.mark.parametrize(("parameters", "message"), STARTS)
def test_start(parameters: dict[str, str], message: str, version: str) -> None:
    settings = Policy.of({**_BASE, **parameters}, version).settings()
    if not message:
        check_parameters(settings)
        return
    with pytest.raises(PolicyError) as caught:
        check_parameters(settings)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-o a", "invalid \"-o a\" option value: missing '=' after attribute name"),
        ("-o smtpd_client_restrictions=permit_sasl_authenticated, reject", "unexpected command-line argument: reject"),
        ("-x", "invalid option: x"),
    ],
)
def test_command_line(options: str, message: str) -> None:
    settings = Policy.of(_BASE, master=[f"smtp inet n - y - - smtpd {options}"]).settings()
    with pytest.raises(PolicyError) as caught:
        check_parameters(settings)
    assert str(caught.value) == message
