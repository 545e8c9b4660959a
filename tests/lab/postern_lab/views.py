# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""A lab as others want to see it: JSON for tests, an inventory for Ansible."""

from __future__ import annotations

from typing import Any

from postern_lab.authority import Trust, directory_url
from postern_lab.containers import container_name
from postern_lab.model import Account, Lab, Server
from postern_lab.network import Subnets
from postern_lab.world import UPDATE_ALGORITHM, UPDATE_KEY, UPDATE_SECRET
from postern_lab.zones import EXTRA_ADDRESSES, GATEWAY, SECONDARY

# Addresses that tests send from.
_NUMBERS = (GATEWAY, *EXTRA_ADDRESSES)

# A server trusts itself only; world and the machine that runs the lab are strangers to it.
MYNETWORKS = ["127.0.0.0/8", "[::1]/128"]


def describe(lab: Lab, subnets: Subnets) -> dict[str, Any]:
    """What a test from outside needs to know, with only JSON types."""
    return {
        "dns": subnets.address(lab.world.number),
        "nameservers": [subnets.address(lab.world.number), subnets.address(SECONDARY)],
        "numbers": {str(number): [subnets.address(number), subnets.address6(number)] for number in _NUMBERS},
        "mynetworks": MYNETWORKS,
        "domains": list(lab.domains),
        "hosts": [
            {
                "name": host.name,
                "hostname": host.hostname,
                "address": subnets.address(host.number),
                "address6": subnets.address6(host.number),
                "release": host.release,
                "kind": host.kind,
                "ports": host.ports,
            }
            for host in (*lab.servers, lab.world)
        ],
        "accounts": [
            _describe_account(account) for server in lab.servers for account in server.accounts if account.enabled
        ],
    }


def inventory(lab: Lab, subnets: Subnets | None, trust: Trust | None = None) -> dict[str, Any]:
    """Ansible's dynamic inventory, as for ``--list``; ``subnets`` and ``trust`` are None when the lab is not up."""
    return {
        "mail_servers": {"hosts": [server.name for server in lab.servers]},
        "_meta": {"hostvars": {server.name: _variables(lab, server, subnets, trust) for server in lab.servers}},
    }


def _describe_account(account: Account) -> dict[str, Any]:
    return {
        "address": account.address,
        "password": account.password,
        "aliases": list(account.aliases),
        "quota": account.quota,
    }


def _variables(lab: Lab, server: Server, subnets: Subnets | None, trust: Trust | None) -> dict[str, Any]:
    return {
        "ansible_connection": "community.docker.docker",  # with podman too: see tests/lab/podman/docker
        "ansible_host": container_name(lab.name, server.name),
        "ansible_python_interpreter": "/usr/bin/python3",
        "mail_hostname": server.hostname,
        "mail_domains": list(server.domains),
        "mail_users": [_user(account) for account in server.accounts],
        "mail_aliases": list(server.aliases),
        "mail_postmaster": server.postmaster,
        **(_dns_variables(lab, server, subnets) if subnets else {}),
        **(_trust_variables(lab, server, subnets, trust) if subnets and trust else {}),
        **server.variables,
    }


def _dns_variables(lab: Lab, server: Server, subnets: Subnets) -> dict[str, Any]:
    """For playbooks/dns.yml: world's name server takes updates of the servers' mail domains."""
    return {
        "dns_addresses": [subnets.address(server.number), subnets.address6(server.number)],
        "dns_resolvers": [subnets.address(lab.world.number)],
        "dns_update_server": subnets.address(lab.world.number),
        "dns_tsig_name": UPDATE_KEY,
        "dns_tsig_secret": UPDATE_SECRET,
        "dns_tsig_algorithm": UPDATE_ALGORITHM,
        "dns_ttl": 60,
    }


def _trust_variables(lab: Lab, server: Server, subnets: Subnets, trust: Trust) -> dict[str, Any]:
    """For servers that ask for certificates, and that believe signed answers."""
    return {
        "certbot_server": directory_url(),
        "certbot_roots": list(trust.roots),
        "certbot_email": server.postmaster,
        "unbound_forwarders": [subnets.address(lab.world.number)],
        "unbound_trust_anchors": list(trust.anchors),
        "unbound_probe_zone": "example",
        "dane_probe_zone": "example",
        "dane_probe_forged": ["dane-bogus.example"],
        # What the machine's own resolver answers may have no signatures.
        "unbound_insecure_domains": ["arpa", "com", "net", "org", "invalid", "test"],
    }


def _user(account: Account) -> dict[str, Any]:
    user: dict[str, Any] = {"address": account.address}
    if account.password_hash:
        user["password_hash"] = account.password_hash
    else:
        user["password"] = account.password
    if account.aliases:
        user["aliases"] = list(account.aliases)
    if account.quota:
        user["quota"] = account.quota
    if not account.enabled:
        user["enabled"] = False
    return user
