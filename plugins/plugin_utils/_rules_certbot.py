# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about certificates from an ACME authority: names, challenge, account, and where the certificate is put."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    address_problem,
    canonical_domain,
    hostname_problem,
    is_ip_address,
)
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import name_problem
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, shown

_NAMES = "certbot_names"
_ELSEWHERE = "certbot_names_elsewhere"
_BY_DNS = ("rfc2136", "plugin")
_MOST_NAMES = 100  # Let's Encrypt, https://letsencrypt.org/docs/rate-limits/
_MOST_ROOTS = 16  # files that the role has names for
_FILES = (
    "mail_certificate_file",
    "mail_certificate_key_file",
    "mail_certificate_rsa_file",
    "mail_certificate_rsa_key_file",
)
# Directories of the system or of others: the one of the certificate is exchanged as a whole.
_SHARED = {
    "/",
    "/etc",
    "/etc/ssl",
    "/etc/ssl/certs",
    "/etc/ssl/private",
    "/etc/postern",
    "/root",
    "/var",
    "/usr",
    "/tmp",
}
_SHARED |= {"/etc/letsencrypt", "/etc/postfix", "/etc/dovecot", "/usr/local/lib/postern"}
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
# Debian's DNS plugins that take no file of credentials, which the role gives to each.
_WITHOUT_CREDENTIALS = {"dns-route53", "dns-standalone"}
# What the role says itself, or what would make it wait for a person.
_OWN_ARGUMENTS = {
    "-d": "certbot_names",
    "--domain": "certbot_names",
    "--domains": "certbot_names",
    "--server": "certbot_server",
    "--staging": "certbot_staging",
    "--test-cert": "certbot_staging",
    "--email": "certbot_email",
    "-m": "certbot_email",
    "--eab-kid": "certbot_eab_key_id",
    "--eab-hmac-key": "certbot_eab_hmac_key",
    "--key-type": "mail_certificate_rsa",
    "--reuse-key": "certbot_reuse_key",
    "--cert-name": "nothing: it is the server's name",
}


def names(inventory: Inventory) -> Iterator[Mistake]:
    for variable in (_NAMES, _ELSEWHERE):
        for index, name in inventory.texts(variable):
            at = f"[{index}]"
            bare = canonical_domain(name).removeprefix("*.")
            if problem := hostname_problem(bare):
                yield Mistake("certbot-name", variable, problem.reason, problem.fix, at, shown(name))
                continue
            if name.startswith("*.") and inventory.text("certbot_challenge") not in ("", *_BY_DNS):
                yield _wildcard(variable, at, name)
            if variable == _NAMES and inventory.domains_known and not _is_ours(inventory, bare):
                reason = "it is below none of mail_domains, nor below mail_hostname"
                fix = f"Correct it, or write it into {_ELSEWHERE} if it leads to this server all the same"
                yield Mistake("certbot-name", variable, reason, fix, at, shown(name))
    number = len(
        {canonical_domain(name) for variable in (_NAMES, _ELSEWHERE) for __, name in inventory.texts(variable)}
    )
    if number >= _MOST_NAMES:
        reason = (
            f"with mail_hostname they are more than {_MOST_NAMES} names, and authorities allow no more in a certificate"
        )
        yield Mistake("certbot-name", _NAMES, reason, "Keep those that mail programs and servers use")


def _wildcard(variable: str, at: str, name: str) -> Mistake:
    return Mistake(
        "certbot-wildcard",
        variable,
        "a wildcard is proved by DNS only (RFC 8555 7.1.3), and the challenge is by HTTP",
        "Set certbot_challenge: rfc2136 (or plugin), or name each host",
        at,
        shown(name),
    )


def _is_ours(inventory: Inventory, name: str) -> bool:
    return any(name == domain or name.endswith(f".{domain}") for domain in (*inventory.domains, inventory.hostname))


def challenge(inventory: Inventory) -> Iterator[Mistake]:
    kind = inventory.text("certbot_challenge")
    if kind == "webroot":
        yield from _webroot(inventory)
    elif kind == "rfc2136":
        yield from _rfc2136(inventory)
    elif kind == "plugin":
        yield from _plugin(inventory)
    seconds = inventory.values.get("certbot_propagation_seconds")
    if isinstance(seconds, int) and not 0 <= seconds <= 3600:
        fix = "Write the seconds that your name servers take, such as 20"
        yield Mistake("certbot-challenge", "certbot_propagation_seconds", "it is no such time", fix, value=str(seconds))


def _webroot(inventory: Inventory) -> Iterator[Mistake]:
    path = inventory.text("certbot_webroot")
    brought = any(each.get("webroot") for __, each in inventory.dicts("certbot_contributions"))
    if not path and not brought:
        reason = "it is not set, and no role here brings a web server"
        fix = "Write the directory that your web server serves, such as /var/www/html, or use standalone"
        yield Mistake("certbot-challenge", "certbot_webroot", reason, fix)
    elif path and not path.startswith("/"):
        reason = "it is not an absolute path; the directory is on the server"
        yield Mistake("certbot-challenge", "certbot_webroot", reason, f"Write: /{path}", value=shown(path))


def _unset(inventory: Inventory, challenge: str, needed: Mapping[str, str]) -> Iterator[Mistake]:
    for variable, what in needed.items():
        if inventory.values.get(variable) == "":
            reason = f"it is not set, and certbot_challenge: {challenge} needs it"
            yield Mistake("certbot-credential", variable, reason, f"Write {what}")


def _rfc2136(inventory: Inventory) -> Iterator[Mistake]:
    needed = {
        "certbot_rfc2136_server": "the address of the name server that takes updates (or dns_update_server)",
        "certbot_tsig_name": "the key's name as in named.conf (or dns_tsig_name)",
        "certbot_tsig_secret": "the key that tsig-keygen made, from Ansible Vault (or dns_tsig_secret)",
    }
    yield from _unset(inventory, "rfc2136", needed)
    server, key = inventory.text("certbot_rfc2136_server"), inventory.text("certbot_tsig_name")
    if server and not is_ip_address(server):
        reason = "certbot takes the name server's address only, and no name"
        yield Mistake("certbot-credential", "certbot_rfc2136_server", reason, "Write its address", value=shown(server))
    if key and (wrong := name_problem(key)):
        fix = "Write the key's name as in named.conf"
        yield Mistake("certbot-credential", "certbot_tsig_name", wrong, fix, value=shown(key))
    secret = inventory.text("certbot_tsig_secret")
    if secret and not _is_base64(secret):
        fix = "Write the secret that tsig-keygen made"
        yield Mistake("certbot-credential", "certbot_tsig_secret", "it is no Base64 text", fix)


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def _plugin(inventory: Inventory) -> Iterator[Mistake]:
    needed = {
        "certbot_plugin_name": "the plugin as certbot calls it, such as dns-cloudflare",
        "certbot_plugin_package": "its Debian package, such as python3-certbot-dns-cloudflare",
        "certbot_plugin_credentials": "the text of its credentials file, from Ansible Vault",
    }
    yield from _unset(inventory, "plugin", needed)
    name, package = inventory.text("certbot_plugin_name"), inventory.text("certbot_plugin_package")
    if name and not re.fullmatch(r"dns-[a-z0-9]+(-[a-z0-9]+)*", name):
        reason = "it is no name of a DNS plugin"
        fix = "Write it as `certbot plugins` does, such as dns-cloudflare"
        yield Mistake("certbot-plugin", "certbot_plugin_name", reason, fix, value=shown(name))
    elif name == "dns-rfc2136":
        fix = "Write: certbot_challenge: rfc2136"
        yield Mistake("certbot-plugin", "certbot_plugin_name", "it has variables of its own", fix, value=shown(name))
    elif name in _WITHOUT_CREDENTIALS:
        reason = "it takes no credentials from a file, so the role cannot use it"
        fix = "Use certbot_challenge: rfc2136, webroot or standalone, or a plugin that does"
        yield Mistake("certbot-plugin", "certbot_plugin_name", reason, fix, value=shown(name))
    elif name and package and package != f"python3-certbot-{name}":
        reason = f"it is not the package of {name}: Debian calls that python3-certbot-{name}"
        fix = f"Write: certbot_plugin_package: python3-certbot-{name}"
        yield Mistake("certbot-plugin", "certbot_plugin_package", reason, fix, value=shown(package))


def account(inventory: Inventory) -> Iterator[Mistake]:
    email = inventory.text("certbot_email")
    if email and (problem := address_problem(email)):
        yield Mistake("certbot-account", "certbot_email", problem.reason, problem.fix, value=shown(email))
    key_id, key = "certbot_eab_key_id", "certbot_eab_hmac_key"
    for variable, other in ((key_id, key), (key, key_id)):
        if inventory.values.get(variable) == "" and inventory.values.get(other):
            reason = f"it is not set, and {other} is: both belong to one external account"
            yield Mistake("certbot-account", variable, reason, f"Write {variable}, as the authority gave it")
    if re.search(r"[^A-Za-z0-9_=-]", inventory.text(key)):
        reason = "it is no base64url text (letters, digits, - and _)"
        yield Mistake("certbot-account", key, reason, "Write it as the authority gave it")
    if re.search(r"[^!-~]|#", inventory.text(key_id)):
        value = shown(inventory.text(key_id))
        fix = "Write it as the authority gave it"
        yield Mistake("certbot-account", key_id, "it has characters that no identifier has", fix, value=value)


def authority(inventory: Inventory) -> Iterator[Mistake]:
    server = inventory.text("certbot_server")
    if inventory.values.get("certbot_staging") is True and "certbot_server" in inventory.changed:
        reason = "it is Let's Encrypt's staging authority, and certbot_server names another one"
        yield Mistake("certbot-server", "certbot_staging", reason, "Remove one of the two", value="true")
    address = urlsplit(server)
    if server and (address.scheme != "https" or not address.hostname or re.search(r"\s", server)):
        reason = "it is no https address: an authority without TLS could be anybody"
        fix = "Write the address of its ACME directory, such as https://acme.example.org/directory"
        yield Mistake("certbot-server", "certbot_server", reason, fix, value=shown(server))
    yield from _roots(inventory)
    for index, argument in inventory.texts("certbot_arguments"):
        word = argument.partition("=")[0].strip()
        if word in _OWN_ARGUMENTS:
            reason = "the role says that itself"
            fix = f"Remove it, and use {_OWN_ARGUMENTS[word]}"
            yield Mistake("certbot-argument", "certbot_arguments", reason, fix, f"[{index}]", shown(argument))


def _roots(inventory: Inventory) -> Iterator[Mistake]:
    texts = inventory.texts("certbot_roots")
    for index, text in texts:
        at = f"[{index}]"
        if "PRIVATE KEY" in text:
            fix = "Take the key out: only the certificate belongs here"
            yield Mistake("certbot-root", "certbot_roots", "there is a private key in it", fix, at)
        elif not _CERTIFICATE.search(text):
            fix = "Write its text: |, then the lines from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
            value = shown(text.strip().splitlines()[0] if text.strip() else "")
            yield Mistake("certbot-root", "certbot_roots", "it is no certificate in PEM form", fix, at, value)
    if sum(len(_CERTIFICATE.findall(text)) for __, text in texts) > _MOST_ROOTS:
        reason = f"they are more than {_MOST_ROOTS}"
        yield Mistake("certbot-root", "certbot_roots", reason, "Keep the roots of the authority you use")


def places(inventory: Inventory) -> Iterator[Mistake]:
    """Where the certificate is put: a directory that nobody else uses."""
    paths = {variable: PurePosixPath(text) for variable in _FILES if (text := inventory.text(variable)).startswith("/")}
    first = paths.get(_FILES[0])
    for variable, path in paths.items():
        if first and path.parent != first.parent:
            reason = f"it is not in {first.parent}: with certbot all files are in one directory, exchanged in one step"
            yield Mistake(
                "certbot-place", variable, reason, f"Write: {first.parent}/{path.name}", value=shown(str(path))
            )
    if first and (str(first.parent) in _SHARED or first.is_relative_to("/etc/letsencrypt")):
        reason = f"{first.parent} holds files of others, and the directory of the certificate is exchanged as a whole"
        fix = "Remove the line, or write a directory of its own, such as /etc/ssl/mail/fullchain.pem"
        yield Mistake("certbot-place", _FILES[0], reason, fix, value=shown(str(first)))
    seen: dict[PurePosixPath, str] = {}
    for variable, path in paths.items():
        if path in seen and not (variable == _FILES[1] and _FILES[1] in inventory.changed):  # told by certificate-pair
            reason = f"it is the same file as {seen[path]}"
            yield Mistake("certbot-place", variable, reason, "Give each its own name", value=shown(str(path)))
        seen.setdefault(path, variable)


def _with_certbot(rule: Callable[[Inventory], Iterator[Mistake]]) -> Callable[[Inventory], Iterator[Mistake]]:
    def judged(inventory: Inventory) -> Iterator[Mistake]:
        if "certbot" in inventory.features:
            yield from rule(inventory)

    return judged


RULES: tuple[Callable[[Inventory], Iterator[Mistake]], ...] = tuple(
    _with_certbot(rule) for rule in (names, challenge, account, authority, places)
)
