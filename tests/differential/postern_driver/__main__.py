# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Reads cases as JSON lines, asks smtpd, and writes the answers as JSON lines.

A case: {"params", "master", "tables", "service", "fresh", "sessions": [{..., "dns"}]}; one service for all.
The answer: {"results": [...]} in the order of the sessions, or {"error": text}.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from postern_driver.dialogue import Conversation
from postern_driver.policy_files import Files
from postern_driver.services import Rewrite, start_shared_master, throw_mail_away
from postern_driver.stubs import Dns, Log, Verify, sasl_service


class Driver:
    """The world around smtpd, made once for all cases."""

    def __init__(self) -> None:
        # Every address is local: a client may come from any of them, and nothing can leave.
        for version, prefix in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
            add = ["ip", version, "route", "add", "local", prefix, "dev", "lo"]
            subprocess.run(add, check=False, capture_output=True)
        self.log = Log()
        self.dns = Dns()
        start_shared_master()
        self.rewrite = Rewrite()
        self.verify = Verify()
        self.sasl = sasl_service()
        self.count = 0

    def answer(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """All sessions of one policy."""
        files = Files(case)
        self.verify.answers = files.verify
        self.rewrite.start()
        conversation = Conversation(files.overrides, files.main_cf, self.log)
        results = []
        try:
            for session in case["sessions"]:
                self.dns.data = {**_reverse_zone(session), **session.get("dns", {})}
                if results and results[0]["fatal"]:
                    results.append(results[0])  # it does not start for the others either
                    continue
                result = conversation.hold(session, fresh=bool(case.get("fresh")))
                result.setdefault("log", conversation.warnings())
                results.append(result)
        finally:
            conversation.close()
            self.rewrite.stop()
            files.remove()
        self.count += 1
        if self.count % 50 == 0:
            throw_mail_away()
        return {"results": results}


def _reverse_zone(session: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Records that make the session's client have its names when it really connects."""
    address = ipaddress.ip_address(session["addr"])
    name = session["name"]
    reverse = name if session.get("reverse") is None else session["reverse"]
    zone: dict[str, dict[str, list[str]]] = {}
    if reverse not in ("unknown", ""):
        zone[address.reverse_pointer] = {"PTR": [reverse]}
    if name not in ("unknown", ""):
        zone[name] = {"A" if address.version == 4 else "AAAA": [session["addr"]]}
    return zone


def main() -> None:
    driver = Driver()
    version = subprocess.run(["postconf", "-dh", "mail_version"], capture_output=True, text=True, check=True)
    print(json.dumps({"mail_version": version.stdout.strip()}), flush=True)
    for line in sys.stdin:
        try:
            answer = driver.answer(json.loads(line))
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
