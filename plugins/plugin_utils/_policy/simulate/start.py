# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""smtpd's start: lists parsed, tables opened, and what keeps it from starting (smtpd_check_init()).

A server is made once for a policy and a service; sessions do not change it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import interfaces
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.access import Access
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.matchlist import Match, match, patterns
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.resolve import (
    Resolved,
    origin_or_local,
    resolve,
    rewrite,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Maps, TableError, open_maps
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import tokens
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import drivers
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.assumptions import Noted
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.endpoints import (
    StartFailure,
    endpoint,
    table_name,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import RestrictionList, Rule, parsed
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.registry import RULES
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.startup import check_parameters
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import State, Status

LISTS = (
    drivers.CLIENT_LIST,
    drivers.HELO_LIST,
    drivers.SENDER_LIST,
    drivers.RELAY_LIST,
    drivers.RECIPIENT_LIST,
    drivers.ETRN_LIST,
    drivers.DATA_LIST,
    drivers.END_OF_DATA_LIST,
)
GUARDS = (
    "reject_unauth_destination",
    "defer_unauth_destination",
    "reject",
    "defer",
    "defer_if_permit",
    "check_relay_domains",
)
"""smtpd does not start unless one of these words stands in the relay or recipient list."""

HARMLESS_RELAY_LIST = "permit_mynetworks, permit_sasl_authenticated, permit_auth_destination"
"""What takes the place of an unset relay list at compatibility level 0: it only logs."""

HOST_LISTS = (
    "smtpd_noop_commands",
    "smtpd_forbidden_commands",
    "smtpd_authorized_verp_clients",
    "smtpd_authorized_xclient_hosts",
    "smtpd_authorized_xforward_hosts",
    "smtpd_client_event_limit_exceptions",
    "smtpd_forbid_bare_newline_exclusions",
    "mynetworks",
    "relay_domains",
    "permit_mx_backup_networks",
    "parent_domain_matches_subdomains",
    "smtpd_log_access_permit_actions",
    "debug_peer_list",
    "fast_flush_domains",
)
"""Lists of patterns that smtpd reads when it starts, in its order where that matters."""

MAPS = (
    "local_recipient_maps",
    "sender_canonical_maps",
    "recipient_canonical_maps",
    "canonical_maps",
    "virtual_alias_maps",
    "virtual_mailbox_maps",
    "relay_recipient_maps",
    "rbl_reply_maps",
    "smtpd_sender_login_maps",
    "relay_clientcerts",
    "smtpd_discard_ehlo_keyword_address_maps",
    "smtpd_milter_maps",
    "smtpd_reject_footer_maps",
    "smtpd_reject_filter_maps",
)
TEMPFAIL_ACTIONS = (
    "unknown_helo_hostname_tempfail_action",
    "unknown_address_tempfail_action",
    "unverified_recipient_tempfail_action",
    "unverified_sender_tempfail_action",
)
KEYWORDS: Mapping[str, frozenset[str]] = {
    "receive_override_options": frozenset(
        {"no_unknown_recipient_checks", "no_address_mappings", "no_header_body_checks", "no_milters"}
    ),
    "notify_classes": frozenset({"bounce", "2bounce", "data", "delay", "policy", "protocol", "resource", "software"}),
}
"""Parameters whose words are known; another word is fatal."""

BARE_NEWLINE = ("normalize", "yes", "note", "reject", "no")
SASL_TYPES = ("cyrus", "dovecot")
"""What Debian's Postfix is built with."""

DEEPEST_CLASS = 200
_MOST_KEPT = 2000


class Found(NamedTuple):
    """:param status: OK found, DUNNO not found, RETRY or BROKEN when a table failed"""

    status: Status
    value: str | None = None
    why: str = ""


class Server:
    """One smtpd service, started.

    :ivar lists: parameter -> its list; the relay list is the one in force
    :ivar recipient_lists: relay and recipient list in the order of evaluation
    :ivar access: word of a list that is a table -> the table
    :ivar services: word after check_policy_service -> its endpoint and default action
    """

    def __init__(self, policy: Policy, service: str, absent: str) -> None:
        """:raises StartFailure: smtpd would not start
        :raises PolicyError: no such service
        """
        self.settings = policy.settings(service)
        self.version = policy.version
        self.tables = Noted(self.settings, policy.tables, absent)
        self.rules: Mapping[str, Rule] = RULES
        self._texts: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._flags: dict[str, bool] = {}
        self._maps: dict[str, Maps] = {}
        self.access: dict[str, Maps] = {}
        self.services: dict[str, tuple[str, str]] = {}
        self._resolved: dict[tuple[str, str], Resolved] = {}
        self._matches: dict[tuple[str, str, str], Match] = {}
        try:
            self._start()
        except PolicyError as error:
            raise StartFailure(str(error)) from error

    # --- Parameters ---

    def text(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = self.settings[name]
        return self._texts[name]

    def raw(self, name: str) -> str:
        """Value whose macros smtpd itself replaces, session by session."""
        return self.settings.raw(name)

    def number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = self.settings.number(name)
        return self._numbers[name]

    def flag(self, name: str) -> bool:
        if name not in self._flags:
            self._flags[name] = self.settings.flag(name)
        return self._flags[name]

    def words(self, name: str) -> list[str]:
        return list(tokens(self.text(name)))

    def defers(self, action: str) -> bool:
        """Whether a ``*_tempfail_action`` defers at once rather than unless something rejects."""
        return self.text(action).lower() == "defer"

    # --- Tables and lists ---

    def maps(self, parameter: str) -> Maps:
        if parameter not in self._maps:
            self._maps[parameter] = open_maps(self.tables, parameter)
        return self._maps[parameter]

    def find(self, state: State, parameter: str, key: str) -> Found:
        return self.found(state, self.maps(parameter), key)

    def found(self, state: State, maps: Maps, key: str, *, partial: bool = False) -> Found:
        """A look-up that tells failure from absence, and notes what it rests on."""
        for table in maps.tables:
            self.tables.tell(table.reference, state)
        try:
            value = maps.find(key, partial=partial)
        except TableError as error:
            return Found(Status.RETRY if error.retry else Status.BROKEN, None, error.text)
        return Found(Status.DUNNO if value is None else Status.OK, value)

    def match(self, state: State, parameter: str, kind: str, name: str = "", addr: str = "") -> Match:
        """Whether a list of hosts, networks or domains has a name or address."""
        key = (parameter, name, addr)
        if key not in self._matches:
            _trim(self._matches)
            self._matches[key] = match(self.settings, self.tables, parameter, kind, name, addr)
        self.tables.tell_loose(state)
        return self._matches[key]

    def offers_sasl(self, *, encrypted: bool) -> bool:
        """Whether AUTH works in a session; with smtpd_tls_auth_only only in one that is encrypted."""
        return self.flag("smtpd_sasl_auth_enable") and (encrypted or not self.tls_auth_only)

    def own_addresses(self, state: State) -> tuple[str, ...]:
        return interfaces.addresses(self.settings, state.assume)

    def proxy_addresses(self) -> tuple[str, ...]:
        return interfaces.proxies(self.settings)

    @cached_property
    def address_types(self) -> tuple[str, ...]:
        """Record types of the protocols in use."""
        ipv4, ipv6 = interfaces.protocols(self.settings)
        return ("A",) * ipv4 + ("AAAA",) * ipv6

    def access_to(self, state: State) -> Access:
        return Access(self.settings, self.tables, state.dns)

    def resolve(self, state: State, address: str, sender: str | None) -> Resolved:
        """Where an address leads; kept, as smtpd keeps it."""
        key = (sender or "", address)
        if key not in self._resolved:
            _trim(self._resolved)
            self._resolved[key] = resolve(self.settings, self.tables, address, sender=sender or "")
        self.tables.tell_loose(state)
        return self._resolved[key]

    def origin_or_local(self) -> Callable[[str], bool]:
        return origin_or_local(self.settings, self.tables)

    @functools.cached_property
    def probe_sender(self) -> str:
        """Sender of address verification probes."""
        own = self.text("address_verify_sender")
        return "" if own in ("", "<>") else rewrite(self.settings, own)

    def filtered(self, value: str) -> str:
        """A session's attribute as replies may show it (smtpd_expansion_filter)."""
        return value

    # --- Start ---

    def _start(self) -> None:
        check_parameters(self.settings)
        self.delay_reject = self.flag("smtpd_delay_reject")
        self.soft_bounce = self.flag("soft_bounce")
        self.utf8 = self.flag("smtputf8_enable")
        self.access_parents = self._parents("smtpd_access_maps")
        self._keywords()
        for parameter in HOST_LISTS:
            # A bad pattern only fails when it is compared; a "!" or "type:" without anything is fatal now.
            for _pattern in patterns(self.settings, self.tables, parameter, self.text(parameter)):
                pass
        for parameter in MAPS:
            self._check_open(self.maps(parameter))
        self._tls()
        self._parse_lists()
        self._parse_classes()
        self._check_guard()
        self._register(
            parsed("local_header_rewrite_clients", self.text("local_header_rewrite_clients")), services=False
        )
        for parameter in TEMPFAIL_ACTIONS:
            if self.text(parameter).lower() not in ("defer", "defer_if_permit"):
                raise StartFailure(f"bad configuration: {parameter} = {self.text(parameter)}")

    def _keywords(self) -> None:
        for parameter, known in KEYWORDS.items():
            for word in self.words(parameter):
                if word not in known:
                    raise StartFailure(f'unknown {parameter} value "{word}" in "{self.text(parameter)}"')
        bare = self.text("smtpd_forbid_bare_newline")
        if bare and bare.lower() not in BARE_NEWLINE:
            raise StartFailure(f"bad parameter value: 'smtpd_forbid_bare_newline = {bare}'")
        if self.flag("smtpd_sasl_auth_enable") and self.text("smtpd_sasl_type") not in SASL_TYPES:
            raise StartFailure("SASL per-process initialization failed")

    def _parents(self, feature: str) -> bool:
        return bool(match(self.settings, self.tables, "parent_domain_matches_subdomains", "string", feature))

    def _tls(self) -> None:
        level = self.text("smtpd_tls_security_level").lower()
        wrapped = self.flag("smtpd_tls_wrappermode")
        enforced = self.flag("smtpd_enforce_tls")
        if level and not wrapped:
            if level not in _TLS_LEVELS:
                raise StartFailure(f'Invalid TLS level "{self.text("smtpd_tls_security_level")}"')
            enforced = level not in ("none", "may")
        self.wrapped = wrapped
        self.enforce_tls = wrapped or enforced
        self.tls_auth_only = self.enforce_tls or self.flag("smtpd_tls_auth_only")
        self.tls_parameter = "smtpd_tls_security_level" if level else "smtpd_enforce_tls"

    def _parse_lists(self) -> None:
        listed = frozenset(self.settings.class_names)
        self.class_names = listed
        self.lists: dict[str, RestrictionList] = {}
        for parameter in LISTS:
            self.lists[parameter] = parsed(parameter, self.text(parameter), listed)
            self._register(self.lists[parameter])
        compatible = self._without_relay_list()
        if compatible:
            self.lists[drivers.RELAY_LIST] = parsed(drivers.RELAY_LIST, HARMLESS_RELAY_LIST)
        relay_first = self.flag("smtpd_relay_before_recipient_restrictions") and not compatible
        order = (drivers.RELAY_LIST, drivers.RECIPIENT_LIST)
        self.recipient_lists = order if relay_first else order[::-1]

    def _without_relay_list(self) -> bool:
        if self.settings.is_set(drivers.RELAY_LIST):
            return False
        level = self.text("compatibility_level").partition(".")[0].strip()
        return not level.isdigit() or int(level) < 1

    def _parse_classes(self) -> None:
        self.classes: dict[str, RestrictionList] = {}
        for name in self.settings.class_names:
            value = self.settings.definition(name)
            if not value:
                raise StartFailure(f"restriction class `{name}' needs a definition")
            self.classes[name] = parsed(name, value, self.class_names)
            self._register(self.classes[name])
        name = "reject_sender_login_mismatch"
        self.classes[name] = parsed(
            name, "reject_authenticated_sender_login_mismatch reject_unauthenticated_sender_login_mismatch"
        )

    def _register(self, restrictions: RestrictionList, *, services: bool = True) -> None:
        """Opens the tables of a list, and notes its policy services."""
        last = ""
        for word in restrictions.words:
            if services and last.lower() == "check_policy_service":
                if word not in self.services:
                    self.services[word] = endpoint(word, self.text("smtpd_policy_service_default_action"))
            elif word.startswith("{") or ":" in word:
                name = table_name(word)
                if name and name not in self.access:
                    self.access[name] = open_maps(self.tables, name, value=name)
                    self._check_open(self.access[name])
            last = word

    def _check_open(self, maps: Maps) -> None:
        """:raises StartFailure: a table cannot be opened, and the policy wants smtpd to give up then"""
        if self.flag("daemon_table_open_error_is_fatal"):
            for table in maps.tables:
                if table.broken:
                    raise StartFailure(table.broken)

    def _check_guard(self) -> None:
        relay = parsed(drivers.RELAY_LIST, self.text(drivers.RELAY_LIST), self.class_names)
        if self._has_guard(self.lists[drivers.RECIPIENT_LIST], 0) or self._has_guard(relay, 0):
            return
        raise StartFailure(
            "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one working "
            f"instance of: {', '.join(GUARDS[:-1])} or {GUARDS[-1]}"
        )

    def _has_guard(self, restrictions: RestrictionList, depth: int) -> bool:
        if depth > DEEPEST_CLASS:
            raise StartFailure("a restriction class that names itself overruns the stack (SIGSEGV)", crash=True)
        words: Iterator[str] = iter(restrictions.words)
        left = len(restrictions.words)
        for word in words:
            left -= 1
            if word.lower() == "warn_if_reject" and left:
                next(words)
                left -= 1
                continue
            if word.lower() == "permit":
                return False
            if word.lower() in GUARDS:
                return True
            listed = self.classes.get(word)
            if listed is not None and self._has_guard(listed, depth + 1):
                return True
        return False


def _trim(kept: dict[Any, Any]) -> None:
    """Forgets answers before there are too many; all are found again."""
    if len(kept) > _MOST_KEPT:
        kept.clear()


_TLS_LEVELS = ("none", "may", "encrypt", "fingerprint", "verify", "secure", "dane", "dane-only", "half-dane")
