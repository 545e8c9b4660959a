# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Reads cases as JSON lines, asks smtpd, and writes the answers as JSON lines.

A case: {"params", "master", "tables", "service", "fresh", "sessions": [{..., "dns"}]}; one service for all.
The answer: {"results": [...]} in the order of the sessions, or {"error": text}.
"""

from __future__ import annotations

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
        conversation = Conversation(files.overrides, files.main_cf, self.log, self.dns)
        results = []
        try:
            for session in case["sessions"]:
                self.dns.data = session.get("dns", {})
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
