# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host's inputs: evaluated, held against specifications and rules, and told without repeating consequences."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils import _rules, _rules_policy
from ansible_collections.postern.mail.plugins.plugin_utils._findings_cache import FindingsCache
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import (
    Inventory,
    ReadPolicy,
    UnknownPolicyError,
)
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, closest
from ansible_collections.postern.mail.plugins.plugin_utils._plain import UNKNOWN, plain
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_policy import whole_lists
from ansible_collections.postern.mail.plugins.plugin_utils._rules_names import misspelt, without_consequences
from ansible_collections.postern.mail.plugins.plugin_utils._specs import (
    ALWAYS,
    Check,
    Collection,
    check_options,
    is_secret,
)

# A raw value, and values by name that need not be evaluated again.
Evaluate = Callable[[Any, Mapping[str, Any]], Any]

POLICY = "__postfix_policy"  # the role's own; what is made of all others

_UNDEFINED = re.compile(r"'([A-Za-z_]\w*)' is undefined")


@dataclass(frozen=True)
class HostVariables:
    """A host's variables, and how to read them.

    :param raw: by name, templates not yet evaluated
    :param evaluate: turns a raw value into plain data; raises any exception where it cannot
    :param check: ansible-core's judgement of one value
    :param foreign: names that are facts or were made by earlier tasks
    :param facts_known: whether facts were gathered
    :param source: file and line that a raw value was read from, empty where that is not known
    :param platforms: by name, what evaluates a raw value as on that platform; the first is the host's own or assumed
    :param all_platforms: judge for each of them
    :param cache: what was found in policies before
    """

    raw: Mapping[str, Any]
    evaluate: Callable[[Any], Any]
    check: Check
    foreign: frozenset[str] = frozenset()
    facts_known: bool = True
    source: Callable[[Any], str] = lambda raw: ""
    platforms: Mapping[str, Evaluate] = field(default_factory=dict)
    all_platforms: bool = False
    cache: FindingsCache = field(default_factory=FindingsCache)

    @property
    def hostname(self) -> str:
        """mail_hostname, or an empty string where it is not known."""
        try:
            value = self.evaluate(self.raw.get("mail_hostname"))
        except Exception:
            return ""
        return value if isinstance(value, str) else ""


def check_host(collection: Collection, host: HostVariables) -> list[Mistake]:
    """All mistakes of one host, the most fundamental first."""
    inventory, mistakes, changed = _read(collection, host)
    mistakes += _rules.check(inventory)
    told = _without_echoes(without_consequences(mistakes), changed - collection.play_variables)
    return [replace(mistake, source=_source(host, mistake)) for mistake in told]


def check_policy(collection: Collection, host: HostVariables) -> list[Mistake]:
    """What the restriction engine alone has against a host whose other inputs were checked before."""
    inventory, _mistakes, _changed = _read(collection, host)
    told = _rules.check(inventory, _rules_policy.RULES)
    return [replace(mistake, source=_source(host, mistake)) for mistake in told]


def _read(collection: Collection, host: HostVariables) -> tuple[Inventory, list[Mistake], frozenset[str]]:
    """The inventory, what is wrong with each of its values, and the names of those that are the user's own."""
    reader = _Reader(host)
    options = _options(collection, host, reader)
    values = {name: reader.read(name, spec) for name, spec in options.items() if name in host.raw}
    extra = {name: reader.read(name, {}) for name in ("mail_tls_profiles", "postfix_main_cf_extra") if name in host.raw}
    present = {name: value for name, value in {**extra, **values}.items() if value is not UNKNOWN}
    changed = frozenset(name for name in host.raw if _is_changed(collection, name, host.raw[name]))
    inventory = Inventory(present, changed, collection.features)
    known = {name: name in changed for name in collection.names}
    mistakes = [
        *reader.mistakes,
        *_missing(options, host),
        *misspelt(_defined(host), known, collection.prefixes, _exempt(inventory)),
        *check_options(options, present, host.check),
    ]
    platforms = _platforms(host, present, mistakes)
    judged = replace(inventory, platforms=platforms, all_platforms=host.all_platforms, cache=host.cache)
    return judged, mistakes, changed


# What makes other findings meaningless: the value is not what it was meant to be.
_MALFORMED = frozenset({"evaluation", "missing", "type", "choice", "empty", "unknown-key"})


def _platforms(host: HostVariables, values: Mapping[str, Any], mistakes: Sequence[Mistake]) -> dict[str, ReadPolicy]:
    """What makes the policy of the variables; nothing where those are malformed, or a mistake would be told twice."""
    wrong = {mistake.variable for mistake in mistakes if mistake.rule in _MALFORMED and mistake.severity == "error"}
    wrong -= {"postfix_accept_findings"}  # no part of the policy
    if POLICY not in host.raw or any(variable.startswith("postfix_") for variable in wrong):
        return {}
    unsure = {mistake.variable for mistake in mistakes if mistake.rule in _MALFORMED}
    whole = whole_lists(values)
    # Only the first platform is the one that these were evaluated on.
    first = {name: value for name, value in values.items() if name not in unsure} | whole
    known = itertools.chain([first], itertools.repeat(whole))

    def reader(evaluate: Evaluate, values: Mapping[str, Any]) -> ReadPolicy:
        def read() -> Mapping[str, Any]:
            try:
                data: Mapping[str, Any] = evaluate(host.raw[POLICY], values)
            except Exception as error:
                if unsure:  # it follows from a mistake that is told, or from facts that are not known yet
                    raise UnknownPolicyError from error
                raise PolicyError(_words(str(error))) from error
            return data

        return read

    return {name: reader(evaluate, next(known)) for name, evaluate in host.platforms.items()}


def _source(host: HostVariables, mistake: Mistake) -> str:
    """Where the value stands in the inventory, or as near to it as is known."""
    raw = host.raw.get(mistake.variable)
    found = host.source(raw)
    for key, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", mistake.element):
        if isinstance(raw, Mapping) and key in raw:
            raw = raw[key]
        elif isinstance(raw, list) and index and int(index) < len(raw):
            raw = raw[int(index)]
        else:
            break
        found = host.source(raw) or found
    return found


def _options(collection: Collection, host: HostVariables, reader: _Reader) -> dict[str, dict[str, Any]]:
    """The variables that the enabled roles declare; those of all roles while it is not known which are enabled."""
    try:
        features = host.evaluate(host.raw.get("mail_features"))
    except Exception:
        features = None
    enabled = set(features) if isinstance(features, list) and all(isinstance(name, str) for name in features) else None
    roles = [role for role in collection.roles.values() if enabled is None or role.name in ALWAYS | enabled]
    roles.sort(key=lambda role: role.name != "mail")
    return {name: spec for role in roles for name, spec in role.options.items()}


def _is_changed(collection: Collection, name: str, raw: Any) -> bool:
    """Whether a variable has another value than the role gives it."""
    if name not in collection.defaults:
        return True
    try:
        return bool(plain(raw) != collection.defaults[name])
    except Exception:  # a secret that cannot be decrypted is no default of ours
        return True


def _defined(host: HostVariables) -> list[str]:
    return [name for name in host.raw if isinstance(name, str) and name not in host.foreign]


def _exempt(inventory: Inventory) -> list[str]:
    return [pattern for _index, pattern in inventory.texts("mail_own_variables")]


def _missing(options: Mapping[str, Mapping[str, Any]], host: HostVariables) -> Iterator[Mistake]:
    for name, spec in options.items():
        if spec.get("required") and name not in host.raw:
            example = _as_yaml(spec.get("example", "..."))
            yield Mistake(
                "missing", name, "it is not set, and nobody can guess it", f"Write for example: {name}: {example}"
            )


def _as_yaml(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _without_echoes(mistakes: list[Mistake], set_by_user: frozenset[str]) -> list[Mistake]:
    """Leave out what follows from another mistake: a default cannot be right while its source is wrong."""
    own = [m for m in mistakes if m.variable in set_by_user or m.rule not in ("evaluation", "type", "choice", "empty")]
    return own if any(mistake.severity == "error" for mistake in own) else mistakes


class _Reader:
    """Evaluates variables and finds the place inside where that fails."""

    def __init__(self, host: HostVariables) -> None:
        self.host = host
        self.mistakes: list[Mistake] = []

    def read(self, name: str, spec: Mapping[str, Any]) -> Any:
        return self._read(name, self.host.raw[name], "", spec)

    def _read(self, name: str, raw: Any, element: str, spec: Mapping[str, Any]) -> Any:
        try:
            return self.host.evaluate(raw)
        except Exception as error:
            if isinstance(raw, Mapping) and raw:
                options = spec.get("options") or {}
                return {key: self._read(name, raw[key], f"{element}.{key}", options.get(key, spec)) for key in raw}
            if isinstance(raw, list) and raw:
                return [self._read(name, item, f"{element}[{index}]", spec) for index, item in enumerate(raw)]
            self.mistakes.append(self._mistake(name, element, str(error), spec, raw))
            return UNKNOWN

    def _mistake(self, name: str, element: str, message: str, spec: Mapping[str, Any], raw: Any) -> Mistake:
        template = raw if isinstance(raw, str) else ""
        if not self.host.facts_known and "ansible_" in f"{message} {template}":
            reason = "it depends on facts of the host, which are not gathered yet: it was not checked"
            fix = "Nothing, if the host has that fact; a fixed value can be checked before the host is touched"
            return Mistake("evaluation", name, reason, fix, element, severity="warning")
        reason, fix = self._explained(name, message, template) or ("it cannot be evaluated", _CORRECT)
        if fix == _CORRECT and not is_secret(spec):
            reason += f": {_words(message)}"
        return Mistake("evaluation", name, reason, fix, element)

    def _explained(self, name: str, message: str, template: str) -> tuple[str, str] | None:
        """Reason and fix of what often happens, in words that repeat nothing of a template: it may hold a password."""
        if re.search(rf"\{{\{{[^}}]*\b{re.escape(name)}\b", template) or "ecursi" in message:
            return "it refers to itself", "Write the value"
        if undefined := _UNDEFINED.search(message):
            missing = undefined[1]
            guess = closest(missing, [str(key) for key in self.host.raw])
            also = f" (did you mean {guess}?)" if guess else ""
            return f"it refers to {missing}, which is not defined{also}", f"Define {missing}, or correct its name"
        if re.search(r"vault|decrypt", message, re.IGNORECASE):
            reason = "it is encrypted, and Ansible cannot decrypt it"
            return reason, "Give the vault password: --ask-vault-pass or --vault-password-file"
        return None


_CORRECT = "Correct the expression between {{ and }}"


def _words(message: str) -> str:
    """The end of Ansible's chain of messages, without the template that older versions repeat."""
    last = message.split("original message:")[-1].partition(" String: ")[0]
    return " ".join(last.split())[:200].rstrip(". ")
