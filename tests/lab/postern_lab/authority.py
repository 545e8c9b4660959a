# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The certificate authority of the lab: pebble in world, an ACME server (RFC 8555) for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from postern_lab.engine import Engine
from postern_lab.project import LabError

ACME_HOST = "acme.world.example"
# Names that a server's certificate may want besides the server's own; they lead to the server.
SERVICE_NAMES = ("mta-sts", "autoconfig", "autodiscover", "imap", "extra", "refused")
REFUSED = "refused"  # below a mail domain: a name that the authority never certifies

# Ports of the directory (RFC 8555 7.1.1), of pebble itself, and where it tells of itself; seconds a certificate lasts.
_AUTHORITIES = {"normal": (14000, 14001, 15000, 90 * 86400), "short": (14010, 14011, 15010, 3600)}
# External account binding (RFC 8555 7.3.4) is possible, and asked of nobody. No secrets.
EAB_KEY_ID = "lab-account"
EAB_HMAC_KEY = "dGhpcyBsYWJvcmF0b3J5IGtleSBpcyBubyBzZWNyZXQ"


@dataclass(frozen=True)
class Trust:
    """What world made when it started, and servers believe."""

    roots: tuple[str, ...]  # PEM: of world's own certificates, and of those that the authority gives out
    anchors: tuple[str, ...]  # DS records of `example`, and of mail domains that are not below it


def directory_url() -> str:
    """The ACME directory."""
    return f"https://{ACME_HOST}:{_AUTHORITIES['normal'][0]}/dir"


def configuration(refused_domains: Sequence[str]) -> dict[str, str]:
    """Path in world -> file, for each authority: pebble's configuration, and the ports of its unit."""
    files = {}
    for name, (port, inner, management, seconds) in _AUTHORITIES.items():
        settings = {
            "listenAddress": f"127.0.0.1:{inner}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": "/etc/lab/authority/world.crt",
            "privateKey": "/etc/lab/authority/world.key",
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "externalAccountMACKeys": {EAB_KEY_ID: EAB_HMAC_KEY},
            "domainBlocklist": [f"{REFUSED}.{domain}" for domain in refused_domains],
            "retryAfter": {"authz": 1, "order": 1},
            "certificateValidityPeriod": seconds,
        }
        files[f"/etc/lab/acme/{name}.json"] = json.dumps({"pebble": settings}, indent=2) + "\n"
        files[f"/etc/lab/acme/{name}.env"] = f"INNER={inner}\nMANAGEMENT={management}\n"
        files[f"/etc/systemd/system/acme-{name}.socket"] = _socket(name, port)
    return files


def ask_world(engine: Engine, container: str) -> Trust:
    """Read from the running world what servers are to believe."""
    paths = ("/etc/lab/authority/root.pem", "/run/acme-normal/root.pem", "/etc/lab/dnssec/anchors")
    texts = engine.inside(container, "tail", "--lines=+1", *paths).stdout.decode().split("==> ")[1:]
    if len(texts) != len(paths):
        raise LabError(f"world does not tell its keys: {' '.join(paths)}")
    root, issuing, anchors = (text.partition(" <==\n")[2].strip() for text in texts)
    return Trust((f"{root}\n", f"{issuing}\n"), tuple(anchors.splitlines()))


def _socket(name: str, port: int) -> str:
    return (
        f"# Where the authority `{name}` is reached; stopped, it is out of reach, and forgets nothing.\n"
        f"[Unit]\nDescription=ACME server {name}, from outside\nStartLimitIntervalSec=0\n\n"
        f"[Socket]\nListenStream={port}\nTriggerLimitIntervalSec=0\nService=acme-forward@{name}.service\n\n"
        "[Install]\nWantedBy=sockets.target\n"
    )
