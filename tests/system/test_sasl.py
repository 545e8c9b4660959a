# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Facts about the wire between Postfix and the server that checks passwords."""

from __future__ import annotations

from dialogue.lab import Server

PROBE = "/usr/local/lib/postern/probe"


def test_postfix_asks_where_dovecot_listens(server: Server) -> None:
    path = server.shell("postconf -hx smtpd_sasl_path").removeprefix("unix:")
    assert server.shell("postconf -hx smtpd_sasl_type") == "dovecot"
    assert server.run(PROBE, "auth", path, check=False).returncode == 0


def test_port_25_is_not_among_those_that_ask(server: Server) -> None:
    assert server.shell("postconf -hx smtpd_sasl_auth_enable") == "no"


def test_only_postfix_may_ask(server: Server) -> None:
    """Whoever reaches the socket may guess passwords as fast as the processor hashes."""
    nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    done = server.run(*nobody, PROBE, "auth", "/run/dovecot/smtp-auth", check=False)
    assert b"Permission denied" in done.stderr, done
