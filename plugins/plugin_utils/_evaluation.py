# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's variables, each evaluated once.

Ansible evaluates a variable anew wherever it is read, and all that it is made of: the policy of Postfix alone would
evaluate some variables dozens of times, on each platform.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain

# Makes of variables, whose values may still change afterwards, what evaluates a raw value with them.
Templates = Callable[[dict[str, Any]], Callable[[Any], Any]]

_WORD = re.compile(r"[A-Za-z_]\w*")
# What reads variables whose names need not stand in the template.
_ANY_VARIABLE = frozenset({"vars", "hostvars", "varnames"})


class Evaluation:
    """Evaluates raw values. What a variable was found to be stands in place of its template from then on.

    :param variables: by name, templates not yet evaluated
    :param templates: makes what evaluates with given variables
    :param sealed: makes data of a value that no template is looked for in any more
    """

    def __init__(self, variables: Mapping[str, Any], templates: Templates, sealed: Callable[[Any], Any]) -> None:
        self._raw = dict(variables)
        self._available = dict(variables)
        self._templates, self._sealed = templates, sealed
        self._template = templates(self._available)
        self._values: dict[str, Any] = {}
        self._reads: dict[str, frozenset[str]] = {}  # by name of a variable, those that stand in its templates
        self._names = {id(raw): name for name, raw in self._raw.items()}  # objects that live as long as this one

    def __call__(self, raw: Any) -> Any:
        """The plain value; whatever Ansible raises where there is none."""
        name = self._names.get(id(raw))
        if name is not None:
            self._keep(name)
            if name in self._values:
                return self._values[name]
        for need in set(self._read_in(raw)):
            self._keep(need)
        return plain(self._template(raw))

    def given(self, values: Mapping[str, Any]) -> Evaluation:
        """The same with other values of some variables: what is not made of them need not be evaluated again."""
        other = {name: value for name, value in values.items() if not self._is(name, value)}
        if not other:
            return self
        new = Evaluation({**self._raw, **self._sealed(other)}, self._templates, self._sealed)
        for name, value in self._values.items():
            if name not in other and self._made_of(name).isdisjoint(other.keys() | _ANY_VARIABLE):
                new._found(name, value)
                new._reads[name] = self._reads[name]
        return new

    def _is(self, name: str, value: Any) -> bool:
        """Whether it is known that a variable has this value."""
        if name in self._values:
            return bool(self._values[name] == value)
        return name in self._raw and not _has_template(self._raw[name]) and bool(plain(self._raw[name]) == value)

    def _made_of(self, name: str) -> set[str]:
        """Names of all variables that may be read for this one."""
        found: set[str] = set()
        ahead = [name]
        while ahead:
            new = self._reads.get(ahead.pop(), frozenset()) - found
            found |= new
            ahead += new
        return found

    def _keep(self, name: str) -> None:
        """Evaluate a variable for all who read it, after what it is made of."""
        if name in self._reads or name in _ANY_VARIABLE or not _has_template(self._raw[name]):
            return
        self._reads[name] = frozenset(self._read_in(self._raw[name]))  # known from now on: it may read itself
        for need in self._reads[name]:
            self._keep(need)
        try:
            self._found(name, plain(self._template(self._raw[name])))
        except Exception:  # told by whoever reads it, if anybody does
            return

    def _found(self, name: str, value: Any) -> None:
        self._values[name] = value
        self._available[name] = self._sealed(value)

    def _read_in(self, raw: Any) -> Iterator[str]:
        """Names of variables that templates in a value may read."""
        for text in _texts(raw):
            if _is_template(text):
                yield from (word for word in _WORD.findall(text) if word in self._raw or word in _ANY_VARIABLE)


def _has_template(raw: Any) -> bool:
    return any(_is_template(text) for text in _texts(raw))


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def _texts(raw: Any) -> Iterator[str]:
    if isinstance(raw, str):
        yield raw
    elif isinstance(raw, Mapping):
        for item in raw.values():
            yield from _texts(item)
    elif isinstance(raw, list | tuple):
        for item in raw:
            yield from _texts(item)
