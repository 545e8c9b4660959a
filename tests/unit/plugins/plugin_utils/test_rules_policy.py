"""The access policy a host would get: what is found, and which variable it is laid at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._findings_cache import FindingsCache
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory, UnknownPolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake
from ansible_collections.postern.mail.plugins.plugin_utils._policy import judgement
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_merge import (
    Section,
    merge_main,
    merge_restrictions,
    merge_services,
)
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_policy import whole_lists
from ansible_collections.postern.mail.plugins.plugin_utils._rules_policy import access_policy

STAGES = ("client", "helo", "sender", "relay", "recipient", "data")
GOOD: dict[str, Any] = {
    "mail_features": ["dovecot", "sasl", "postfix"],
    "postfix_main_cf_extra": {},
    "postfix_services_extra": [],
    "postfix_accept_findings": [],
    "postfix_contributions": [
        {"name": "sasl", "main_cf": {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "unix:/run/dovecot/smtp-auth"}}
    ],
    "postfix_mynetworks": ["127.0.0.0/8", "[::1]/128"],
    "postfix_smtp_client_restrictions": ["permit_mynetworks", "reject_unauth_destination"],
    "postfix_smtp_helo_restrictions": [],
    "postfix_smtp_sender_restrictions": [],
    "postfix_smtp_relay_restrictions": ["permit_mynetworks", "reject_unauth_destination"],
    "postfix_smtp_recipient_restrictions": ["permit_mynetworks", "reject_unlisted_recipient"],
    "postfix_smtp_data_restrictions": [],
    "postfix_submission_client_restrictions": ["permit_sasl_authenticated", "reject"],
    "postfix_submission_helo_restrictions": [],
    "postfix_submission_sender_restrictions": [
        "reject_authenticated_sender_login_mismatch",
        "permit_sasl_authenticated",
        "reject",
    ],
    "postfix_submission_relay_restrictions": ["permit_sasl_authenticated", "reject"],
    "postfix_submission_recipient_restrictions": ["reject_unlisted_recipient", "permit_sasl_authenticated", "reject"],
    "postfix_submission_data_restrictions": [],
}
RELAY, RECIPIENT, CLIENT = (f"postfix_smtp_{stage}_restrictions" for stage in ("relay", "recipient", "client"))
EXTRA, SERVICES = "postfix_main_cf_extra", "postfix_services_extra"


def written(values: dict[str, Any], version: str) -> dict[str, Any]:
    """What the role makes of its variables, with little else in it."""
    values = {**values, **whole_lists(values)}
    contributions = values["postfix_contributions"]
    lists = {
        prefix: merge_restrictions(
            {stage: values[f"postfix_{prefix}_{stage}_restrictions"] for stage in STAGES}, contributions, key
        )
        for prefix, key in (("smtp", "restrictions"), ("submission", "submission_restrictions"))
    }
    settings = {
        "compatibility_level": "3.6",
        "myhostname": "mx1.example.org",
        "mynetworks": values["postfix_mynetworks"],
        "mydestination": ["$myhostname"],
        "virtual_mailbox_domains": "lmdb:/etc/postfix/maps/domains",
        "virtual_mailbox_maps": "lmdb:/etc/postfix/maps/mailboxes",
        "smtpd_sender_login_maps": "lmdb:/etc/postfix/maps/senders",
        "smtpd_helo_required": True,
        "smtpd_sasl_auth_enable": False,
        "smtpd_tls_auth_only": True,
        "smtpd_tls_security_level": "may",
        **{f"smtpd_{stage}_restrictions": elements for stage, elements in lists["smtp"].items()},
        **{f"submission_{stage}_restrictions": elements for stage, elements in lists["submission"].items()},
    }
    users = {"smtpd_sasl_auth_enable": True, "smtpd_tls_security_level": "encrypt"}
    users |= {f"smtpd_{stage}_restrictions": f"$submission_{stage}_restrictions" for stage in STAGES}
    base = [
        {"name": "smtp", "type": "inet", "private": False, "command": "smtpd"},
        {"name": "submission", "type": "inet", "private": False, "command": "smtpd", "options": users},
        {
            "name": "submissions",
            "type": "inet",
            "private": False,
            "command": "smtpd",
            "options": {**users, "smtpd_tls_wrappermode": True},
        },
    ]
    services = merge_services(base, contributions, values[SERVICES])
    tables = {
        "domains": "example.org x\n",
        "mailboxes": "alice@example.org x\npostmaster@example.org x\n",
        "senders": "alice@example.org alice\n",
    }
    return {
        "version": version,
        "directory": "/etc/postfix",
        "main_cf": [vars(section) for section in merge_main([Section("", "", settings)], contributions, values[EXTRA])],
        "services": [{**vars(service), "args": list(service.args)} for service in services],
        "files": [{"path": f"maps/{name}", "content": content} for name, content in tables.items()],
    }


def found(
    changes: dict[str, Any],
    versions: tuple[str, ...] = ("3.10",),
    *,
    all_platforms: bool = False,
    cache: FindingsCache | None = None,
) -> list[Mistake]:
    values = {**GOOD, **changes}

    def read(version: str) -> Any:
        return lambda: written(values, version)

    platforms = {f"Postfix {version}": read(version) for version in versions}
    inventory = Inventory(values, platforms=platforms, all_platforms=all_platforms, cache=cache or FindingsCache())
    return list(access_policy(inventory))


def place(mistake: Mistake) -> str:
    return mistake.variable + mistake.element


def errors(mistakes: list[Mistake]) -> list[Mistake]:
    return [mistake for mistake in mistakes if mistake.severity == "error"]


def test_a_good_policy_has_no_mistakes_on_any_platform() -> None:
    assert found({}, ("3.7", "3.10", "3.11"), all_platforms=True) == []


BROKEN = [
    ("mynetworks-host-bits", {"postfix_mynetworks": ["192.0.2.1/24"]}, "postfix_mynetworks[0]", "192.0.2.0/24"),
    (
        "mynetworks-host-bits",
        {"postfix_mynetworks": ["127.0.0.0/8", "[2001:db8::1]/32"]},
        "postfix_mynetworks[1]",
        "[2001:db8::]/32",
    ),
    (
        "mynetworks-missing-brackets",
        {"postfix_mynetworks": ["2001:db8::/32"]},
        "postfix_mynetworks[0]",
        "[2001:db8::]/32",
    ),
    (
        "unknown-restriction",
        {CLIENT: ["permit_mynetworks", "reject_unknow_client_hostname"]},
        f"{CLIENT}[1]",
        "Write: reject_unknown_client_hostname",
    ),
    (
        "unknown-restriction",
        {CLIENT: ["permit_mynetworks", "sleep 1, reject_unknow_client_hostname"]},
        f"{CLIENT}[1]",
        "Write: reject_unknown_client_hostname",
    ),
    (
        "unknown-restriction",
        {"postfix_submission_helo_restrictions": ["permit_sasl_authenticatd"]},
        "postfix_submission_helo_restrictions[0]",
        "permit_sasl_authenticated",
    ),
    (
        "unknown-restriction",
        {EXTRA: {"smtpd_etrn_restrictions": ["permit_mynetworks", "rejectt"]}},
        f"{EXTRA}.smtpd_etrn_restrictions[1]",
        "reject",
    ),
    (
        "unknown-restriction",
        {EXTRA: {"smtpd_etrn_restrictions": "permit_mynetworks, rejectt"}},
        f"{EXTRA}.smtpd_etrn_restrictions",
        "reject",
    ),
    (
        "unknown-restriction",
        {
            SERVICES: [
                {
                    "name": "10025",
                    "type": "inet",
                    "private": False,
                    "command": "smtpd",
                    "options": {"smtpd_helo_restrictions": ["permit_mynetworks", "rejectt"]},
                }
            ]
        },
        f"{SERVICES}[0].options.smtpd_helo_restrictions[1]",
        "reject",
    ),
    (
        "unknown-restriction",
        {
            EXTRA: {"smtpd_restriction_classes": "own", "own": ["permit_mynetworks", "rejectt"]},
            CLIENT: ["permit_mynetworks", "own"],
        },
        f"{EXTRA}.own[1]",
        "reject",
    ),
    (
        "table-without-type",
        {CLIENT: ["permit_mynetworks", "check_client_access /etc/x"]},
        f"{CLIENT}[1]",
        "check_client_access",
    ),
    (
        "unknown-restriction",
        {CLIENT: ["permit_mynetworks", {"name": "check_client_access", "table": "lmdb:/x"}, {"name": "rejectt"}]},
        f"{CLIENT}[2]",
        "reject",
    ),
    (
        "no-relay-guard",
        {RELAY: ["permit_mynetworks"], CLIENT: []},
        RELAY,
        f"Write: {RELAY}: [permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination]",
    ),
    ("guard-in-other-list", {RELAY: ["permit_mynetworks"]}, f"{CLIENT}[1]", f"Write: {RELAY}: ["),
]


@pytest.mark.parametrize(
    ("code", "changes", "where", "fix"), BROKEN, ids=[f"{row[0]}:{index}" for index, row in enumerate(BROKEN)]
)
def test_a_finding_is_laid_at_the_variable_and_element_to_change(
    code: str, changes: dict[str, Any], where: str, fix: str
) -> None:
    (mistake,) = errors(found(changes))
    assert (mistake.rule, place(mistake)) == (code, where)
    assert fix in mistake.fix
    assert mistake.reason.endswith(f"[{code}]")
    assert mistake.consequence


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"postfix_mynetworks": ["192.0.2.7", "[2001:db8::]/48"]}, id="networks of one's own"),
        pytest.param({EXTRA: {"mynetworks": ["127.0.0.0/8"]}}, id="networks in main.cf"),
        pytest.param(
            {
                CLIENT: [
                    "permit_mynetworks",
                    "sleep 1",
                    "warn_if_reject reject_rbl_client bl.example.org",
                    "own_class",
                ],
                EXTRA: {"smtpd_restriction_classes": "own_class", "own_class": "reject_unknown_client_hostname"},
            },
            id="restrictions of one's own",
        ),
        pytest.param(
            {
                CLIENT: [
                    "permit_mynetworks",
                    "check_policy_service { unix:private/x, default_action=DUNNO }",
                    {"name": "reject_rbl_client", "domain": "bl.example.org", "filter": "127.0.0.2"},
                ]
            },
            id="a policy service with settings",
        ),
        pytest.param({RECIPIENT: ["permit_mynetworks", "reject_unauth_destination"]}, id="the guard in both lists"),
        pytest.param({"mail_features": ["dovecot"], CLIENT: ["nonsense"]}, id="a server without Postfix"),
    ],
)
def test_what_is_right_passes(changes: dict[str, Any]) -> None:
    assert errors(found(changes)) == []


def test_a_service_of_ones_own_is_mended_where_it_is() -> None:
    options = {"smtpd_sasl_auth_enable": True, "smtpd_tls_security_level": "encrypt"}
    own = {"name": "submission", "type": "inet", "private": False, "command": "smtpd", "options": options}
    told = errors(found({SERVICES: [own]}))
    assert told
    assert {place(mistake).partition(".smtpd")[0] for mistake in told} == {f"{SERVICES}[0].options"}
    assert not any("postfix_smtp_" in mistake.fix for mistake in told)


@pytest.mark.parametrize("item", [None, "", " ,"])
def test_an_empty_element_is_told_once(item: Any) -> None:
    (mistake,) = errors(found({CLIENT: ["permit_mynetworks", item, "reject_unauth_destination"]}))
    assert (place(mistake), mistake.reason) == (f"{CLIENT}[1]", "it is empty")


def test_another_order_is_told_as_the_variable_to_write() -> None:
    changes = {CLIENT: ["reject_unknown_client_hostname", "permit_mynetworks"]}
    assert f"Write: {CLIENT}: [permit_mynetworks, reject_unknown_client_hostname]" in {m.fix for m in found(changes)}


def test_what_a_role_adds_is_laid_at_the_role() -> None:
    more = {"name": "greylist", "restrictions": {"recipient": ["check_policy_servce unix:private/greylist"]}}
    mistake, *_others = errors(found({"postfix_contributions": [*GOOD["postfix_contributions"], more]}))
    assert place(mistake) == RECIPIENT
    assert "(the role greylist adds it)" in mistake.reason


def test_both_submission_services_have_one_cause_and_are_told_once() -> None:
    mistakes = errors(found({"postfix_submission_client_restrictions": ["permit_sasl_authenticated", "rejectt"]}))
    assert [place(mistake) for mistake in mistakes] == ["postfix_submission_client_restrictions[1]"]


def test_elements_that_say_nothing_are_told_beside_all_else() -> None:
    changes = {CLIENT: ["permit_mynetworks", {"name": "reject_rbl_client"}, 7, "rejectt"]}
    told = {place(mistake): mistake for mistake in errors(found(changes))}
    assert set(told) == {f"{CLIENT}[1].domain", f"{CLIENT}[2]", f"{CLIENT}[3]"}
    assert "needs a domain" in told[f"{CLIENT}[1].domain"].reason


# --- Exceptions ---


def accept(**entry: Any) -> dict[str, Any]:
    return {
        "postfix_accept_findings": [{"code": "unknown-restriction", "element": "rejectt", "reason": "why", **entry}]
    }


def test_an_exception_takes_one_finding_away_and_no_other() -> None:
    changes = {CLIENT: ["permit_mynetworks", "rejectt", "rejecttt"]}
    assert [mistake.value for mistake in errors(found(changes))] == ['"rejectt"', '"rejecttt"']
    assert [mistake.value for mistake in errors(found({**changes, **accept()}))] == ['"rejecttt"']


def test_an_exception_that_matches_nothing_tells_what_there_is() -> None:
    changes = {CLIENT: ["permit_mynetworks", "rejectt"]}
    mistake = next(m for m in found({**changes, **accept(element="reject")}) if m.rule == "accept")
    assert place(mistake) == "postfix_accept_findings[0]"
    assert '{code: unknown-restriction, element: "rejectt"}' in mistake.fix
    (mistake,) = found(accept())
    assert "there are no findings" in mistake.fix
    assert mistake.severity == "error"


def test_an_exception_without_a_reason_is_refused() -> None:
    changes = {CLIENT: ["permit_mynetworks", "rejectt"]}
    (mistake,) = found({**changes, **accept(reason=" ")})
    assert (mistake.rule, place(mistake)) == ("accept", "postfix_accept_findings[0].reason")


# --- Platforms ---

REMOVED = {RELAY: ["permit_mynetworks", "reject_unauth_destination", "permit_naked_ip_address"]}


def test_what_only_some_platforms_have_is_a_warning_while_nobody_knows_which_it_is() -> None:
    assert [m.severity for m in found(REMOVED) if m.rule == "removed-restriction"] == ["error"]
    told = found(REMOVED, ("3.10", "3.7", "3.11"))
    (mistake,) = [m for m in told if m.rule == "removed-restriction" and "Postfix 3.10" in m.reason]
    assert mistake.severity == "warning"
    assert "on Postfix 3.10 and Postfix 3.11 only" in mistake.reason


def test_other_platforms_are_not_asked_while_all_is_well() -> None:
    asked: list[str] = []

    def read(version: str) -> Any:
        return lambda: asked.append(version) or written(GOOD, version)

    platforms = {version: read(version) for version in ("3.10", "3.7")}
    assert list(access_policy(Inventory(GOOD, platforms=platforms))) == []
    assert asked == ["3.10"]
    assert list(access_policy(Inventory(GOOD, platforms=platforms, all_platforms=True))) == []
    assert asked == ["3.10", "3.10", "3.7"]


def test_what_follows_from_another_mistake_is_not_told() -> None:
    def unknown() -> Any:
        raise UnknownPolicyError

    assert list(access_policy(Inventory(GOOD, platforms={"x": unknown}))) == []


def test_a_contradiction_of_roles_is_told_in_their_words() -> None:
    def contradiction() -> Any:
        raise PolicyError("main.cf: sasl wants x = 1, but the postfix role sets it to 2")

    (mistake,) = access_policy(Inventory(GOOD, platforms={"x": contradiction}))
    assert mistake.rule == "policy"
    assert "sasl wants x = 1" in mistake.reason


def test_what_main_cf_cannot_hold_is_told() -> None:
    (mistake,) = found({EXTRA: {"smtpd_banner": "x\ny"}})
    assert (mistake.rule, place(mistake)) == ("policy", f"{EXTRA}.smtpd_banner")


def test_a_defect_of_ours_is_told_and_does_not_stop_the_run() -> None:
    def defect() -> Any:
        raise ZeroDivisionError("x")

    (mistake,) = access_policy(Inventory(GOOD, platforms={"x": defect}))
    assert mistake.severity == "warning"
    assert "ZeroDivisionError" in mistake.reason


# --- What was found before ---


def test_a_policy_is_judged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {CLIENT: ["permit_mynetworks", "rejectt"]}
    cache = FindingsCache(tmp_path / "home" / "findings")
    first = found(changes, cache=cache)
    assert first

    def never(_policy: object) -> Any:
        raise AssertionError("judged twice")

    monkeypatch.setattr(judgement, "judge", never)
    assert found(changes, cache=cache) == first
    (told,) = found({}, cache=cache)
    assert "judged twice" in told.reason
    (kept,) = (tmp_path / "home" / "findings").iterdir()
    assert (tmp_path / "home" / "findings").stat().st_mode & 0o077 == 0
    kept.write_text("[{")
    (told,) = found(changes, cache=cache)
    assert "judged twice" in told.reason


def test_what_is_kept_of_many_policies_does_not_grow_for_ever(tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / f"{number}.json").touch()
    assert FindingsCache(tmp_path).findings(["x"], list) == []
    assert len(list(tmp_path.iterdir())) <= 300


def test_a_home_that_cannot_be_written_is_no_mistake() -> None:
    assert found({}, cache=FindingsCache(Path("/proc/nowhere"))) == []
