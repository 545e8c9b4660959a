# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people write in YAML, turned into the engine's types: all mistakes at once, harmless variants forgiven."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import counted, did_you_mean, listed, shown
from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import lint
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    DnsData,
    Finding,
    PolicyError,
    Session,
    TableContent,
    Version,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import lenient, main_cf
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.rich import normalise

OLDEST = (3, 4)
_TRUE, _FALSE = ("yes", "true", "on", "1"), ("no", "false", "off", "0", "")
_RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "TXT")
# What people call the service they mean, and how master.cf may name it.
_PORTS = ({"smtp", "25"}, {"submission", "587"}, {"submissions", "smtps", "465"})


def explained(problems: Sequence[str]) -> str:
    """One text of several problems: a single one as it is, more as a numbered list."""
    if len(problems) == 1:
        return problems[0]
    entries = [problem.replace("\n", "\n     ") for problem in problems]
    lines = [f"{number:>3}. {entry}" for number, entry in enumerate(entries, start=1)]
    return "\n".join([f"{counted(len(problems), 'mistake')}:", *lines])


@dataclass(frozen=True)
class Question:
    """What a session is asked of."""

    policy: Policy
    session: Session
    dns: DnsData


def policy(params: Any, version: Any = "3.10", tables: Any = None, master: Any = None) -> Policy:
    """:raises PolicyError: with everything that could not be read"""
    reader = Reader()
    found = reader.policy(params, version, tables, master)
    reader.finish()
    if found is None:
        raise AssertionError("finish() raises where nothing was found")
    return found


def findings(params: Any, version: Any = "3.10", tables: Any = None, master: Any = None) -> list[Finding]:
    """What is wrong with a policy, the worst first; lines that Postfix cannot read are findings as well.

    :raises PolicyError: with everything that is no policy at all
    """
    problems: list[Finding] = []
    if isinstance(params, str) and "=" in params:
        parsed, problems = lenient.main(params)
        params = dict(parsed.parameters)
    if isinstance(master, list) and all(isinstance(line, str) for line in master):
        master = "\n".join(master)
    if isinstance(master, str) and master.strip():
        master, more = lenient.master(master)
        problems = [*problems, *more]
    found = [*problems, *lint(policy(params, version, tables, master))]
    return sorted(found, key=lambda finding: finding.severity.rank)


def question(
    params: Any, session: Any, version: Any = "3.10", tables: Any = None, dns: Any = None, master: Any = None
) -> Question:
    """:raises PolicyError: with everything that could not be read"""
    reader = Reader()
    found = reader.policy(params, version, tables, master)
    services = [service.key for service in found.smtpd_services()] if found else []
    said = reader.session(session, services)
    data = reader.dns(dns)
    reader.finish()
    if found is None or said is None:
        raise AssertionError("finish() raises where nothing was found")
    return Question(found, said, data)


class Reader:
    """Reads several inputs and keeps every problem, so that an administrator mends them in one go."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def finish(self) -> None:
        """:raises PolicyError: something could not be read; the text lists everything that could not"""
        if self.problems:
            raise PolicyError(explained(self.problems))

    def wrong(self, where: str, problem: str, fix: str = "") -> None:
        self.problems.append(f"{where}: {problem}" + (f". {fix}" if fix else ""))

    @staticmethod
    def kind(value: Any) -> str:
        """What a value is, for somebody who writes YAML."""
        return _kind(value)

    # --- The policy ---

    def policy(self, params: Any, version: Any = "3.10", tables: Any = None, master: Any = None) -> Policy | None:
        """The policy, or None where a part of it could not be read."""
        before = len(self.problems)
        number = self.version(version)
        parameters = self.parameters(params)
        contents = self.tables(tables)
        services = self.master(master)
        if len(self.problems) > before or number is None:
            return None
        try:
            return Policy.of(parameters, version=number, tables=contents, master=services)
        except PolicyError as error:
            self.problems += str(error).splitlines()
            return None

    def version(self, value: Any) -> Version | None:
        """Major and minor number of ``3.10``, ``3.10.13`` or a package's ``3.10.5-1+deb13u1``."""
        if isinstance(value, float) and not isinstance(value, bool):
            major, minor = (int(part) for part in str(value).split(".")[:2]) if "e" not in str(value) else (0, 0)
            if (major, minor) == (3, 1):
                self.wrong("version", "it is the number 3.1: YAML drops the zero of 3.10", 'Write: version="3.10"')
                return None
            value = str(value)
        match = re.match(r"(\d+)\.(\d+)(?![0-9])", str(value)) if isinstance(value, str) else None
        if not match:
            self.wrong("version", f"{shown(value)} is no version of Postfix", 'Write for example: version="3.10"')
            return None
        number = (int(match[1]), int(match[2]))
        if number < OLDEST:
            self.wrong("version", f"Postfix {_dotted(number)} is not known here, only {_dotted(OLDEST)} and later")
            return None
        return number

    def parameters(self, value: Any) -> dict[str, str | list[str]]:
        """main.cf as a dictionary, or as its own text. A parameter whose value is None counts as not set."""
        if isinstance(value, str) and "=" in value:
            return self._main_cf(value)
        if not isinstance(value, Mapping):
            fix = "Write: {'smtpd_relay_restrictions': ['permit_mynetworks', 'reject_unauth_destination']}"
            self.wrong("params", f"it must be a dictionary of main.cf parameters, and it is {_kind(value)}", fix)
            return {}
        parameters: dict[str, str | list[str]] = {}
        for name, given in value.items():
            if not isinstance(name, str) or not name.strip() or re.search(r"[\s=]", name):
                self.wrong("params", f"{shown(name)} is no parameter name")
            elif given is not None:
                parameters[name] = self._parameter(name, given)
        return parameters

    def _main_cf(self, text: str) -> dict[str, str | list[str]]:
        try:
            return dict(main_cf.parse(text).parameters)
        except PolicyError as error:
            self.problems += str(error).splitlines()
            return {}

    def _parameter(self, name: str, value: Any) -> str | list[str]:
        if isinstance(value, list):
            if any(isinstance(item, Mapping) for item in value):
                return self._rich(name, value)
            texts = [self._scalar(f"params.{name}[{index}]", item) for index, item in enumerate(value)]
            return [text for text in texts if text.strip()]
        return self._scalar(f"params.{name}", value)

    def _rich(self, name: str, value: list[Any]) -> list[str]:
        texts, mistakes = normalise(value)
        for mistake in mistakes:
            self.problems.append(f"params.{name}: {mistake}")
        return texts

    def _scalar(self, where: str, value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float) and re.fullmatch(r"\d+\.1", str(value)):
            self.wrong(where, f"it is the number {value}: YAML drops a zero at the end", "Put it in quotes")
            return ""
        if isinstance(value, int | float):
            return str(value)
        if isinstance(value, str):
            return value
        what = "it has no value (null)" if value is None else f"it is {_kind(value)}"
        self.wrong(where, f"it must be text, a number, true, false or a list of texts, and {what}")
        return ""

    def tables(self, value: Any) -> dict[str, TableContent]:
        """Contents of tables by ``type:name`` or path."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            example = "Write: tables={'lmdb:/etc/postfix/clients': {'192.0.2.1': 'OK'}}"
            self.wrong("tables", f"it must be a dictionary, name: content, and it is {_kind(value)}", example)
            return {}
        return {str(name): self._table(f"tables[{str(name)!r}]", content) for name, content in value.items()}

    def _table(self, where: str, content: Any) -> TableContent:
        if isinstance(content, str):
            return content
        if not isinstance(content, Mapping):
            advice = "Write the text of its file, or key: result pairs; '' is an empty table"
            self.wrong(where, f"its content must be text or a dictionary, and it is {_kind(content)}", advice)
            return ""
        return {str(key): self._result(f"{where}[{str(key)!r}]", result) for key, result in content.items()}

    def _result(self, where: str, result: Any) -> str:
        if isinstance(result, bool):
            self.wrong(where, f"YAML reads yes, no, on and off without quotes as {shown(result)}", "Put it in quotes")
            return ""
        if isinstance(result, list):
            return ", ".join(self._result(f"{where}[{index}]", item) for index, item in enumerate(result))
        if isinstance(result, str | int | float):
            return str(result)
        self.wrong(where, f"the result must be text, and it is {_kind(result)}", "Write for example: REJECT")
        return ""

    def master(self, value: Any) -> str | list[Any] | None:
        """master.cf as its text, or as a list of lines and of dictionaries as in ``postfix_services_extra``."""
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, list):
            advice = "Give the text of master.cf, or a list of its services"
            self.wrong("master", f"it must be text or a list, and it is {_kind(value)}", advice)
            return None
        services: list[Any] = []
        for index, item in enumerate(value):
            if isinstance(item, str) or (isinstance(item, Mapping) and {"name", "type"} <= set(item)):
                services.append(item)
            elif isinstance(item, Mapping):
                missing = listed({"name", "type"} - set(item)).replace(" or ", " and ")
                self.wrong(f"master[{index}]", f"{missing} missing", "Write: {name: smtp, type: inet, command: smtpd}")
            else:
                self.wrong(f"master[{index}]", f"it must be a line of master.cf or a dictionary, not {_kind(item)}")
        return services

    # --- The session and its world ---

    def session(self, value: Any, services: Collection[str] = ()) -> Session | None:
        """:param services: smtpd's services by their name in ``postconf -M``; empty: not known, so not checked"""
        if not isinstance(value, Mapping):
            example = "Write: {'addr': '203.0.113.7', 'sender': 'a@example.com', 'rcpts': ['b@example.org']}"
            self.wrong("session", f"it must be a dictionary, and it is {_kind(value)}", example)
            return None
        before = len(self.problems)
        given: dict[str, Any] = {}
        for key, item in value.items():
            read = _SESSION.get(str(key))
            if read is None:
                guess = did_you_mean(_ALIASES.get(str(key).lower(), str(key)), _SESSION, 0.6)
                self.wrong(f"session.{key}", f"there is no such key{guess}", f"Known keys: {', '.join(_SESSION)}")
            elif str(key) == "service":
                given["service"] = self._service(item, services)
            elif item is not None or str(key) in _NULLABLE:
                given[str(key)] = read(self, f"session.{key}", item)
        if "service" not in given:
            given["service"] = self._service("smtp/inet", services)
        return Session(**given) if len(self.problems) == before else None

    def _service(self, value: Any, services: Collection[str]) -> str:
        """The service of that name or port, on whatever address; behind postscreen the one that it passes to."""
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        name, _slash, kind = text.partition("/")
        names = {name}.union(*(port for port in _PORTS if name in port))
        if not services or f"{name}/{kind or 'inet'}" in services:
            return f"{name}/{kind or 'inet'}"
        found = [key for key in services if key.partition("/")[0].rpartition(":")[2] in names]
        if not found and "smtp" in names:
            found = [key for key in services if key.endswith("/pass")]
        if found:
            return found[0]
        known = ", ".join(services)
        self.wrong("session.service", f"no smtpd is the service {shown(value)}", f"There is {known}")
        return "smtp/inet"

    def _text(self, where: str, value: Any) -> str:
        if isinstance(value, str):
            if re.search(r"[\r\n]", value.strip("\r\n")):
                self.wrong(where, "it has several lines, and a command has one")
            return value.strip("\r\n")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        self.wrong(where, f"it must be text, and it is {_kind(value)}")
        return ""

    def _optional(self, where: str, value: Any) -> str | None:
        return None if value is None else self._text(where, value)

    def _login(self, where: str, value: Any) -> str:
        return "" if value is None or value is False else self._text(where, value)

    def _name(self, where: str, value: Any) -> str:
        return self._text(where, value) or "unknown"

    def _address(self, where: str, value: Any) -> str:
        text = self._text(where, value).strip()
        bare = re.sub(r"^IPv6:", "", text.removeprefix("[").removesuffix("]"), flags=re.IGNORECASE)
        try:
            ipaddress.ip_address(bare.partition("%")[0])
        except ValueError:
            advice = "Write for example: 203.0.113.7; the client's name goes into session.name"
            self.wrong(where, f"{shown(value)} is no IP address", advice)
        return bare

    def _path(self, where: str, value: Any) -> str | None:
        """An address as it stands between ``<`` and ``>``, which may be written around it."""
        if value is None:
            return None
        text = self._text(where, value)
        return text[1:-1] if re.fullmatch(r"<[^<>]*>", text) else text

    def _recipients(self, where: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, Mapping):
            self.wrong(where, "it must be a list of addresses, and it is a dictionary")
            return ()
        if not isinstance(value, list):
            value = [value] if value is not None else []
        paths = (self._path(f"{where}[{index}]", "" if item is None else item) for index, item in enumerate(value))
        return tuple(path for path in paths if path is not None)

    def _truth(self, where: str, value: Any) -> bool:
        text = str(value).lower()
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        self.wrong(where, f"it must be true or false, and it is {shown(value)}")
        return False

    def _number(self, where: str, value: Any) -> int:
        text = str(value)
        if text.isdecimal():
            return int(text)
        self.wrong(where, f"it must be a number of octets, and it is {shown(value)}")
        return 0

    def dns(self, value: Any) -> dict[str, Any]:
        """What names resolve to; see :data:`DnsData`."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            example = "Write: dns={'example.org': {'MX': ['10 mx.example.org']}}"
            self.wrong("dns", f"it must be a dictionary, and it is {_kind(value)}", example)
            return {}
        data: dict[str, Any] = {}
        for name, answers in value.items():
            where = f"dns[{str(name)!r}]"
            if isinstance(answers, str) and answers.upper() == "NXDOMAIN":
                continue
            data[str(name)] = self._answers(where, answers)
        return data

    def _answers(self, where: str, answers: Any) -> Any:
        if isinstance(answers, str) and answers.upper() == "SERVFAIL":
            return "SERVFAIL"
        if not isinstance(answers, Mapping):
            example = "Write: {'A': ['192.0.2.1']}, or 'SERVFAIL'"
            self.wrong(where, f"it must be a dictionary, type: values, and it is {shown(answers)}", example)
            return {}
        result: dict[str, Any] = {}
        for kind, values in answers.items():
            name = str(kind).upper()
            if name not in _RECORD_TYPES:
                self.wrong(where, f"there is no record type {shown(kind)} here", f"Known are {listed(_RECORD_TYPES)}")
            elif isinstance(values, str) and values.upper() == "SERVFAIL":
                result[name] = "SERVFAIL"
            else:
                items = values if isinstance(values, list) else [] if values is None else [values]
                result[name] = [self._text(f"{where}.{name}[{index}]", item) for index, item in enumerate(items)]
        return result


_Read = Callable[[Reader, str, Any], Any]
_SESSION: Mapping[str, _Read] = {
    "addr": Reader._address,
    "name": Reader._name,
    "reverse": Reader._optional,
    "helo": Reader._optional,
    "ehlo": Reader._truth,
    "login": Reader._login,
    "sender": Reader._path,
    "rcpts": Reader._recipients,
    "data": Reader._truth,
    "service": Reader._text,
    "vrfy": Reader._optional,
    "etrn": Reader._optional,
    "size": Reader._number,
    "tls": Reader._truth,
}
_NULLABLE = ("reverse", "helo", "sender", "vrfy", "etrn", "login", "rcpts")
# Other tools' words for the same thing: Postfix's policy protocol, swaks, RFC 5321.
_ALIASES = {
    "client": "addr",
    "client_address": "addr",
    "ip": "addr",
    "client_name": "name",
    "reverse_client_name": "reverse",
    "ptr": "reverse",
    "helo_name": "helo",
    "sasl_username": "login",
    "user": "login",
    "from": "sender",
    "mail_from": "sender",
    "to": "rcpts",
    "recipient": "rcpts",
    "recipients": "rcpts",
    "rcpt_to": "rcpts",
    "port": "service",
}


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _kind(value: Any) -> str:
    """What a value is, for somebody who writes YAML."""
    if value is None:
        return "empty (null)"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, list | tuple):
        return "a list"
    return f"the number {value}" if isinstance(value, int | float) else type(value).__name__
