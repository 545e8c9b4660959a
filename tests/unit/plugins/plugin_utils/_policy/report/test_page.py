# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page: complete, alone, and deaf to what a hostile host says."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.page import render
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.view import page_data
from hosts import audited

BAD = """\
smtpd_relay_restrictions =
smtpd_recipient_restrictions = permit_mynetworks, reject_unknown_sender, reject_unauth_destination
"""
EVIL = "</script><script>alert(1)</script><img/src=x/onerror=alert(1)>'\"&"


class Page(HTMLParser):
    """Tags with their attributes, ids, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _tag, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def page() -> str:
    return render(page_data(audited(BAD)))


def test_says_what_is_wrong_and_what_to_do(page: str) -> None:
    text = html.unescape(page)
    assert "Postfix has no restriction reject_unknown_sender" in text
    assert "/etc/postfix/main.cf line 2, smtpd_recipient_restrictions, rule 2" in text
    assert "reject_unknown_sender_domain" in text and "Port 587" in text


def test_needs_nothing_from_elsewhere(page: str) -> None:
    parsed = Page(page)
    outside = [value for name in ("src", "href", "action", "data") for value in parsed.values(name)]
    assert [value for value in outside if not value.startswith("#")] == []
    assert "@import" not in page and "url(" not in page
    (policy,) = [attributes["content"] for tag, attributes in parsed.tags if attributes.get("http-equiv")]
    assert policy and policy.startswith("default-src 'none'; style-src 'sha256-")


def test_links_lead_somewhere_and_ids_are_unique(page: str) -> None:
    parsed = Page(page)
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for value in parsed.values("href")} | set(parsed.values("aria-controls"))
    assert wanted | set(parsed.values("data-copy")) <= set(ids)


@pytest.mark.parametrize("where", ["host", "version", "platform", "element", "table", "parameter", "unread", "service"])
def test_nothing_a_host_says_becomes_markup(where: str) -> None:
    harmless = Page(render(page_data(audited(BAD))))
    words = EVIL.replace(" ", "")
    main = {
        "element": BAD.replace("reject_unknown_sender", words),
        "parameter": BAD + f"mynetworks = {words}\n",
        "table": BAD.replace("reject_unknown_sender", "check_client_access hash:/t"),
    }.get(where, BAD)
    more = {
        "table": {"tables": {"hash:/t": {words: words}}},
        "unread": {"references": [{"table": f"hash:{words}", "unread": words, "missing": "", "stale": False}]},
        "service": {"master_cf": f"{words} inet n - n - - smtpd\n"},
    }.get(where, {})
    one = audited(main, host=EVIL if where == "host" else "mx1", **more)
    if where in ("version", "platform"):
        data = {**page_data(one), where: EVIL}
        text = render(data)
    else:
        text = render(page_data(one))
    assert html.escape(EVIL, quote=False)[:20] in text.replace("&#39;", "'").replace("&#34;", '"') or where == "service"
    tags = [tag for tag, _attributes in Page(text).tags]
    assert tags.count("script") == 1 and "img" not in tags
    assert not [name for _tag, attributes in Page(text).tags for name in attributes if name.startswith("on")]
    assert harmless.tags[0][0] == "html"


def test_script_and_style_are_those_the_policy_names(page: str) -> None:
    import base64
    import hashlib

    for tag in ("script", "style"):
        (body,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() in page


def test_a_good_policy_says_so() -> None:
    data = page_data(audited("compatibility_level = 3.6\n", master_cf="smtp inet n - n - - smtpd\n"))
    assert data["worst"] not in ("relay", "lost", "deferred")
    assert "Nothing is urgent" in render(data)


def test_what_was_accepted_is_shown_apart() -> None:
    entry = {"code": "unknown-restriction", "element": "reject_unknown_sender", "reason": "A test of the monitoring."}
    data = page_data(audited(BAD, accept=(entry,)))
    assert [card["code"] for card in data["accepted"]] == ["unknown-restriction"]
    assert "A test of the monitoring." in render(data)


def test_a_configuration_that_postfix_cannot_read_has_a_page() -> None:
    one = audited("this is no setting\n" + BAD, master_cf="broken\n")
    codes = {finding.code for finding in one.findings}
    assert "unreadable-configuration" in codes
    assert "this is no setting" in render(page_data(one))


@pytest.mark.parametrize(
    "setting",
    [
        "a = $b\nb = $a\nmynetworks = $a",
        "smtpd_client_restrictions = ${bar ${x",
        "smtpd_client_restrictions = { permit",
        "smtpd_restriction_classes = a b\na = b\nb = a\nsmtpd_client_restrictions = a",
        "mynetworks = 127.0.0.0/8\0x",
        "smtpd_delay_reject = perhaps",
        "inet_protocols = none at all",
        "compatibility_level = nine",
        "smtpd_recipient_restrictions = check_policy_service private/x",
    ],
)
def test_the_worst_configuration_has_a_page_too(setting: str) -> None:
    """It is what an audit is for."""
    data = page_data(audited(f"{BAD}{setting}\n"))
    assert data["worst"] in ("relay", "lost", "deferred") and data["lists"]
    assert "What to do first" in render(data)
