# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What a lab must remember between two commands: its subnets, and what its servers are to believe.

Kept in .lab/NAME.json and .lab/NAME.trust.json, which git ignores.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from postern_lab.authority import Trust
from postern_lab.network import Subnets
from postern_lab.project import STATE_DIR, say


def load_subnets(lab: str) -> Subnets | None:
    """The subnets the lab was last up with; None when it never was, or the file is damaged."""
    path = STATE_DIR / f"{lab}.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return Subnets(ipaddress.IPv4Network(state["ipv4"]), ipaddress.IPv6Network(state["ipv6"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        say(f"{path} is damaged ({error}); ignoring it")
        return None


def save_subnets(lab: str, subnets: Subnets) -> None:
    """Remember the subnets of the lab; replaces the file by rename, so that it is never half-written."""
    _save(STATE_DIR / f"{lab}.json", {"ipv4": str(subnets.ipv4), "ipv6": str(subnets.ipv6)})


def load_trust(lab: str) -> Trust | None:
    """What :func:`save_trust` remembered; None when there is nothing of use."""
    path = STATE_DIR / f"{lab}.trust.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return Trust(tuple(state["roots"]), tuple(state["anchors"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        say(f"{path} is damaged ({error}); ignoring it")
        return None


def save_trust(lab: str, trust: Trust) -> None:
    """Remember what the servers of the lab are to believe."""
    _save(STATE_DIR / f"{lab}.trust.json", {"roots": list(trust.roots), "anchors": list(trust.anchors)})


def _save(path: Path, state: dict[str, Any]) -> None:
    STATE_DIR.mkdir(exist_ok=True)
    content = json.dumps(state, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return
    draft = path.with_suffix(".tmp")
    draft.write_text(content, encoding="utf-8")
    draft.rename(path)


def forget(lab: str) -> None:
    """Remove the state of the lab."""
    for name in (f"{lab}.json", f"{lab}.trust.json"):
        (STATE_DIR / name).unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive(lab: str) -> Iterator[None]:
    """One `up` or `down` of a lab at a time."""
    STATE_DIR.mkdir(exist_ok=True)
    with (STATE_DIR / f"{lab}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another command on lab {lab}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
