"""Rules about MTA-STS and the web server."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check
from ansible_collections.postern.mail.plugins.plugin_utils._rules_web import RULES

SERVICES = {"imaps": 993, "pop3s": 0, "submissions": 465, "submission": 587}
BASE: dict[str, Any] = {
    "mail_domains": ["example.org", "example.net"],
    "mail_features": ["web", "mta_sts", "certbot", "postfix"],
    "web_domains": ["example.org", "example.net"],
    "web_clients": ["thunderbird"],
    "web_services": SERVICES,
    "web_mta_sts_stage": "testing",
}


def found(**values: Any) -> list[tuple[str, str, str]]:
    inventory = Inventory(
        values={**BASE, **values}, changed=frozenset(values), roles=frozenset({"web", "mta_sts", "certbot", "postfix"})
    )
    return [(mistake.rule, mistake.variable + mistake.element, mistake.severity) for mistake in check(inventory, RULES)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"web_domains": ["EXAMPLE.org"]}, []),
        ({"web_domains": ["example.org", "example.com"]}, [("web-domain", "web_domains[1]")]),
        ({"web_apex_domains": ["example.net"]}, []),
        ({"web_apex_domains": ["example.com"]}, [("web-domain", "web_apex_domains[0]")]),
        ({"web_mta_sts_mx_extra": ["mx.example.com", "*.example.com"]}, []),
        (
            {"web_mta_sts_mx_extra": ["*", "mx.*.example.com"]},
            [("mta-sts-mx", f"web_mta_sts_mx_extra[{n}]") for n in (0, 1)],
        ),
        ({"web_mta_sts_mx_extra": ["192.0.2.1"]}, [("mta-sts-mx", "web_mta_sts_mx_extra[0]")]),
        ({"web_mta_sts_max_age": 31557600}, []),
        ({"web_mta_sts_max_age": 31557601}, [("mta-sts-time", "web_mta_sts_max_age")]),
        ({"web_mta_sts_max_age": 3600}, [("mta-sts-time", "web_mta_sts_max_age")]),
        ({"mta_sts_timeout": 0}, [("mta-sts-time", "mta_sts_timeout")]),
        ({"mta_sts_refresh": "60"}, [("mta-sts-time", "mta_sts_refresh")]),
        ({"web_services": {**SERVICES, "imap": 143}}, [("web-service", "web_services.imap")]),
        ({"web_services": {**SERVICES, "imaps": 65536}}, [("web-service", "web_services.imaps")]),
        (
            {"web_services": {**SERVICES, "imaps": "x"}},
            [("web-service", "web_services.imaps"), ("web-service", "web_services")],
        ),
        ({"web_services": {**SERVICES, "imaps": 0}}, [("web-service", "web_services")]),
        ({"web_services": {**SERVICES, "imaps": 0}, "web_clients": []}, []),
        ({"web_mail_hostname": "localhost"}, [("web-name", "web_mail_hostname")]),
        ({"web_display_name": "Mail & more"}, []),
        ({"web_display_name": "two\nlines"}, [("web-name", "web_display_name")]),
        ({"web_include": ["/etc/nginx/sites-enabled/*"]}, []),
        ({"web_include": ["sites-enabled/*"]}, [("web-include", "web_include[0]")]),
        ({"web_include": ["/etc/nginx/x; user root"]}, [("web-include", "web_include[0]")]),
        ({"web_listen": ["192.0.2.25", "[2001:db8::25]"]}, []),
        ({"web_listen": ["2001:db8::25"]}, [("web-listen", "web_listen[0]")]),
        ({"web_listen": ["[192.0.2.25]"]}, [("web-listen", "web_listen[0]")]),
        ({"web_listen": []}, [("web-listen", "web_listen")]),
        ({"dns_mta_sts_id": "20260101"}, [("mta-sts-id", "dns_mta_sts_id")]),
        ({"dns_mta_sts_id": "20260101", "web_mta_sts_stage": "off"}, []),
        ({"mta_sts_dane": True}, [("mta-sts-dane", "mta_sts_dane")]),
        ({"mta_sts_dane": True, "mail_features": ["mta_sts", "dane"]}, []),
    ],
)
def test_each_mistake_is_told_at_its_element(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(**values) == [(*each, "error") for each in expected]


@pytest.mark.parametrize(
    ("stage", "features", "given", "severity"),
    [
        ("enforce", ["web"], {}, "error"),
        ("testing", ["web"], {}, "warning"),
        ("none", ["web"], {}, ""),
        ("off", ["web"], {}, ""),
        ("enforce", ["web", "certbot"], {}, ""),
        ("enforce", ["web", "certbot"], {"certbot_staging": True}, "error"),
        ("enforce", ["web", "certbot"], {"certbot_server": "https://acme-staging-v02.example.net/directory"}, "error"),
        ("testing", ["web", "certbot"], {"certbot_staging": True}, ""),
        ("enforce", ["web"], {"mail_certificate_file": "/etc/ssl/own.pem"}, ""),
        ("enforce", ["web"], {"mail_certificate_content": "-----BEGIN"}, ""),
        ("enforce", ["postfix"], {}, ""),
    ],
)
def test_a_policy_needs_a_certificate_that_senders_accept(
    stage: str, features: list[str], given: dict[str, Any], severity: str
) -> None:
    expected = [("mta-sts-certificate", "web_mta_sts_stage", severity)] if severity else []
    assert found(web_mta_sts_stage=stage, mail_features=features, **given) == expected


def test_dane_that_is_left_out_is_a_warning() -> None:
    told = found(mta_sts_dane=False, mail_features=["mta_sts", "dane"])
    assert told == [("mta-sts-dane", "mta_sts_dane", "warning")]
