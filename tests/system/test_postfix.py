# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Facts about the running Postfix: settings in force, processes, ports, sandbox, and this machine's own mail."""

from __future__ import annotations

import re

import pytest
from dialogue.clients import send_in
from dialogue.lab import Server
from dialogue.message import new_token

UNITS = {"12": "postfix@-.service"}
PORTS = {"smtp": 25, "submission": 587, "submissions": 465}
MASTER = "$(tr -d ' ' < /var/spool/postfix/pid/master.pid)"


def unit_of(server: Server) -> str:
    """The unit that runs master(8)."""
    return UNITS.get(server.release, "postfix.service")


def unit_property(server: Server, name: str) -> str:
    return server.output("systemctl", "show", "--value", f"--property={name}", unit_of(server))


@pytest.mark.parametrize("question", ["-n", "-M", "-P"])
def test_configuration_gives_no_warning(server: Server, question: str) -> None:
    assert server.shell(f"postconf {question} 2>&1 >/dev/null") == ""


def test_no_table_is_a_berkeley_db(server: Server) -> None:
    """Defaults included: Debian testing warns at each use."""
    assert server.shell("postconf -x | grep -E '(hash|btree):' || true") == ""


def test_no_process_logged_that_a_table_is_missing(server: Server) -> None:
    assert (
        server.shell("journalctl -q -b | grep -E 'postfix.*(open database|unsupported dictionary type)' || true") == ""
    )


def test_newest_behaviour_of_its_version_is_on(server: Server) -> None:
    level = server.output("postconf", "-hx", "compatibility_level")
    version = server.output("postconf", "-h", "mail_version")
    assert level == {"3.7": "3.6", "3.10": "3.9", "3.11": "3.11"}[".".join(version.split(".")[:2])]


def test_every_table_answers(server: Server) -> None:
    alice = server.account("alice").address
    assert server.output("postmap", "-q", alice, "lmdb:/etc/postfix/maps/mailboxes") == alice
    assert alice in server.output("postmap", "-q", alice, "lmdb:/etc/postfix/maps/senders").split(", ")
    assert server.output("postmap", "-q", server.domain, "lmdb:/etc/postfix/maps/domains")
    assert server.output("postmap", "-q", f"abuse@{server.domain}", "lmdb:/etc/postfix/maps/virtual_aliases")
    assert server.output("postmap", "-q", server.domain, "lmdb:/etc/postfix/maps/own_domains").startswith("550 ")
    assert server.output("postmap", "-q", server.hostname, "lmdb:/etc/postfix/maps/helo_access").startswith("550 ")


@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
def test_port_is_open_in_both_address_families(server: Server, port: int) -> None:
    listening = server.shell(f"ss -Hltn sport = :{port} | awk '{{print $4}}' | sort")
    assert listening.split() == [f"0.0.0.0:{port}", f"[::]:{port}"]


@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_submission_has_lists_of_its_own(server: Server, service: str) -> None:
    for name in ("client", "helo", "sender", "relay", "recipient", "data"):
        parameter = f"smtpd_{name}_restrictions"
        theirs = server.output("postconf", "-Phx", f"{service}/inet/{parameter}")
        assert "permit_mynetworks" not in theirs
        if name != "data":
            assert theirs != server.output("postconf", "-hx", parameter)


def test_mail_is_relayed_for_loopback_only(server: Server) -> None:
    networks = server.output("postconf", "-hx", "mynetworks").split()
    assert networks == ["127.0.0.0/8", "[::ffff:127.0.0.0]/104", "[::1]/128"]


def test_nobody_may_speak_for_another_client(server: Server) -> None:
    for parameter in ("smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts", "permit_mx_backup_networks"):
        assert server.output("postconf", "-hx", parameter) == ""


def test_no_process_is_in_the_old_chroot_and_none_can_gain_rights(server: Server) -> None:
    send_in(server, server.account("alice").address)
    pids = server.shell(f"echo {MASTER}; pgrep --parent {MASTER}").split()
    assert len(pids) > 2
    for pid in pids:
        # A process may end while we look.
        seen = server.shell(f"readlink /proc/{pid}/root && grep NoNewPrivs /proc/{pid}/status || true").split()
        assert seen in ([], ["/", "NoNewPrivs:", "1"]), pid


def test_only_master_runs_as_root_when_idle(server: Server) -> None:
    send_in(server, server.account("alice").address)
    users = server.shell(f"ps --ppid {MASTER} -o user= | sort -u").split()
    assert users == ["postfix"]


def test_unit_is_sandboxed(server: Server) -> None:
    verdict = server.shell(f"systemd-analyze security --no-pager {unit_of(server)} | tail -1")
    found = re.search(r"service: ([\d.]+)", verdict)
    assert found
    assert float(found[1]) <= 2.8, verdict


def test_master_cannot_write_outside_its_directories(server: Server) -> None:
    """The sandbox holds: the mounts that the process sees, not the unit's text."""
    mounts = {}
    for line in server.shell(f"cat /proc/{MASTER}/mountinfo").splitlines():
        _, _, _, _, mount_point, options, *_ = line.split()
        mounts[mount_point] = options.split(",")[0]
    assert mounts["/"] == "ro"
    assert mounts["/var/spool/postfix"] == "rw"
    assert mounts["/var/lib/postfix"] == "rw"
    assert [place for place in ("/etc", "/etc/postfix", "/usr", "/var") if mounts.get(place) == "rw"] == []


def test_unit_comes_back_and_starts_with_the_machine(server: Server) -> None:
    assert unit_property(server, "Restart") == "on-failure"
    assert unit_property(server, "StartLimitIntervalUSec") == "0"
    assert unit_property(server, "ActiveState") == "active"
    assert server.output("systemctl", "is-enabled", "postfix.service") == "enabled"


def test_unit_starts_after_those_it_talks_to(server: Server) -> None:
    assert "dovecot.service" in unit_property(server, "After").split()
    assert "dovecot.service" in unit_property(server, "Wants").split()


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_mail_to_an_account_of_the_machine_goes_to_the_postmaster(server: Server, user: str) -> None:
    """What cron does, with sendmail(1) and its group rights, under whatever account."""
    token = new_token()
    server.shell(f"printf 'Subject: {token}\\n\\nreport\\n' | runuser -u {user} -- sendmail -i {user}")
    postmaster = server.shell("postmap -q root regexp:/etc/postfix/maps/local_aliases")
    server.wait_until(
        "delivery", f"doveadm fetch -u {postmaster} hdr.subject mailbox INBOX subject {token} | grep -q {token}"
    )


def test_newaliases_still_works(server: Server) -> None:
    assert server.shell("newaliases 2>&1") == ""


def test_daemons_find_their_tables_when_main_cf_is_young(server: Server) -> None:
    """Postfix 3.10 and 3.11 lose $config_directory then, and with it every table that is named by it."""
    account = server.account("alice").address
    server.shell(f"touch /etc/postfix/main.cf; systemctl reload {unit_of(server)}")
    send_in(server, account)
