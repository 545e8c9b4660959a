# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Random cases from the catalogue; the same seed and number always make the same policy."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import RESTRICTIONS
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue_model import Argument

from postern_differential import vocabulary as v
from postern_differential.cases import RELEASES, Case, complete

SESSIONS_OF_A_POLICY = 2
"""More would be quicker, but policies are what matters."""

_LISTS = ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn")
_GROUPS = {
    "client": ("client",),
    "helo": ("client", "helo"),
    "sender": ("client", "helo", "sender"),
    "relay": ("client", "recipient"),
    "recipient": ("client", "helo", "sender", "recipient"),
    "data": ("client", "sender", "recipient"),
    "end_of_data": ("client", "sender", "recipient"),
    "etrn": ("client", "etrn"),
}
_BY_GROUP: dict[str, list[str]] = {}
for _name, _restriction in RESTRICTIONS.items():
    # A modifier is put before others; certificates and sockets are what XCLIENT cannot play.
    if _restriction.group != "modifier" and _name not in ("permit_inet_interfaces", "check_ccert_access"):
        _BY_GROUP.setdefault(_restriction.group, []).append(_name)
_PERMITS = ("permit_mynetworks", "permit_sasl_authenticated")
_TABLE_TYPES = (
    ("inline",) * 8 + ("texthash",) * 3 + ("regexp", "pcre", "cidr", "static") * 2 + ("hash", "lmdb", "cdb", "btree")
)
_CODES = ("450", "550", "554", "421", "521", "451", "504", "553")


class Maker:
    """Makes the policy number ``number`` of a seed."""

    def __init__(self, seed: int, number: int) -> None:
        self.rng = random.Random(f"{seed}/{number}")
        self.tables: dict[str, Any] = {}
        self.count = 0
        self.classes: dict[str, list[str]] = {}

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, choices: Sequence[Any]) -> Any:
        return self.rng.choice(choices)

    # Tables.

    def table(
        self, keys: Sequence[str], results: Sequence[str] = v.RESULTS, patterns: Sequence[str] = v.PATTERNS
    ) -> str:
        """Add a table; returns how a list refers to it."""
        kind = self.pick(_TABLE_TYPES)
        rows = [(self.pick(keys), self.pick(results)) for _ in range(self.rng.randint(1, 5))]
        if kind == "static":
            word = self.pick([result for result in results if " " not in result])
            return f"static:{word}"
        if kind == "inline":
            rows = [(key, result.replace("#", "")) for key, result in dict(rows).items()]
            return "inline:{" + ", ".join(f"{{{key} = {result}}}" for key, result in rows) + "}"
        if kind in ("regexp", "pcre"):
            rows = [(self.pick(patterns), result) for _key, result in rows]
        elif kind == "cidr":
            rows = [(self.pick(v.CIDRS), result) for _key, result in rows]
        else:
            rows = list(dict(rows).items())
        self.count += 1
        name = f"{kind}:/etc/postfix/table{self.count}"
        if not self.chance(0.02):  # else the file is missing
            self.tables[name] = "".join(f"{key} {result}\n" for key, result in rows)
        return name

    def map(self, keys: Sequence[str], values: Sequence[str]) -> str:
        """An address map; returns the reference."""
        if self.chance(0.05):
            return str(self.pick(["", "static:x", "regexp:/etc/postfix/missing"]))
        chosen = {self.pick(keys): self.pick(values) for _ in range(self.rng.randint(1, 4))}
        return "inline:{" + ", ".join(f"{{{key} = {value}}}" for key, value in chosen.items()) + "}"

    # Restriction lists.

    def element(self, groups: Sequence[str]) -> list[str]:
        """The words of one element."""
        warn = ["warn_if_reject"] if self.chance(0.06) else []
        dice = self.rng.random()
        if dice < 0.04 and self.classes:
            return [*warn, self.pick(list(self.classes))]
        if dice < 0.07:
            return [*warn, self.table([*v.NAMES, *v.ADDRESSES, *v.MAIL_KEYS])]
        if dice < 0.08:
            return [self.pick(["reject_unknown_sender", "#", "permit_mynetwork", "strict", "REJECT", "reject;", "OK"])]
        if dice < 0.2:
            groups = ("generic",)
        elif dice < 0.25:
            groups = tuple(_BY_GROUP)
        name = self.pick(_BY_GROUP[self.pick(groups)])
        if name in ("reject", "defer", "permit") and self.chance(0.6):
            name = self.pick(_PERMITS)
        if self.chance(0.03):
            name = name.upper()
        return [*warn, name, *self.argument(name)]

    def argument(self, name: str) -> list[str]:
        """The argument that a restriction needs; sometimes there is none."""
        restriction = RESTRICTIONS[name.lower()]
        kind = restriction.argument
        if kind is Argument.NONE or self.chance(0.01):
            return []
        if kind is Argument.POLICY_SERVICE:
            endpoint = f"unix:private/policy{self.rng.randint(0, 1)}"
            self.tables.setdefault(endpoint, self.pick(v.POLICY_ANSWERS))
            return [endpoint]
        if kind is Argument.SECONDS:
            return [self.pick(["0", "0s", "x"])]
        if kind is Argument.DOMAIN:
            lists = {"rhsbl": v.RHSBLS, "rhswl": v.RHSWLS, "dnswl": v.DNSWLS, "rbl": v.DNSBLS}
            return [self.pick(next(sites for word, sites in lists.items() if word in name.lower()))]
        return [self.table(self.keys(name.lower()))]

    def keys(self, name: str) -> Sequence[str]:
        """What a check_*_access table would hold."""
        if name == "check_sasl_access":
            return ("user", "other", "user@example.org")
        if name in ("check_sender_access", "check_recipient_access"):
            return v.MAIL_KEYS
        if name.endswith("_a_access"):
            return v.ADDRESSES
        if name == "check_helo_access":
            return v.NAMES
        return (*v.NAMES, *v.ADDRESSES)

    def elements(self, name: str, length: int) -> list[str]:
        """The elements of a list."""
        elements = [self.element(_GROUPS[name]) for _ in range(length)]
        if name in ("client", "recipient", "relay") and self.chance(0.4):
            elements.insert(0, ["permit_mynetworks"])
        if name in ("relay", "recipient") and self.chance(0.85 if name == "relay" else 0.3):
            guard = self.pick(["reject_unauth_destination"] * 4 + ["defer_unauth_destination"])
            place = self.rng.randint(0, len(elements)) if self.chance(0.4) else len(elements)
            elements.insert(place, [guard])
        return [" ".join(words) for words in elements]

    # Parameters.

    def params(self) -> dict[str, Any]:
        """main.cf."""
        params: dict[str, Any] = {
            "compatibility_level": self.pick(["3.6"] * 8 + ["2", "0", "3.10"]),
            "myhostname": "mx1.example.org",
            "mydomain": "example.org",
            "myorigin": self.pick(["example.org", "$mydomain", "$myhostname"]),
            "mydestination": self.pick(
                ["example.org", "example.org", "$myhostname, localhost, $mydomain", "/example\\.org"]
            ),
            "mynetworks": self.pick(
                ["127.0.0.0/8 198.51.100.0/24 [::1]/128"] * 6
                + [
                    "127.0.0.0/8",
                    "!198.51.100.3 198.51.100.0/24 127.0.0.0/8",
                    "198.51.100.3/24 127.0.0.1",
                    "",
                    "example.org",
                ]
            ),
            "local_recipient_maps": self.map(["user", "root", "other", "user@example.org", "alias"], ["x"]),
        }
        params |= {name: value for probability, name, value in self.options() if self.chance(probability)}
        if self.chance(0.25):
            for name in self.rng.sample(["strict", "greylist"], self.rng.randint(1, 2)):
                self.classes[name] = []
            for name in self.classes:
                self.classes[name] = self.elements(self.pick(["client", "recipient"]), self.rng.randint(0, 3))
            params["smtpd_restriction_classes"] = ", ".join(self.classes)
            params |= {name: elements for name, elements in self.classes.items() if elements or self.chance(0.1)}
        for name in _LISTS:
            wanted = {"relay": 0.7, "recipient": 0.7, "end_of_data": 0.12, "data": 0.2, "etrn": 0.08}.get(name, 0.35)
            if self.chance(wanted):
                params[f"smtpd_{name}_restrictions"] = self.elements(name, self.rng.choice([0, 1, 1, 2, 2, 3, 4]))
        guards = repr([params.get("smtpd_relay_restrictions"), params.get("smtpd_recipient_restrictions")])
        needed = "smtpd_relay_restrictions" in params or params["compatibility_level"] == "0"
        if needed and "_unauth_destination" not in guards and self.chance(0.85):  # else smtpd mostly does not start
            params.setdefault("smtpd_relay_restrictions", []).append("reject_unauth_destination")
        return params

    def options(self) -> list[tuple[float, str, str]]:
        """(probability, parameter, value) of what changes replies."""
        pick = self.pick
        user = ["user@relay.example", "user@box.example", "user@alias.example", "@relay.example", "alias@example.org"]
        sasl = self.chance(0.3)
        return [
            (0.15, "smtpd_delay_reject", "no"),
            (0.25, "smtpd_helo_required", "yes"),
            (0.06, "soft_bounce", "yes"),
            (0.15, "smtpd_reject_unlisted_sender", "yes"),
            (0.10, "smtpd_reject_unlisted_recipient", "no"),
            (0.15, "smtpd_relay_before_recipient_restrictions", pick(["yes", "no"])),
            (0.5, "relay_domains", pick(["relay.example", "relay.example", "", "inline:{{relay.example = x}}"])),
            (0.3, "relay_recipient_maps", self.map(user, ["x"])),
            (0.4, "virtual_alias_domains", "alias.example"),
            (0.5, "virtual_alias_maps", self.map(user, ["user@example.org", "foreign@example.com", "error"])),
            (0.4, "virtual_mailbox_domains", "box.example"),
            (0.4, "virtual_mailbox_maps", self.map(user, ["box/user/"])),
            (0.1, "canonical_maps", self.map(user, ["other@example.org"])),
            (0.1, "transport_maps", self.map([*v.DOMAINS, "user@example.org", ".example"], _TRANSPORTS)),
            (0.15, "parent_domain_matches_subdomains", pick(["", "smtpd_access_maps", "relay_domains", "mynetworks"])),
            (0.10, "access_map_reject_code", pick(_CODES)),
            (0.06, "access_map_defer_code", pick(["450", "451"])),
            (0.06, "relay_domains_reject_code", pick(_CODES)),
            (0.06, "reject_code", pick(_CODES)),
            (0.06, "defer_code", pick(["450", "451"])),
            (0.06, "maps_rbl_reject_code", pick(_CODES)),
            (0.06, "invalid_hostname_reject_code", pick(_CODES)),
            (0.06, "non_fqdn_reject_code", pick(_CODES)),
            (0.06, "unknown_address_reject_code", pick(_CODES)),
            (0.06, "unknown_client_reject_code", pick(_CODES)),
            (0.06, "unknown_hostname_reject_code", pick(_CODES)),
            (0.06, "unknown_local_recipient_reject_code", pick(_CODES)),
            (0.06, "unverified_sender_reject_code", pick(_CODES)),
            (0.06, "unverified_recipient_reject_code", pick(_CODES)),
            (0.06, "unverified_recipient_reject_reason", "no such address"),
            (0.06, "multi_recipient_bounce_reject_code", pick(_CODES)),
            (0.06, "plaintext_reject_code", pick(_CODES)),
            (0.06, "reject_tempfail_action", pick(["defer", "defer_if_permit"])),
            (0.06, "unknown_helo_hostname_tempfail_action", pick(["defer", "defer_if_permit"])),
            (0.06, "unknown_address_tempfail_action", pick(["defer", "defer_if_permit"])),
            (0.06, "unverified_sender_tempfail_action", pick(["defer", "defer_if_permit"])),
            (0.06, "default_rbl_reply", "$rbl_code Blocked by $rbl_domain for $rbl_what$rbl_reason"),
            (0.06, "rbl_reply_maps", "inline:{{dnsbl.example = 554 5.7.1 $rbl_class [$rbl_what] see $rbl_domain}}"),
            (0.1, "maps_rbl_domains", pick(["dnsbl.example", "none.example, all.example"])),
            (1.0 if sasl else 0.0, "smtpd_sasl_auth_enable", "yes"),
            (1.0 if sasl else 0.0, "smtpd_sasl_type", "dovecot"),
            (1.0 if sasl else 0.0, "smtpd_sasl_path", "private/auth"),
            (
                0.3,
                "smtpd_sender_login_maps",
                self.map(["user@example.org", "someone@example.net", "@example.org"], ["user", "other"]),
            ),
            (0.05, "append_dot_mydomain", "yes"),
            (0.05, "append_at_myorigin", "no"),
            (0.2, "recipient_delimiter", "+"),
            (0.05, "allow_percent_hack", "no"),
            (0.05, "swap_bangpath", "no"),
            (0.05, "resolve_dequoted_address", "no"),
            (0.05, "resolve_null_domain", "yes"),
            (0.05, "strict_rfc821_envelopes", "yes"),
            (0.05, "allow_untrusted_routing", "yes"),
            (0.05, "disable_vrfy_command", "yes"),
            (0.05, "show_user_unknown_table_name", "no"),
            (0.05, "smtpd_null_access_lookup_key", "null"),
            (0.05, "permit_mx_backup_networks", pick(["192.0.2.0/24", "203.0.113.0/24", ""])),
            (0.05, "fast_flush_domains", pick(["", "example.com"])),
            (0.05, "smtpd_reject_footer", "\\c. See https://example.org/"),
            (0.05, "smtpd_banner", "$myhostname ready"),
            (0.03, "address_verify_sender", "probe@example.org"),
            (0.03, "smtpd_authorized_verp_clients", "static:all"),
            (0.03, "message_size_limit", "100000"),
        ]

    def session(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What a client says."""
        session: dict[str, Any] = dict(self.pick(v.CLIENTS))
        if not self.chance(0.06):
            session["helo"] = self.pick(v.HELOS)
        if self.chance(0.1):
            session["ehlo"] = False
        if "smtpd_delay_reject" not in params:  # else the client may have to be judged before it can log in
            session["login"] = self.pick(v.LOGINS)
        session["sender"] = self.pick(v.SENDERS)
        session["rcpts"] = [self.pick(v.RECIPIENTS) for _ in range(self.pick([1, 1, 1, 2, 3]))]
        session["data"] = self.chance(0.35)
        if self.chance(0.04):
            session["vrfy"] = self.pick(v.RECIPIENTS)
        if self.chance(0.04):
            session["etrn"] = self.pick(
                ["example.com", "relay.example", "example.org", "[192.0.2.7]", "bad_name", "#queue"]
            )
            if self.chance(0.7):
                session |= {"sender": None, "rcpts": [], "data": False}
        if self.chance(0.03):
            session["size"] = self.pick([1000, 99999999])
        return complete(session)

    def dns(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The world's DNS, with something changed now and then."""
        data = dict(v.DNS)
        if "smtpd_delay_reject" in params:
            return data  # the client really connects, and must have the names that the session gives it
        if self.chance(0.2):
            data[self.pick(list(data))] = "SERVFAIL"
        if self.chance(0.2):
            del data[self.pick(list(data))]
        return data


_TRANSPORTS: tuple[str, ...] = (
    "smtp:[192.0.2.50]",
    "error:no mail here",
    "error:5.1.6 moved",
    "retry:later",
    "relay:",
    ":",
    "local:",
)


def policy_cases(seed: int, number: int) -> list[Case]:
    """The sessions of the policy ``number`` of a seed."""
    maker = Maker(seed, number)
    params = maker.params()
    sessions = [maker.session(params) for _ in range(SESSIONS_OF_A_POLICY)]
    for address in {address for session in sessions for address in [session["sender"], *session["rcpts"]] if address}:
        if "verif" in repr(params) + repr(maker.tables):
            maker.tables[f"verify:{address}"] = maker.pick(v.VERIFIED)
    dns: Mapping[str, Any] = maker.dns(params)
    return [
        Case(f"seed {seed}, policy {number} ({index})", params, session, None, maker.tables, dns)
        for index, session in enumerate(sessions, 1)
    ]


def cases(seed: int, count: int) -> Iterator[Case]:
    """``count`` cases."""
    for number in range(-(-count // SESSIONS_OF_A_POLICY)):
        for index, case in enumerate(policy_cases(seed, number)):
            if number * SESSIONS_OF_A_POLICY + index < count:
                yield case


__all__ = ["RELEASES", "cases", "policy_cases"]
