"""Rules every role keeps."""

from __future__ import annotations

import re
from typing import Any

import pytest
from model import FEATURES, ROLES, ROOT, Role, load

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
each_feature = pytest.mark.parametrize("role", FEATURES, ids=lambda role: role.name)

MAX_TASK_LINES = 60
FREE_MODULES = {
    "ansible.builtin.set_fact",
    "set_fact",
    "ansible.builtin.shell",
    "shell",
    "ansible.builtin.include_vars",
}


@each_role
def test_every_default_is_described_and_every_optional_option_has_a_default(role: Role) -> None:
    optional = {name for name, option in role.options.items() if not option.get("required")}
    assert set(role.defaults) == optional


@each_role
def test_defaults_and_their_description_agree(role: Role) -> None:
    described = {name: option.get("default") for name, option in role.options.items() if not option.get("required")}
    assert role.defaults == described


@each_role
def test_public_names_begin_with_the_role(role: Role) -> None:
    names = [*role.options, *role.defaults, *role.vars]
    assert [name for name in names if not re.match(rf"(__)?{role.name}_", name)] == []


def _options(options: dict[str, dict[str, Any]], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, option in options.items():
        found.append((f"{path}{name}", option))
        found += _options(option.get("options", {}), f"{path}{name}.")
    return found


@each_role
def test_every_option_says_what_it_is(role: Role) -> None:
    silent = [
        name for name, option in _options(role.options) if not option.get("description") or not option.get("type")
    ]
    assert silent == []


@each_role
def test_secrets_are_marked(role: Role) -> None:
    options = _options(role.options)
    unmarked = [
        name for name, option in options if re.search(r"(password|secret|salt)\w*$", name) and "no_log" not in option
    ]
    assert unmarked == []


@each_feature
def test_a_feature_role_names_no_other_feature_role(role: Role) -> None:
    others = [other.name for other in FEATURES if other is not role]
    mine = re.escape(role.name)
    strangers = [
        f"{path.relative_to(ROOT)}:{number}: {match.group(0)}"
        for path in role.files(
            "defaults/**/*.yml", "vars/**/*.yml", "tasks/**/*.yml", "templates/**/*", "handlers/**/*.yml"
        )
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        # a variable of another role; "<mine>_<other>" is what this role publishes to the other one
        for match in re.finditer(rf"(?<![\w.])(?!{mine}_)(?:__)?(?:{'|'.join(others)})_\w+", line)
    ]
    # mail's own variables may have such a name inside (mail_sockets.header_guard), and so may an option of a daemon.
    variables = {name for other in FEATURES if other is not role for name in [*other.defaults, *other.vars]}
    assert [stranger for stranger in strangers if stranger.rsplit(": ", 1)[1] in variables] == []


@each_feature
@pytest.mark.parametrize("literal", ["TLSv1", "ECDHE", "/var/spool/postfix"])
def test_shared_policy_stands_in_the_mail_role_only(role: Role, literal: str) -> None:
    places = [
        str(path.relative_to(ROOT))
        for path in role.files("defaults/**/*", "vars/**/*", "tasks/**/*", "templates/**/*", "files/**/*", "meta/**/*")
        if literal in path.read_text(encoding="utf-8")
    ]
    assert places == []


@each_role
def test_task_files_are_short(role: Role) -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in role.files("tasks/**/*.yml")}
    assert {name: length for name, length in lengths.items() if length > MAX_TASK_LINES} == {}


@each_role
def test_tasks_use_modules_that_tell_the_truth(role: Role) -> None:
    """No set_fact over an input, no shell where a module serves, no variables loaded by a task."""
    used = {key for task in role.tasks for key in task}
    assert used & FREE_MODULES == set()


@each_role
def test_tasks_differ_by_data_not_by_distribution(role: Role) -> None:
    conditions = [str(task.get("when", "")) for task in role.tasks]
    assert [condition for condition in conditions if "distribution" in condition] == []


@each_role
def test_every_task_carries_the_tag_of_its_role(role: Role) -> None:
    untagged = [task["name"] for task in role.tasks if not {role.name, "always"} & set(task.get("tags", []))]
    assert untagged == []


@each_role
def test_what_a_role_publishes_has_the_form_its_consumer_declares(role: Role) -> None:
    publishes = role.path / "vars/main/publishes.yml"
    consumers = {
        consumer.name: consumer.options[f"{consumer.name}_contributions"]["options"] for consumer in _consumers()
    }
    mail = {each.name: each for each in ROLES}["mail"]
    consumers["certificate"] = mail.options["mail_certificate_consumers"]["options"]
    for name, contribution in (load(publishes) if publishes.exists() else {}).items():
        consumer = name.removeprefix(f"{role.name}_")
        assert consumer in consumers, f"{name}: nobody consumes it"
        assert contribution["name"] == role.name
        unknown = set(contribution) - set(consumers[consumer])
        assert unknown == set(), f"{name}: {consumer} does not know {unknown}"


def _consumers() -> list[Role]:
    return [role for role in ROLES if f"{role.name}_contributions" in role.options]


def test_contributions_are_consumed_and_published_by_somebody() -> None:
    assert {role.name for role in _consumers()} == {"certbot", "certificate_watch", "dns", "dovecot", "postfix"}
    assert any((role.path / "vars/main/publishes.yml").exists() for role in ROLES)


@each_role
def test_a_role_has_its_page(role: Role) -> None:
    text = (role.path / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "```yaml" in text, "an example"


@each_role
def test_platforms_are_the_tested_ones(role: Role) -> None:
    galaxy = load(role.path / "meta/main.yml")["galaxy_info"]
    assert galaxy["platforms"] == [{"name": "Debian", "versions": ["bookworm", "trixie"]}]


def test_site_applies_every_role_and_hides_it_behind_its_feature() -> None:
    (play,) = [play for play in load(ROOT / "playbooks/site.yml") if play["hosts"] != "localhost"]
    applied = {task["ansible.builtin.import_role"]["name"]: task for task in play["tasks"]}
    # dns makes no daemon: playbooks/dns.yml applies it.
    assert set(applied) == {f"postern.mail.{role.name}" for role in ROLES if role.name != "dns"}
    for role in FEATURES:
        if role.name == "dns":
            continue
        assert applied[f"postern.mail.{role.name}"]["when"] == f"'{role.name}' in mail_features"
    assert all(task["ansible.builtin.import_role"]["public"] is True for task in applied.values())
