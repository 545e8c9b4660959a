# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of a session and their replies, as src/smtpd/smtpd.c handles them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_hostname, is_literal
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.matchlist import Match
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.paths import command_words, extract
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Decision, Stage
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import drivers, replies
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.footer import with_footer
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.rewriting import rewrite_error
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import SessionOver, State
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.verification import is_probe_sender

BEFORE_TLS = frozenset({"CONNECT", "HELO"})
SMALLEST_MESSAGE = 40
"""Octets; a message of one header and one line."""

_BAD_RECIPIENT = "501 5.1.3 Bad recipient address syntax"
_NEUTERED = str.maketrans(dict.fromkeys(' <>()\\";@', "?"))


class Reply(Exception):
    """The command ends with this line.

    :param error: whether it counts as an error of the client
    :param parameter: main.cf parameter that decided, empty for the protocol itself
    :param action: of the stage, where the code does not tell
    """

    def __init__(self, line: str, parameter: str = "", *, error: bool = True, action: str = "") -> None:
        super().__init__(line)
        self.line = line
        self.action = action
        self.parameter = parameter
        self.error = error


def stages(state: State) -> Iterator[Stage]:
    """All stages of the session, up to its end."""
    for name, argument, run in _commands(state):
        stage = _stage(state, name, argument, run)
        if state.over is not None and not state.over.crash:
            return
        yield stage
        if stage.code == 0 or _hung_up(state, stage):
            return


def _hung_up(state: State, stage: Stage) -> bool:
    # 421 and 521 close the connection, and a session with too many errors ends.
    return stage.code in (421, 521)


_Run = Callable[[State, str], str]


def _commands(state: State) -> Iterator[tuple[str, str, _Run]]:
    """What the client sends; what it sends later depends on the replies before."""
    session = state.session
    yield "CONNECT", "", _connect
    if session.helo is not None:
        yield "HELO", session.helo, _helo
    sender = session.sender
    if sender is None and (session.rcpts or session.data):
        sender = ""
    if sender is not None:
        yield "MAIL", sender, _mail
    for recipient in session.rcpts:
        yield "RCPT", recipient, _rcpt
    if session.data:
        yield "DATA", "", _data
        if state.reply.startswith("354"):
            yield "EOD", "", _end_of_data
    if session.vrfy is not None:
        yield "VRFY", session.vrfy, _vrfy
    if session.etrn is not None:
        yield "ETRN", session.etrn, _etrn


def _stage(state: State, name: str, argument: str, run: _Run) -> Stage:
    state.where = "END-OF-MESSAGE" if name == "EOD" else name
    if name == "HELO":
        state.where = "EHLO" if state.session.ehlo else "HELO"
    state.trail = []
    state.decided = state.current = None
    state.permits = {}
    recipient = argument if name == "RCPT" else None
    error, action = False, ""
    try:
        line = _reply(state, name, argument, run)
    except Reply as reply:
        line, error, action = reply.line, reply.error, reply.action
        if reply.parameter and state.decided is None:
            state.decided = Decision(reply.parameter, None, "")
    except SessionOver as end:
        state.over = end
        return Stage(name, 0, None, "", "crash", recipient, state.current, tuple(state.trail))
    state.errors += error
    line = with_footer(state, line)
    if state.server.soft_bounce:
        line = replies.softened(line)
    state.reply = line
    code, dsn, text = replies.parts(line)
    action = action or _action(state, code)
    return Stage(name, code, dsn, text, action, recipient, _decision(state, code), tuple(state.trail))


def _action(state: State, code: int) -> str:
    if code >= 500:
        return "reject"
    if code >= 400:
        return "defer"
    return "discard" if state.discard else "permit"


def _decision(state: State, code: int) -> Decision | None:
    """What decided: the rejection's element, or the permit that matters most."""
    if code >= 400:
        return state.decided
    for parameter in (drivers.RELAY_LIST, drivers.RECIPIENT_LIST, *reversed(state.permits)):
        if state.permits.get(parameter) is not None:
            return state.permits[parameter]
    return None


def _reply(state: State, name: str, argument: str, run: _Run) -> str:
    """:raises Reply: another line than the command's own success"""
    server = state.server
    if name in ("CONNECT", "EOD"):
        return run(state, argument)
    if state.errors >= server.number("smtpd_hard_error_limit"):
        line = f"421 4.7.0 {server.text('myhostname')} Error: too many errors"
        raise Reply(line, "smtpd_hard_error_limit", error=False)
    word = state.where
    if server.text("smtpd_noop_commands") and server.match(state, "smtpd_noop_commands", "string", word):
        raise Reply("250 2.0.0 Ok", "smtpd_noop_commands", error=False)
    if state.access_denied is not None:
        if state.access_denied[1:3] == "21":
            raise Reply(state.access_denied, drivers.CLIENT_LIST, error=False)
        raise Reply(f"503 5.7.0 Error: access denied for {state.namaddr}", drivers.CLIENT_LIST)
    if server.enforce_tls and not state.tls and name not in BEFORE_TLS:
        raise Reply("530 5.7.0 Must issue a STARTTLS command first", server.tls_parameter)
    return run(state, argument)


def _connect(state: State, _argument: str) -> str:
    if state.server.wrapped and not state.tls:
        # smtpd waits for a TLS handshake and hangs up.
        raise SessionOver("smtpd_tls_wrappermode wants TLS from the first octet on", crash=False)
    if not state.server.delay_reject:
        rejected = drivers.check_client(state)
        if rejected:
            state.access_denied = rejected
            raise Reply(rejected)
    return f"220 {state.server.text('smtpd_banner')}"


def _helo(state: State, argument: str) -> str:
    # Blanks between words are kept as one.
    name = " ".join(argument.split())
    if not name:
        raise Reply(f"501 Syntax: {state.where} hostname")
    if not state.server.delay_reject:
        rejected = drivers.check_helo(state, name)
        if rejected:
            raise Reply(rejected)
    _reset_transaction(state)
    state.helo = "".join(char if char.isprintable() else "?" for char in name).translate(_NEUTERED)
    if state.where == "EHLO":
        _announce(state)
    return f"250 {state.server.text('myhostname')}"


def _announce(state: State) -> None:
    """What EHLO says depends on lists of clients; smtpd gives up where it cannot tell."""
    server = state.server
    lists = ["smtpd_authorized_verp_clients", "smtpd_authorized_xforward_hosts"]
    if server.flag("smtpd_sasl_auth_enable"):
        lists.insert(0, "smtpd_sasl_exceptions_networks")
    for parameter in lists:
        if server.text(parameter) and server.match(state, parameter, "host", state.name.text, state.addr).failed:
            line = f"421 4.3.0 {server.text('myhostname')} Server local data error"
            raise Reply(line, parameter, error=False)


def _reset_transaction(state: State) -> None:
    state.sender = None
    state.recipient = None
    state.recipients = 0
    state.overshoot = 0
    state.discard = False


def _mail(state: State, argument: str) -> str:
    server = state.server
    if server.flag("smtpd_helo_required") and state.helo is None:
        raise Reply("503 5.5.1 Error: send HELO/EHLO first", "smtpd_helo_required")
    sender = _path(state, f"MAIL FROM:{_bracketed(argument)}", "501 5.1.7 Bad sender address syntax", empty=True)
    _check_size(state)
    if is_probe_sender(state, sender):
        sender = server.probe_sender
    if not server.delay_reject:
        rejected = drivers.check_mail(state, sender)
        if rejected:
            _reset_mail(state)
            raise Reply(rejected)
    rejected = rewrite_error(state)
    if rejected:
        _reset_mail(state)
        raise Reply(rejected, "local_header_rewrite_clients")
    _declared(state, sender)
    state.sender = sender
    if not server.flag("smtpd_delay_open_until_valid_rcpt"):
        _open_queue(state)
    return "250 2.1.0 Ok"


def _bracketed(argument: str) -> str:
    return f"<{argument}>"


def _path(state: State, command: str, bad: str, *, empty: bool = False) -> str:
    """The address of a MAIL or RCPT command.

    :param bad: reply to an address that is none
    :param empty: whether the null sender is welcome
    """
    words = command_words(command)
    text, broken = words[2]
    if broken:
        raise Reply(bad)
    address = _address(state, text, bad, strict=state.server.flag("strict_rfc821_envelopes"), empty=empty)
    if len(words) > 3:
        raise Reply(f"555 5.5.4 Unsupported option: {words[3][0]}")
    return address


def _declared(state: State, address: str) -> None:
    """MAIL and RCPT never announce SMTPUTF8 here."""
    if not address.isascii() and state.server.flag("strict_smtputf8"):
        raise Reply("553 5.6.7 Must declare SMTPUTF8 to send unicode address", "strict_smtputf8")


_extracted = lru_cache(maxsize=2000)(extract)


def _address(state: State, text: str, bad: str, *, strict: bool, empty: bool = False, smtputf8: bool = False) -> str:
    path = _extracted(text, strict=strict)
    if path.bad or not (path.address or empty):
        raise Reply(bad)
    if path.address:
        answer = state.server.resolve(state, path.address, state.recipient if empty else state.sender)
        if answer.error or not (smtputf8 or answer.domain.isascii()):
            raise Reply(bad)
    return path.address


def _reset_mail(state: State) -> None:
    state.sender = None
    state.discard = False


def _check_size(state: State) -> None:
    """The SIZE that MAIL announces, against message_size_limit."""
    size, limit = state.session.size, state.server.number("message_size_limit")
    state.reset()
    if size is not None and 0 < limit < size:
        state.current = Decision("message_size_limit", None, "")
        state.reject(552, "5.3.4", "Message size exceeds fixed limit")
        raise Reply(state.reply, "message_size_limit")


def _rcpt(state: State, argument: str) -> str:
    server = state.server
    if state.sender is None:
        raise Reply("503 5.5.1 Error: need MAIL command")
    recipient = _path(state, f"RCPT TO:{_bracketed(argument)}", _BAD_RECIPIENT)
    limit = server.number("smtpd_recipient_limit")
    if limit and state.recipients >= limit:
        state.overshoot += 1
        error = state.overshoot > server.number("smtpd_recipient_overshoot_limit")
        raise Reply("452 4.5.3 Error: too many recipients", "smtpd_recipient_limit", error=error)
    _declared(state, recipient)
    if is_probe_sender(state, recipient):
        recipient = server.probe_sender
    else:
        rejected = drivers.check_rcpt(state, recipient)
        if rejected:
            raise Reply(rejected)
    if server.flag("smtpd_delay_open_until_valid_rcpt"):
        _open_queue(state)
    state.recipients += 1
    if state.recipient is None:
        state.recipient = recipient
    return "250 2.1.5 Ok"


def _open_queue(state: State) -> None:
    """A content filter before the queue has to be there; like a policy service it may not be running."""
    proxy = state.server.text("smtpd_proxy_filter")
    if not proxy:
        return
    if state.services_down:
        state.assume(f"Whether the filter {proxy} (smtpd_proxy_filter) is running is not known: taken as not running.")
        if state.where == "MAIL":
            _reset_mail(state)
        raise Reply("451 4.3.0 Error: queue file write error", "smtpd_proxy_filter")
    state.assume(f"The filter {proxy} (smtpd_proxy_filter) is taken to accept everything.")


def _data(state: State, _argument: str) -> str:
    if state.recipients == 0:
        if state.sender is None:
            raise Reply("503 5.5.1 Error: need RCPT command")
        raise Reply("554 5.5.1 Error: no valid recipients")
    rejected = drivers.check_data(state)
    if rejected:
        raise Reply(rejected)
    return "354 End data with <CR><LF>.<CR><LF>"


def _end_of_data(state: State, _argument: str) -> str:
    if 0 < state.server.number("message_size_limit") < SMALLEST_MESSAGE:
        _reset_transaction(state)
        raise Reply("552 5.3.4 Error: message file too big", "message_size_limit")
    rejected = drivers.check_end_of_data(state)
    if rejected:
        if state.server.version >= (3, 8):
            # Releases before the fixes of July 2026 leave the transaction open; 3.7 never got them.
            _reset_transaction(state)
        raise Reply(rejected)
    discarded = state.discard
    _reset_transaction(state)
    state.errors = 0
    raise Reply("250 2.0.0 Ok: queued as", error=False, action="discard" if discarded else "permit")


def _vrfy(state: State, argument: str) -> str:
    server = state.server
    if server.flag("disable_vrfy_command"):
        raise Reply("502 5.5.1 VRFY command is disabled", "disable_vrfy_command")
    words = [word for word, _broken in command_words(argument)]
    offered = server.flag("smtputf8_enable") and "smtputf8" not in server.text("smtpd_discard_ehlo_keywords").lower()
    smtputf8 = bool(words) and offered and words[-1].upper() == "SMTPUTF8"
    text = " ".join(words[:-1] if smtputf8 else words)
    if not text:
        suffix = " [SMTPUTF8]" if server.flag("smtputf8_enable") else ""
        raise Reply(f"501 5.5.4 Syntax: VRFY address{suffix}")
    address = _address(state, text, _BAD_RECIPIENT, strict=False, smtputf8=smtputf8)
    if not smtputf8:
        _declared(state, address)
    rejected = drivers.check_rcpt(state, address)
    if rejected:
        raise Reply(rejected)
    return f"252 2.0.0 {text}"


def _etrn(state: State, argument: str) -> str:
    server = state.server
    if server.flag("smtpd_helo_required") and state.helo is None:
        raise Reply("503 Error: send HELO/EHLO first", "smtpd_helo_required")
    if state.sender is not None:
        raise Reply("503 Error: MAIL transaction in progress")
    words = [text for text, _bad in command_words(f"ETRN {argument}")][1:]
    if len(words) != 1:
        raise Reply("500 Syntax: ETRN domain")
    domain = words[0][1:] if words[0][0] in "@#" else words[0]
    if not is_hostname(domain) and not is_literal(domain):
        raise Reply("501 Error: invalid parameter syntax")
    rejected = drivers.check_etrn(state, domain)
    if rejected:
        raise Reply(rejected)
    return _flushed(server.match(state, "fast_flush_domains", "domain", domain), domain)


def _flushed(found: Match, domain: str) -> str:
    if found.failed:
        raise Reply("458 Unable to queue messages", "fast_flush_domains")
    if not found:
        raise Reply(f"459 <{domain}>: service unavailable", "fast_flush_domains")
    return "250 Queuing started"
