"""The restriction engine as playbooks call it: through Ansible's own templating, with plain data in and out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MAIN = {
    "myhostname": "mx1.example.org",
    "mydestination": "",
    "mynetworks": ["127.0.0.0/8", "[::1]/128"],
    "virtual_mailbox_domains": ["example.org"],
    "virtual_mailbox_maps": "lmdb:/etc/postfix/mailboxes",
    "smtpd_helo_required": True,
    "smtpd_relay_restrictions": ["permit_mynetworks", "reject_unauth_destination"],
    "smtpd_recipient_restrictions": ["permit_mynetworks", {"name": "reject_rbl_client", "domain": "bl.example.org"}],
}
TABLES = {"lmdb:/etc/postfix/mailboxes": {"alice@example.org": "alice"}}
SESSION = {
    "addr": "203.0.113.7",
    "helo": "client.example.com",
    "sender": "a@example.com",
    "rcpts": ["alice@example.org"],
}
Ask = Callable[..., Any]


# In a process of its own: Ansible's loader of collections must be there before anything else is imported.
PROGRAM = """
import json, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([])
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19 all text is trusted
    trust_as_template = str
for line in sys.stdin:
    question = json.loads(line)
    try:
        text = trust_as_template("{{ " + question["expression"] + " }}")
        answer = {"value": Templar(loader=DataLoader(), variables=question["variables"]).template(text)}
        answer = json.dumps(answer)
    except AnsibleError as error:
        answer = json.dumps({"error": str(error)})
    print(answer, flush=True)
"""


@pytest.fixture(scope="module")
def ask(collections_path: Path) -> Iterator[Ask]:
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path)}
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert program.stdin and program.stdout

    def template(expression: str, **variables: Any) -> Any:
        given = {"main": MAIN, "tables": TABLES, "session": SESSION, **variables}
        program.stdin.write(json.dumps({"expression": expression, "variables": given}) + "\n")
        program.stdin.flush()
        answer = json.loads(program.stdout.readline())
        if "error" in answer:
            raise TemplateError(answer["error"])
        return answer["value"]

    yield template
    program.stdin.close()
    program.wait(timeout=10)


class TemplateError(Exception):
    pass


def test_findings_are_plain_data(ask: Ask) -> None:
    broken = {**MAIN, "smtpd_client_restrictions": ["permit_mynetworks", "rejectt"]}
    found = ask("main | postern.mail.policy_findings(version='3.10', tables=tables)", main=broken)
    finding = found[0]
    assert set(finding) == {
        "code", "severity", "parameter", "service", "index", "element", "message", "consequence", "fix", "session"
    }  # fmt: skip
    assert (finding["code"], finding["severity"]) == ("unknown-restriction", "deferred")
    assert (finding["parameter"], finding["index"], finding["element"]) == ("smtpd_client_restrictions", 1, "rejectt")


def test_findings_of_text_are_those_of_data(ask: Ask) -> None:
    text = "smtpd_client_restrictions = permit_mynetworks,\n  rejectt\n"
    (one,) = [
        f for f in ask("main | postern.mail.policy_findings('3.7')", main=text) if f["code"] == "unknown-restriction"
    ]
    assert one["element"] == "rejectt"


def test_a_verdict_is_plain_data(ask: Ask) -> None:
    verdict = ask("main | postern.mail.smtp_verdict(session, version='3.10', tables=tables, dns={}, master=none)")
    assert set(verdict) == {"fatal", "crash", "reason", "stages", "assumptions"}
    assert [stage["stage"] for stage in verdict["stages"]] == ["CONNECT", "HELO", "MAIL", "RCPT"]
    last = verdict["stages"][-1]
    assert set(last) == {"stage", "recipient", "code", "dsn", "text", "action", "decided_by", "trail"}
    assert (last["code"], last["dsn"], last["text"]) == (250, "2.1.5", "Ok")


def test_a_verdict_tells_who_decided(ask: Ask) -> None:
    session = {**SESSION, "rcpts": "b@example.net"}
    last = ask("main | postern.mail.smtp_verdict(session, '3.10', tables)", session=session)["stages"][-1]
    assert (last["code"], last["action"], last["recipient"]) == (554, "reject", "b@example.net")
    assert last["decided_by"] == {
        "parameter": "smtpd_relay_restrictions",
        "index": 1,
        "element": "reject_unauth_destination",
    }


def test_a_service_is_asked_under_its_port(ask: Ask) -> None:
    master = [
        {"name": "smtp", "type": "inet", "command": "smtpd"},
        {"name": "submission", "type": "inet", "command": "smtpd", "options": {"smtpd_client_restrictions": "reject"}},
    ]
    session = {**SESSION, "service": 587}
    last = ask("main | postern.mail.smtp_verdict(session, master=master)", session=session, master=master)["stages"][-1]
    assert last["decided_by"]["parameter"] == "smtpd_client_restrictions"


def test_a_list_is_written_in_its_plain_form(ask: Ask) -> None:
    value = ask("['permit_mynetworks', {'name': 'sleep', 'seconds': 5}] | postern.mail.restrictions('client')")
    assert value == ["permit_mynetworks", "sleep 5"]


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ("main is postern.mail.open_relay(version='3.10', tables=tables)", False),
        ("(main | combine({'smtpd_relay_restrictions': ['static:OK', 'reject']})) is postern.mail.open_relay", True),
        ("['permit_mynetworks', 'reject'] is postern.mail.valid_restrictions", True),
        ("['permit_mynetworks', 'rejectt'] is postern.mail.valid_restrictions('client', version='3.10')", False),
        ("['permit_mynetworks', {'name': 'rejectt'}] is not postern.mail.valid_restrictions", True),
    ],
)
def test_tests_answer_yes_or_no(ask: Ask, test: str, result: bool) -> None:
    assert ask(test) is result


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("main | postern.mail.policy_findings(version=3.10)", ["postern.mail.policy_findings: version", '"3.10"']),
        ("5 | postern.mail.policy_findings", ["params: it must be a dictionary"]),
        ("main | postern.mail.smtp_verdict({'rcpt': 1})", ["postern.mail.smtp_verdict: session.rcpt", "rcpts"]),
        ("main | postern.mail.smtp_verdict(5)", ["session: it must be a dictionary"]),
        ("main | postern.mail.smtp_verdict({'service': 'smtps'})", ["There is smtp/inet"]),
        ("['rejectt'] | postern.mail.restrictions", ["postern.mail.restrictions: [0] rejectt", "Write: reject"]),
        ("5 is postern.mail.open_relay", ["postern.mail.open_relay: params"]),
        ("5 is postern.mail.valid_restrictions", ["postern.mail.valid_restrictions: the list"]),
    ],
)
def test_what_is_wrong_is_named(ask: Ask, call: str, words: list[str]) -> None:
    with pytest.raises(TemplateError) as error:
        ask(call)
    assert all(word in str(error.value) for word in words), error.value
