# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Each variable is evaluated once, and to the same as without that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._evaluation import Evaluation


class Sealed(str):
    """Text in which no template is looked for."""


class Templates:
    """Evaluates ``{{ name }}`` and ``{{ name or other }}`` as Ansible does: anew wherever it is read."""

    def __init__(self) -> None:
        self.evaluated: Counter[str] = Counter()

    def __call__(self, variables: dict[str, Any]) -> Callable[[Any], Any]:
        def evaluate(raw: Any, inside: tuple[str, ...] = ()) -> Any:
            if isinstance(raw, dict):
                return {key: evaluate(item, inside) for key, item in raw.items()}
            if isinstance(raw, list):
                return [evaluate(item, inside) for item in raw]
            if isinstance(raw, Sealed) or not isinstance(raw, str) or not (found := re.fullmatch(r"{{ (.*) }}", raw)):
                return raw
            self.evaluated[raw] += 1
            name, _or, other = found[1].partition(" or ")
            if name in inside:
                raise RecursionError(name)
            value = evaluate(variables[name], (*inside, name))
            return value or evaluate(variables[other], (*inside, other)) if other else value

        return evaluate


def sealed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [sealed(item) for item in value]
    return Sealed(value) if isinstance(value, str) else value


@pytest.fixture
def templates() -> Templates:
    return Templates()


VARIABLES: dict[str, Any] = {
    "facts": {"release": "13"},
    "domains": ["a.example", "b.example"],
    "first": "{{ domains }}",
    "second": {"of": ["{{ first }}"]},
    "third": ["{{ second }}", "{{ first }}"],
    "release": "{{ facts }}",
    "about": ["{{ release }}", "{{ first }}"],
    "missing": "{{ nowhere }}",
    "sure": "{{ domains or missing }}",
    "loop": "{{ loop }}",
    "there": "{{ and_back }}",
    "and_back": "{{ there }}",
    "any": "{{ vars }}",
    "vars": {"a": 1},
    "brackets": "{{ braces }}",
    "braces": Sealed("{{ domains }}"),
}


@pytest.mark.parametrize("name", [name for name in VARIABLES if name not in ("missing", "loop", "there", "and_back")])
def test_a_value_is_what_it_was_without_being_kept(name: str, templates: Templates) -> None:
    expected = templates(VARIABLES)(VARIABLES[name])
    evaluation = Evaluation(VARIABLES, templates, sealed)
    assert evaluation(VARIABLES[name]) == expected
    assert evaluation(VARIABLES[name]) == expected
    assert evaluation({"other": [VARIABLES[name]]}) == {"other": [expected]}


def test_each_template_is_evaluated_once(templates: Templates) -> None:
    evaluation = Evaluation(VARIABLES, templates, sealed)
    for name in ("third", "second", "first", "third", "about"):
        evaluation(VARIABLES[name])
    # The same template stands in several variables: once for each.
    assert templates.evaluated == {
        "{{ domains }}": 1,
        "{{ first }}": 3,
        "{{ second }}": 1,
        "{{ facts }}": 1,
        "{{ release }}": 1,
    }


@pytest.mark.parametrize(
    ("name", "error"), [("missing", KeyError), ("loop", RecursionError), ("there", RecursionError)]
)
def test_what_has_no_value_fails_each_time(name: str, error: type[Exception], templates: Templates) -> None:
    evaluation = Evaluation(VARIABLES, templates, sealed)
    for _again in range(2):
        with pytest.raises(error):
            evaluation(VARIABLES[name])
    assert evaluation(VARIABLES["sure"]) == ["a.example", "b.example"]


def test_only_what_is_made_of_another_value_is_evaluated_again(templates: Templates) -> None:
    evaluation = Evaluation(VARIABLES, templates, sealed)
    for name in ("third", "about", "any"):
        evaluation(VARIABLES[name])
    templates.evaluated.clear()
    other = evaluation.given({"facts": {"release": "12"}, "domains": ["a.example", "b.example"], "unknown": 1})
    assert other(VARIABLES["about"]) == [{"release": "12"}, ["a.example", "b.example"]]
    assert other(VARIABLES["third"]) == evaluation(VARIABLES["third"])
    assert templates.evaluated == {"{{ facts }}": 1, "{{ release }}": 1, "{{ first }}": 1}
    assert other(VARIABLES["any"]) == {"a": 1} and templates.evaluated["{{ vars }}"] == 1
    assert evaluation(VARIABLES["about"])[0] == {"release": "13"}


def test_a_value_given_replaces_what_was_found(templates: Templates) -> None:
    evaluation = Evaluation(VARIABLES, templates, sealed)
    evaluation(VARIABLES["third"])
    other = evaluation.given({"first": ["{{ domains }}"]})
    assert other(["{{ second }}"]) == [{"of": [["{{ domains }}"]]}]


def test_values_that_are_known_already_change_nothing(templates: Templates) -> None:
    evaluation = Evaluation(VARIABLES, templates, sealed)
    found = {name: evaluation(VARIABLES[name]) for name in ("domains", "first", "third")}
    assert evaluation.given(found) is evaluation
