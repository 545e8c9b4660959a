"""Rules the collection keeps as a whole."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from model import ROLES, ROOT, load

PLUGINS = sorted(path for path in ROOT.glob("plugins/*/*.py") if not path.name.startswith("_"))


@pytest.mark.parametrize("page", ["reference", "findings"])
def test_generated_pages_are_what_their_data_say(page: str) -> None:
    run = subprocess.run(
        [sys.executable, ROOT / f"docs/{page}.py", "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    "path",
    [path for path in PLUGINS if path.parent.name != "doc_fragments"],  # documentation of others
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_every_plugin_is_documented(path: object) -> None:
    path = ROOT / str(path)
    if path.parent.name == "action":  # documented where its module is
        path = ROOT / "plugins/modules" / path.name
    sidecar = path.with_suffix(".yml")
    text = sidecar.read_text(encoding="utf-8") if sidecar.exists() else path.read_text(encoding="utf-8")
    assert re.search(r"^(DOCUMENTATION|r?DOCUMENTATION)\b", text, re.MULTILINE)
    assert re.search(r"^EXAMPLES\b", text, re.MULTILINE)


def test_controller_logic_does_not_import_ansible() -> None:
    """plugin_utils and private module_utils are plain Python, so that they are tested and reused without Ansible."""
    importers = [
        str(path.relative_to(ROOT))
        for path in [*ROOT.glob("plugins/plugin_utils/_*.py"), *ROOT.glob("plugins/module_utils/_*.py")]
        if re.search(r"^\s*(from|import) ansible(?!_collections)\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert importers == []


def test_no_test_fails_because_the_machine_is_slow() -> None:
    """Seconds are for `make bench`; waits have limits that end a hang, in one place (dialogue.lab.wait_for)."""
    timed = re.compile(r"assert .*(\bseconds|\belapsed\(|monotonic\(\)).*<=? *\d+")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "tests").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if timed.search(line)
    ]
    assert found == []


def test_every_platform_is_a_host_of_the_laboratory() -> None:
    (mail,) = [role for role in ROLES if role.name == "mail"]
    supported = {key for key, row in mail.vars["__mail_platforms"].items() if row.get("supported")}
    labs = load(ROOT / "tests/lab/labs.yml")
    releases = {str(host["release"]) for host in labs["labs"]["default"]["servers"].values()}
    assert supported == {f"Debian-{release}" for release in releases}


def test_what_is_shipped_is_the_product() -> None:
    ignored = load(ROOT / "galaxy.yml")["build_ignore"]
    assert {"tests", "molecule", "bin", "Makefile"} <= set(ignored)


def test_the_supported_ansible_is_the_same_everywhere() -> None:
    requires = load(ROOT / "meta/runtime.yml")["requires_ansible"]
    assert requires == ">=2.17.0"
    for role in ROLES:
        assert load(role.path / "meta/main.yml")["galaxy_info"]["min_ansible_version"] == "2.17"


def test_the_next_release_has_news() -> None:
    fragments = list((ROOT / "changelogs/fragments").glob("*.yml"))
    assert fragments
    known = {"major_changes", "minor_changes", "breaking_changes", "deprecated_features", "removed_features"}
    known |= {"security_fixes", "bugfixes", "known_issues", "trivial", "release_summary"}
    for fragment in fragments:
        assert set(load(fragment)) <= known, fragment.name
