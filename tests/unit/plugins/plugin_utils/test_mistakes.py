from __future__ import annotations

from dataclasses import replace

from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import (
    Mistake,
    did_you_mean,
    listed,
    report,
    shown,
    summary,
)

DOMAIN = Mistake(
    "user-domain",
    "mail_users",
    "its domain is not in mail_domains",
    "Write: bob@example.org   (did you mean example.org?) or add exampel.org to mail_domains",
    "[2].address",
    '"bob@exampel.org"',
)
QUOTA = Mistake("quota", "mail_quota", "it is small", "Give it more room", value="10M", severity="warning")
SECRET = Mistake(
    "short-password", "mail_users", "it has fewer than 8 characters", "Choose a longer one", "[0].password"
)


def test_the_report_reads_like_this() -> None:
    mistakes = [QUOTA.on("mx1"), DOMAIN.on("mx1"), DOMAIN.on("mx2"), SECRET.on("mx2")]
    assert report(mistakes) == (
        "postern.mail: 2 mistakes and 1 warning, nothing was changed.\n"
        '  1. mx1, mx2: mail_users[2].address: "bob@exampel.org": its domain is not in mail_domains.\n'
        "     Write: bob@example.org   (did you mean example.org?) or add exampel.org to mail_domains\n"
        "  2. mx2: mail_users[0].password: it has fewer than 8 characters.\n"
        "     Choose a longer one\n"
        "  3. mx1: warning: mail_quota: 10M: it is small.\n"
        "     Give it more room"
    )


def test_the_summary_counts_what_differs() -> None:
    assert summary([DOMAIN.on("a"), DOMAIN.on("b")]) == "1 mistake, nothing was changed"
    assert summary([QUOTA]) == "1 warning"
    assert summary([DOMAIN, SECRET, QUOTA]) == "2 mistakes and 1 warning, nothing was changed"
    assert summary([]) == "no mistakes"


def test_what_comes_first_on_one_host_comes_first_in_the_report() -> None:
    own = Mistake("hostname", "mail_hostname", "it is an IP address", "Write a name")
    text = report([SECRET.on("mx1"), own.on("mx2"), SECRET.on("mx2")])
    assert text.index("mx2: mail_hostname") > text.index("mx1, mx2: mail_users")
    text = report([QUOTA.on("mx1"), DOMAIN.on("mx1"), SECRET.on("mx1"), own.on("mx2")])
    assert text.index("mail_hostname") < text.index("mail_users[0]")


def test_the_same_mistake_in_two_files_is_told_once_with_both() -> None:
    mistakes = [
        replace(DOMAIN.on(host), source=source)
        for host, source in [
            ("mx1", "host_vars/mx1.yml:3"),
            ("mx2", "host_vars/mx2.yml:4"),
            ("mx3", "host_vars/mx1.yml:3"),
        ]
    ]
    lines = report(mistakes).splitlines()
    assert lines[0] == "postern.mail: 1 mistake, nothing was changed."
    assert lines[1].startswith("  1. mx1, mx2, mx3: mail_users[2].address")
    assert lines[2] == "     In host_vars/mx1.yml:3, host_vars/mx2.yml:4"
    assert "In " not in report([DOMAIN.on("mx1")])


def test_a_record_survives_the_way_through_ansible() -> None:
    record = {**DOMAIN.on("mx1").as_dict(), "added_by_ansible": True}
    assert Mistake.from_dict(record) == DOMAIN.on("mx1")


def test_values_are_shown_short_and_in_one_line() -> None:
    assert shown("bob") == '"bob"'
    assert shown(5) == "5"
    assert len(shown("x" * 500)) == 60
    assert shown("a\n\x1b[2Jü") == '"a\\n\\x1b[2Jü"'


def test_suggestions_are_made_where_there_is_something_close() -> None:
    assert did_you_mean("postfx", ["postfix", "dovecot"]) == " (did you mean postfix?)"
    assert did_you_mean("exim", ["postfix", "dovecot"]) == ""
    assert listed(["b", "a", "c"]) == "a, b or c"
    assert listed(["a"]) == "a"
    assert listed(str(number) for number in range(50)).endswith(", ...")
