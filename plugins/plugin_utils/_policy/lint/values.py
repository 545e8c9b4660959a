# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that end every daemon which reads them."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import parameters
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import LISTS, Service, each_service
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import MacroError

MACRO_ERROR = FindingKind(
    code="macro-error",
    severity=Severity.DEFERRED,
    title="A $ that Postfix cannot read",
    wrong="Postfix takes $ in main.cf for the beginning of a parameter's name. Where a $ itself is meant, as at the end"
    " of a pattern, it is written twice.",
    happens="Every program of Postfix that reads the parameter stops (fatal: macro processing error): nobody can send"
    " or receive.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access pcre:{{/^mail[.]example[.]com$/ OK}}",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access pcre:{{/^mail[.]example[.]com$$/ OK}}",
    source="postconf(5), the format of main.cf: specify $$ to produce a single $",
)
TEMPFAIL_ACTION = FindingKind(
    code="bad-tempfail-action",
    severity=Severity.DEFERRED,
    title="An unknown action for temporary failures",
    wrong="The *_tempfail_action parameters know defer_all and defer_if_permit only.",
    happens="smtpd does not start (fatal: bad configuration): nobody can send or receive.",
    example="unknown_address_tempfail_action = permit",
    right="unknown_address_tempfail_action = defer_if_permit",
    source="postconf(5): reject_tempfail_action, unknown_address_tempfail_action",
)
KINDS = (MACRO_ERROR, TEMPFAIL_ACTION)

_TEMPFAIL = (
    "reject_tempfail_action",
    "unknown_address_tempfail_action",
    "unknown_helo_hostname_tempfail_action",
    "unverified_recipient_tempfail_action",
    "unverified_sender_tempfail_action",
)


def _macros(service: Service) -> Iterator[Finding]:
    given = {**service.settings.policy.parameters, **service.settings.service.overrides}
    for name in dict.fromkeys((*LISTS, *given)):
        known = name in LISTS or parameters.is_known(name) or name in service.classes
        if known and "$" in service.settings.raw(name):
            yield from _broken(service, name)


def _broken(service: Service, name: str) -> Iterator[Finding]:
    try:
        service.settings[name]
    except MacroError as error:
        reason = str(error).removeprefix(f"{name}: ").removeprefix("macro processing error: ")
        message = f"Postfix cannot read a macro in {name}: {reason[:200]}."
        fix = "write $$ where a $ itself is meant, and close every { of a ${name}"
        yield find(MACRO_ERROR, name, message, fix, service=service.key)


def _tempfail(service: Service) -> Iterator[Finding]:
    for name in _TEMPFAIL:
        if service.settings.is_set(name):
            text = service.text(name)
            if text.lower() not in {"defer_all", "defer_if_permit"} and "$" not in text:
                message = f"{name} is {text or 'empty'}; it can be defer_if_permit or defer_all only."
                yield find(TEMPFAIL_ACTION, name, message, f"{name} = defer_if_permit", service=service.key)


RULES = (each_service(_macros, _tempfail),)
