"""Rules about certificates from an ACME authority."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check
from ansible_collections.postern.mail.plugins.plugin_utils._rules_certbot import RULES

_DIRECTORY = "/etc/ssl/postern/mx.example.org"
_GOOD: dict[str, Any] = {
    "mail_features": ["certbot", "postfix"],
    "mail_hostname": "mx.example.org",
    "mail_domains": ["example.org", "example.net"],
    "mail_certificate_file": f"{_DIRECTORY}/fullchain.pem",
    "mail_certificate_key_file": f"{_DIRECTORY}/privkey.pem",
    "mail_certificate_rsa_file": f"{_DIRECTORY}/fullchain-rsa.pem",
    "mail_certificate_rsa_key_file": f"{_DIRECTORY}/privkey-rsa.pem",
    "certbot_challenge": "auto",
    "certbot_server": "https://acme.example.org/directory",
    "certbot_email": "hostmaster@example.org",
    "certbot_eab_key_id": "",
    "certbot_eab_hmac_key": "",
    "certbot_names": ["imap.example.org", "mx.example.net", "a.mx.example.org"],
}
_RFC2136 = {
    "certbot_challenge": "rfc2136",
    "certbot_rfc2136_server": "192.0.2.53",
    "certbot_tsig_name": "mail",
    "certbot_tsig_secret": "c2VjcmV0c2VjcmV0c2VjcmV0",
}
_PLUGIN = {
    "certbot_challenge": "plugin",
    "certbot_plugin_name": "dns-gandi",
    "certbot_plugin_package": "python3-certbot-dns-gandi",
    "certbot_plugin_credentials": "dns_gandi_token = x",
}
_ROOT = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def found(values: dict[str, Any], changed: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    inventory = Inventory(values={**_GOOD, **values}, changed=changed or frozenset(values))
    return [(mistake.rule, mistake.variable + mistake.element) for mistake in check(inventory, RULES)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"certbot_names": ["imap"]}, [("certbot-name", "certbot_names[0]")]),
        ({"certbot_names": ["imap.example.org", "192.0.2.1"]}, [("certbot-name", "certbot_names[1]")]),
        ({"certbot_names": ["under_score.example.org"]}, [("certbot-name", "certbot_names[0]")]),
        ({"certbot_names": ["mail.example.com"]}, [("certbot-name", "certbot_names[0]")]),
        ({"certbot_names": ["notexample.org"]}, [("certbot-name", "certbot_names[0]")]),
        ({"certbot_names_elsewhere": ["mail.example.com"]}, []),
        ({"certbot_names_elsewhere": ["mail"]}, [("certbot-name", "certbot_names_elsewhere[0]")]),
        ({"certbot_names": [f"n{number}.example.org" for number in range(100)]}, [("certbot-name", "certbot_names")]),
        ({"certbot_names": ["*.example.org"]}, [("certbot-wildcard", "certbot_names[0]")]),
        ({"certbot_names": ["*.example.org"], **_RFC2136}, []),
        ({"certbot_names": ["*.example.org"], **_PLUGIN}, []),
        ({"certbot_names": ["*.*.example.org"], **_RFC2136}, [("certbot-name", "certbot_names[0]")]),
    ],
)
def test_names(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (_RFC2136, []),
        ({**_RFC2136, "certbot_tsig_secret": ""}, [("certbot-credential", "certbot_tsig_secret")]),
        ({**_RFC2136, "certbot_tsig_secret": "not base64"}, [("certbot-credential", "certbot_tsig_secret")]),
        ({**_RFC2136, "certbot_tsig_name": ""}, [("certbot-credential", "certbot_tsig_name")]),
        ({**_RFC2136, "certbot_rfc2136_server": ""}, [("certbot-credential", "certbot_rfc2136_server")]),
        ({**_RFC2136, "certbot_rfc2136_server": "ns.example.org"}, [("certbot-credential", "certbot_rfc2136_server")]),
        ({**_RFC2136, "certbot_propagation_seconds": -1}, [("certbot-challenge", "certbot_propagation_seconds")]),
        (_PLUGIN, []),
        ({**_PLUGIN, "certbot_plugin_credentials": ""}, [("certbot-credential", "certbot_plugin_credentials")]),
        ({**_PLUGIN, "certbot_plugin_package": ""}, [("certbot-credential", "certbot_plugin_package")]),
        (
            {**_PLUGIN, "certbot_plugin_package": "python3-certbot-dns-ovh"},
            [("certbot-plugin", "certbot_plugin_package")],
        ),
        ({**_PLUGIN, "certbot_plugin_name": "nginx"}, [("certbot-plugin", "certbot_plugin_name")]),
        ({**_PLUGIN, "certbot_plugin_name": "dns-rfc2136"}, [("certbot-plugin", "certbot_plugin_name")]),
        ({**_PLUGIN, "certbot_plugin_name": "dns-route53"}, [("certbot-plugin", "certbot_plugin_name")]),
        ({"certbot_challenge": "webroot", "certbot_webroot": ""}, [("certbot-challenge", "certbot_webroot")]),
        ({"certbot_challenge": "webroot", "certbot_webroot": "www"}, [("certbot-challenge", "certbot_webroot")]),
        ({"certbot_challenge": "webroot", "certbot_webroot": "/var/www/html"}, []),
        ({"certbot_challenge": "webroot", "certbot_contributions": [{"name": "web", "webroot": "/srv/web"}]}, []),
    ],
)
def test_challenges(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"certbot_email": ""}, []),
        ({"certbot_email": "hostmaster"}, [("certbot-account", "certbot_email")]),
        ({"certbot_email": "a@example.org, b@example.org"}, [("certbot-account", "certbot_email")]),
        ({"certbot_eab_key_id": "k", "certbot_eab_hmac_key": "c2Vj-_"}, []),
        ({"certbot_eab_key_id": "k"}, [("certbot-account", "certbot_eab_hmac_key")]),
        ({"certbot_eab_hmac_key": "c2Vj"}, [("certbot-account", "certbot_eab_key_id")]),
        ({"certbot_eab_key_id": "k", "certbot_eab_hmac_key": "a+b/"}, [("certbot-account", "certbot_eab_hmac_key")]),
        (
            {"certbot_eab_key_id": "k\nx = y", "certbot_eab_hmac_key": "c2Vj"},
            [("certbot-account", "certbot_eab_key_id")],
        ),
        ({"certbot_staging": True}, []),
        ({"certbot_staging": True, "certbot_server": "https://a.example/dir"}, [("certbot-server", "certbot_staging")]),
        ({"certbot_server": "http://acme.example.org/dir"}, [("certbot-server", "certbot_server")]),
        ({"certbot_server": "acme.example.org"}, [("certbot-server", "certbot_server")]),
        ({"certbot_roots": [_ROOT, _ROOT * 2]}, []),
        ({"certbot_roots": ["/etc/ssl/root.pem"]}, [("certbot-root", "certbot_roots[0]")]),
        ({"certbot_roots": [""]}, [("certbot-root", "certbot_roots[0]")]),
        ({"certbot_roots": [_ROOT, f"{_ROOT}-----BEGIN PRIVATE KEY-----"]}, [("certbot-root", "certbot_roots[1]")]),
        ({"certbot_roots": [_ROOT * 17]}, [("certbot-root", "certbot_roots")]),
        ({"certbot_arguments": ["--preferred-chain=ISRG Root X1"]}, []),
        ({"certbot_arguments": ["--server=https://a.example"]}, [("certbot-argument", "certbot_arguments[0]")]),
    ],
)
def test_account_and_authority(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"mail_certificate_key_file": "/etc/ssl/private/privkey.pem"},
            [("certbot-place", "mail_certificate_key_file")],
        ),
        (
            {"mail_certificate_rsa_file": f"{_DIRECTORY}/fullchain.pem"},
            [("certbot-place", "mail_certificate_rsa_file")],
        ),
        (
            {each: f"/etc/ssl/private/{each}" for each in _GOOD if each.endswith("_file")},
            [("certbot-place", "mail_certificate_file")],
        ),
        (
            {each: f"/etc/letsencrypt/live/x/{each}" for each in _GOOD if each.endswith("_file")},
            [("certbot-place", "mail_certificate_file")],
        ),
    ],
)
def test_places(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(values) == expected


def test_nobody_is_bothered_without_certbot() -> None:
    assert found({"mail_features": ["postfix"], "certbot_names": ["x"], "certbot_email": "x"}) == []
