# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services of master.cf: submission, TLS, AUTH, options that do not arrive."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import reading
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Service, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings

_SUBMISSION = (
    "# master.cf\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
    "  -o smtpd_tls_security_level=encrypt\n  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
    "  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject"
)
_SUBMISSIONS = (
    "# master.cf\nsubmissions inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
    "  -o smtpd_tls_wrappermode=yes\n  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
    "  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject"
)

NO_AUTH = FindingKind(
    code="submission-without-auth",
    severity=Severity.LOST,
    title="A submission service without AUTH",
    wrong="smtpd_sasl_auth_enable is off for this service, so nobody can log in.",
    happens="Users are refused: 503 5.5.1 Error: authentication not enabled, or Relay access denied.",
    example=_SUBMISSION.replace("  -o smtpd_sasl_auth_enable=yes\n", ""),
    right=_SUBMISSION,
    source="postconf(5) smtpd_sasl_auth_enable; RFC 6409 4.3",
)
PLAINTEXT = FindingKind(
    code="password-in-clear",
    severity=Severity.IDLE,
    title="Passwords may cross the net unencrypted",
    wrong="AUTH is offered before TLS: neither smtpd_tls_auth_only nor smtpd_tls_security_level=encrypt is set.",
    happens="Whoever listens on the way reads the password, and then relays with it.",
    example=_SUBMISSION.replace("=encrypt", "=may"),
    right=_SUBMISSION,
    source="postconf(5) smtpd_tls_auth_only; RFC 8314 3.3",
)
NO_WRAPPER = FindingKind(
    code="submissions-without-wrappermode",
    severity=Severity.LOST,
    title="Port 465 without TLS from the start",
    wrong="On port 465 the client begins with TLS; smtpd does so only with smtpd_tls_wrappermode=yes.",
    happens="Both sides wait for the other: mail programs hang and then report a timeout.",
    example=_SUBMISSIONS.replace("  -o smtpd_tls_wrappermode=yes\n", "  -o smtpd_tls_security_level=encrypt\n"),
    right=_SUBMISSIONS,
    source="postconf(5) smtpd_tls_wrappermode; RFC 8314 3.3",
)
WRAPPER = FindingKind(
    code="wrappermode-on-plain-port",
    severity=Severity.LOST,
    title="TLS from the start on a port that begins in clear",
    wrong="smtpd_tls_wrappermode belongs on port 465; on 25 and 587 clients begin in clear and use STARTTLS.",
    happens="Clients wait for a greeting that never comes; on port 25 no mail comes in.",
    example=_SUBMISSION.replace("smtpd_tls_security_level=encrypt", "smtpd_tls_wrappermode=yes"),
    right=_SUBMISSION,
    source="postconf(5) smtpd_tls_wrappermode",
)
ENCRYPT_MX = FindingKind(
    code="tls-demanded-on-port-25",
    severity=Severity.LOST,
    title="Port 25 demands TLS of everybody",
    wrong="smtpd_tls_security_level=encrypt refuses servers that do not speak TLS; RFC 3207 4 forbids that on a"
    " public server.",
    happens="Their mail is refused with 530 5.7.0 Must issue a STARTTLS command first.",
    example="smtpd_tls_security_level = encrypt",
    right="smtpd_tls_security_level = may",
    source="postconf(5) smtpd_tls_security_level",
)
CLIENT_CERTIFICATE = FindingKind(
    code="client-certificate-demanded",
    severity=Severity.LOST,
    title="Every client must show a certificate",
    wrong="smtpd_tls_req_ccert ends the TLS session of whoever has no client certificate; mail servers and users"
    " have none.",
    happens="Mail from servers that use TLS does not come in, users cannot send.",
    example="smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes",
    right="smtpd_tls_security_level = may\nsmtpd_tls_ask_ccert = yes",
    source="postconf(5) smtpd_tls_req_ccert",
)
TLS_LEVEL = FindingKind(
    code="tls-level-unknown",
    severity=Severity.DEFERRED,
    title="A TLS level that smtpd does not know",
    wrong="smtpd_tls_security_level is none, may or encrypt.",
    happens="smtpd does not start (Invalid TLS level): nobody is served.",
    example="smtpd_tls_security_level = yes",
    right="smtpd_tls_security_level = may",
    source="postconf(5) smtpd_tls_security_level",
)
AUTH_ON_25 = FindingKind(
    code="auth-on-port-25",
    severity=Severity.STYLE,
    title="AUTH on port 25",
    wrong="smtpd_sasl_auth_enable=yes in main.cf holds for port 25 too, where other servers deliver and never log in.",
    happens="Passwords can be guessed there; no smtpd_*_restrictions list keeps a client from AUTH.",
    example="smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = yes",
    right=_SUBMISSION,
    source="RFC 6409 3.1; SASL_README",
)
STRAY = FindingKind(
    code="master-stray-argument",
    severity=Severity.DEFERRED,
    title="An option in master.cf cut in two by a space",
    wrong="master.cf is cut at spaces: the rest of the value becomes an argument of its own, which smtpd does not"
    " take.",
    happens="smtpd dies with each connection (unexpected command-line argument): nobody is served on this port.",
    example=_SUBMISSION.replace(
        "smtpd_relay_restrictions=permit_sasl_authenticated,reject",
        "smtpd_relay_restrictions=permit_sasl_authenticated, reject",
    ),
    right=_SUBMISSION.replace(
        "-o smtpd_relay_restrictions=permit_sasl_authenticated,reject",
        "-o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }",
    ),
    source="master(5), Command name + arguments",
)
NOT_READ = FindingKind(
    code="override-not-read",
    severity=Severity.IDLE,
    title="An option that this program does not read",
    wrong="The parameter belongs to another Postfix program; -o sets it for this one only.",
    happens="The option has no effect.",
    example="# master.cf\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o"
    " smtpd_tls_security_level=encrypt\n"
    "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n  -o header_checks=pcre:/etc/postfix/submission",
    right=(
        "# master.cf\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o"
        " smtpd_tls_security_level=encrypt\n"
        "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n  -o cleanup_service_name=subcleanup\n"
        "subcleanup unix n - - - 0 cleanup\n  -o header_checks=pcre:/etc/postfix/submission"
    ),
    source="postconf(5); cleanup(8), smtpd(8)",
)
DUPLICATE = FindingKind(
    code="duplicate-service",
    severity=Severity.IDLE,
    title="A service that stands twice in master.cf",
    wrong="Two lines have the same name and type; master takes the last.",
    happens="The options of the first line have no effect.",
    example="# master.cf\nsmtp inet n - y - - smtpd\nsmtp inet n - y - - smtpd",
    right="# master.cf\nsmtp inet n - y - - smtpd",
    source="master(5); master_conf.c",
)
SASL_TYPE = FindingKind(
    code="sasl-type-unknown",
    severity=Severity.DEFERRED,
    title="A SASL type that Postfix does not know",
    wrong="smtpd_sasl_type is dovecot or cyrus.",
    happens="smtpd dies (SASL per-process initialization failed): nobody is served where AUTH is on.",
    example=_SUBMISSION.replace("# master.cf", "smtpd_sasl_type = saslauthd\n# master.cf"),
    right=_SUBMISSION.replace("# master.cf", "smtpd_sasl_type = cyrus\n# master.cf"),
    source="postconf(5) smtpd_sasl_type",
)
SASL_PATH = FindingKind(
    code="sasl-socket-missing",
    severity=Severity.DEFERRED,
    title="Dovecot's socket is not named",
    wrong="With smtpd_sasl_type=dovecot, smtpd_sasl_path is the socket of Dovecot; its default is made for Cyrus.",
    happens="smtpd dies (no SASL authentication mechanisms): nobody is served where AUTH is on.",
    example=_SUBMISSION.replace("# master.cf", "smtpd_sasl_type = dovecot\n# master.cf"),
    right=_SUBMISSION.replace("# master.cf", "smtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n# master.cf"),
    source="postconf(5) smtpd_sasl_path; SASL_README",
)
ANONYMOUS = FindingKind(
    code="sasl-anonymous",
    severity=Severity.RELAY,
    title="Anonymous login is allowed",
    wrong="smtpd_sasl_security_options lacks noanonymous: the mechanism ANONYMOUS logs everybody in.",
    happens="permit_sasl_authenticated permits strangers: an open relay, where the SASL server offers ANONYMOUS.",
    example=_SUBMISSION.replace("# master.cf", "smtpd_sasl_security_options =\n# master.cf"),
    right=_SUBMISSION.replace("# master.cf", "smtpd_sasl_security_options = noanonymous\n# master.cf"),
    source="postconf(5) smtpd_sasl_security_options",
)
CHROOT = FindingKind(
    code="chroot-socket",
    severity=Severity.DEFERRED,
    title="A socket outside the chroot",
    wrong="The service runs in /var/spool/postfix as its root directory (chroot y), where that path does not exist.",
    happens="The connection fails: policy services answer 451 4.3.5, AUTH kills smtpd, milters tempfail.",
    example=(
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
        "smtpd_recipient_restrictions = check_policy_service unix:/var/spool/postfix/postgrey/socket\n"
        "# master.cf\nsmtp inet n - y - - smtpd"
    ),
    right=(
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
        "smtpd_recipient_restrictions = check_policy_service unix:postgrey/socket\n"
        "# master.cf\nsmtp inet n - y - - smtpd"
    ),
    source="master(5) chroot; SASL_README; SMTPD_POLICY_README",
)
CHROOT_DATABASE = FindingKind(
    code="chroot-database",
    severity=Severity.IDLE,
    title="A database asked from inside the chroot",
    wrong="The service runs in /var/spool/postfix as its root directory (chroot y): the database's socket, libraries"
    " and /etc/hosts are not there. Without proxy: smtpd asks the database itself.",
    happens="Where the database is reached by a socket or a name, look-ups fail: 451 4.3.5 Server configuration error.",
    example=(
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
        "smtpd_recipient_restrictions = check_client_access mysql:/etc/postfix/clients.cf\n"
        "# master.cf\nsmtp inet n - y - - smtpd"
    ),
    right=(
        "proxy_read_maps = proxy:mysql:/etc/postfix/clients.cf\n"
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
        "smtpd_recipient_restrictions = check_client_access proxy:mysql:/etc/postfix/clients.cf\n"
        "# master.cf\nsmtp inet n - y - - smtpd"
    ),
    source="proxymap(8); master(5) chroot",
)
XCLIENT = FindingKind(
    code="xclient-open",
    severity=Severity.RELAY,
    title="Strangers may say that they are somebody else",
    wrong="Clients in smtpd_authorized_xclient_hosts may claim any address, also 127.0.0.1, and any login.",
    happens="Whoever connects from there passes permit_mynetworks and permit_sasl_authenticated: an open relay.",
    example="smtpd_authorized_xclient_hosts = 0.0.0.0/0",
    right="smtpd_authorized_xclient_hosts = 127.0.0.1",
    source="XCLIENT_README; postconf(5) smtpd_authorized_xclient_hosts",
)
PROXY = FindingKind(
    code="proxy-protocol-trusted",
    severity=Severity.STYLE,
    title="The client's address is what the proxy says",
    wrong="With smtpd_upstream_proxy_protocol any client that reaches this port tells its own address, also 127.0.0.1.",
    happens="Unless only the proxy can reach the port, strangers pass permit_mynetworks.",
    example=("# master.cf\nsmtp inet n - y - - smtpd\n  -o smtpd_upstream_proxy_protocol=haproxy"),
    right="# master.cf\n10.0.0.5:10025 inet n - y - - smtpd\n  -o smtpd_upstream_proxy_protocol=haproxy",
    source="postconf(5) smtpd_upstream_proxy_protocol",
)

KINDS = (
    NO_AUTH, PLAINTEXT, NO_WRAPPER, WRAPPER, ENCRYPT_MX, CLIENT_CERTIFICATE, TLS_LEVEL, AUTH_ON_25,
    STRAY, NOT_READ, DUPLICATE, SASL_TYPE, SASL_PATH, ANONYMOUS, CHROOT, CHROOT_DATABASE, XCLIENT, PROXY,
)  # fmt: skip


def check_submission(policy: Policy) -> Iterator[Finding]:
    for key, settings in reading.services(policy):
        service = settings.service
        if not reading.is_submission(service):
            continue
        auth = reading.flag(settings, "smtpd_sasl_auth_enable")
        if not auth:
            yield find(
                NO_AUTH,
                "smtpd_sasl_auth_enable",
                f"nobody can log in at {key}",
                "Add -o smtpd_sasl_auth_enable=yes to the service",
                service=key,
            )
        wrapper = reading.flag(settings, "smtpd_tls_wrappermode")
        if reading.ports(service) in reading.SUBMISSIONS and not wrapper:
            yield find(
                NO_WRAPPER,
                "smtpd_tls_wrappermode",
                f"{key} does not begin with TLS",
                "Add -o smtpd_tls_wrappermode=yes to the service",
                service=key,
            )


def check_tls(policy: Policy) -> Iterator[Finding]:
    for key, settings in reading.services(policy):
        service = settings.service
        wrapper = reading.flag(settings, "smtpd_tls_wrappermode")
        level = reading.value(settings, "smtpd_tls_security_level").strip().lower()
        plain = reading.is_public_mx(service) or (
            reading.is_submission(service) and reading.ports(service) in reading.SUBMISSION
        )
        if wrapper and plain:
            yield find(
                WRAPPER,
                "smtpd_tls_wrappermode",
                f"{key} begins with TLS, its clients do not",
                "Take smtpd_tls_wrappermode away from this service",
                service=key,
                element="yes",
            )
        if level not in _LEVELS:
            yield find(
                TLS_LEVEL,
                "smtpd_tls_security_level",
                f"{level} is no TLS level",
                "Write may",
                service=key,
                element=level,
            )
        if reading.is_public_mx(service) and not wrapper:
            yield from _check_public(key, settings, level)
        enforced = _enforced(settings, level) or wrapper
        if not enforced and not reading.is_loopback(service) and _offers_plain_auth(settings):
            yield find(
                PLAINTEXT,
                "smtpd_tls_auth_only",
                "AUTH is offered without TLS",
                "Write smtpd_tls_auth_only = yes",
                service=key,
            )


def _offers_plain_auth(settings: Settings) -> bool:
    return reading.flag(settings, "smtpd_sasl_auth_enable") and not reading.flag(settings, "smtpd_tls_auth_only")


_LEVELS = frozenset({"", "none", "may", "encrypt", "fingerprint", "verify", "secure"})
"""smtpd takes the last three for encrypt, with a warning (smtpd.c)."""


def _enforced(settings: Settings, level: str) -> bool:
    if level:
        return level in _LEVELS - {"none", "may"}
    return reading.flag(settings, "smtpd_enforce_tls")


def _check_public(key: str, settings: Settings, level: str) -> Iterator[Finding]:
    if _enforced(settings, level):
        name = "smtpd_tls_security_level" if level else "smtpd_enforce_tls"
        yield find(
            ENCRYPT_MX,
            name,
            "servers without TLS cannot deliver",
            "Write smtpd_tls_security_level = may, and encrypt with -o at the submission service",
            service=key,
            element=level or "yes",
        )
    if reading.flag(settings, "smtpd_tls_req_ccert") and _enforced(settings, level):
        yield find(
            CLIENT_CERTIFICATE,
            "smtpd_tls_req_ccert",
            "clients without a certificate cannot deliver",
            "Write smtpd_tls_ask_ccert = yes",
            service=key,
            element="yes",
        )


def check_auth(policy: Policy) -> Iterator[Finding]:
    for key, settings in reading.services(policy):
        if not reading.flag(settings, "smtpd_sasl_auth_enable"):
            continue
        kind = reading.value(settings, "smtpd_sasl_type").strip()
        if reading.is_public_mx(settings.service):
            yield find(
                AUTH_ON_25,
                "smtpd_sasl_auth_enable",
                f"passwords can be guessed at {key}",
                "Set it with -o at the submission services only",
                service=key,
                element="yes",
            )
        if kind.lower() not in {"cyrus", "dovecot"}:
            yield find(
                SASL_TYPE,
                "smtpd_sasl_type",
                f"{kind} is no SASL type",
                "Write dovecot or cyrus",
                service=key,
                element=kind,
            )
        elif kind.lower() == "dovecot" and not settings.is_set("smtpd_sasl_path"):
            yield find(
                SASL_PATH,
                "smtpd_sasl_path",
                "smtpd_sasl_type is dovecot, and smtpd_sasl_path is not set",
                "Write smtpd_sasl_path = private/auth",
                service=key,
            )
        yield from _check_anonymous(key, settings)


def _check_anonymous(key: str, settings: Settings) -> Iterator[Finding]:
    for name in ("smtpd_sasl_security_options", "smtpd_sasl_tls_security_options"):
        if not settings.is_set(name):
            continue
        options = [word.lower() for word in reading.split(settings, name)]
        if "noanonymous" not in options:
            yield find(
                ANONYMOUS,
                name,
                f"{name} lacks noanonymous",
                f"Write {name} = {', '.join(['noanonymous', *options])}",
                service=key,
                element=" ".join(options),
            )


# Programs that read them; smtpd does not.
_OTHERS = {
    "cleanup": "header_checks body_checks mime_header_checks nested_header_checks always_bcc sender_bcc_maps"
    " recipient_bcc_maps body_checks_size_limit",
    "trivial-rewrite": "transport_maps relayhost sender_dependent_relayhost_maps"
    " sender_dependent_default_transport_maps"
    " default_transport relay_transport local_transport virtual_transport mailbox_transport",
    "local": "alias_maps mailbox_command home_mailbox",
}
_READER = {name: program for program, names in _OTHERS.items() for name in names.split()}


def check_options(policy: Policy) -> Iterator[Finding]:
    for key, settings in reading.services(policy):
        service = settings.service
        for argument in service.arguments:
            if not argument.startswith("-"):
                yield find(
                    STRAY,
                    "",
                    f"{argument} is an argument of its own",
                    "Write the option without spaces, or as -o { name = value }",
                    service=key,
                    element=argument,
                )
        for name, text in service.overrides.items():
            reader = _READER.get(name) or _prefixed(name)
            if reader and not _expanded_elsewhere(service, name):
                yield find(
                    NOT_READ,
                    name,
                    f"smtpd does not read {name}; {reader} does",
                    f"Set it in main.cf, or at a service of its own that runs {reader}",
                    service=key,
                    element=f"-o {name}={text}",
                )


def _prefixed(name: str) -> str:
    for prefix in ("smtp_", "lmtp_", "postscreen_", "qmgr_"):
        if name.startswith(prefix):
            return prefix.removesuffix("_")
    return ""


def _expanded_elsewhere(service: Service, name: str) -> bool:
    """Used as a macro by another option of the same service."""
    return any(re.search(rf"\$[{{(]?{re.escape(name)}\b", text) for text in service.overrides.values())


def check_duplicates(policy: Policy) -> Iterator[Finding]:
    for key, number in Counter(service.key for service in policy.services).items():
        if number > 1:
            yield find(DUPLICATE, "", f"{key} stands {number} times in master.cf", "Keep one of the lines", service=key)


_OUTSIDE = re.compile(r"/(?:var/spool/postfix|var/run|run|tmp|var/lib|etc)/")


def _chrooted(policy: Policy) -> Iterator[tuple[str, Settings]]:
    if reading.has_master(policy):
        yield from ((key, settings) for key, settings in reading.services(policy) if settings.service.chroot)


def check_chroot(policy: Policy) -> Iterator[Finding]:
    for key, settings in _chrooted(policy):
        for name, index, element, path in _sockets(settings):
            if _OUTSIDE.match(path):
                yield find(
                    CHROOT,
                    name,
                    f"{path} cannot be reached: {key} has /var/spool/postfix as its root",
                    _inside_queue(path),
                    service=key,
                    element=element,
                    index=index,
                )


_DATABASE = re.compile(r"(?:mysql|pgsql|ldap|sqlite|mongodb):\S+")


def check_chroot_databases(policy: Policy) -> Iterator[Finding]:
    for key, settings in _chrooted(policy):
        for name in reading.LISTS:
            for inner, outer in reading.walk(settings, name):
                table = inner.argument.text if inner.argument is not None else inner.name
                if _DATABASE.fullmatch(table):
                    yield find(
                        CHROOT_DATABASE,
                        name,
                        f"{key} asks {table} from inside /var/spool/postfix",
                        f"Write proxy:{table}, and add it to proxy_read_maps; or write n in the chroot column",
                        service=key,
                        element=outer,
                    )


def _inside_queue(path: str) -> str:
    inside = path.removeprefix("/var/spool/postfix/")
    if inside != path:
        return f"Write {inside}, which is relative to /var/spool/postfix"
    return "Put the socket below /var/spool/postfix and name it relative to that, or write n in the chroot column"


def _sockets(settings: Settings) -> Iterator[tuple[str, int | None, str, str]]:
    """Parameter, index, element and path of each socket that smtpd connects to after its chroot."""
    if (
        reading.flag(settings, "smtpd_sasl_auth_enable")
        and reading.value(settings, "smtpd_sasl_type").lower() == "dovecot"
    ):
        path = reading.value(settings, "smtpd_sasl_path").strip()
        yield "smtpd_sasl_path", None, path, path.removeprefix("unix:")
    for index, word in enumerate(reading.split(settings, "smtpd_milters")):
        path = re.sub(r"^\{?\s*", "", word).split(",")[0].split(" ")[0].rstrip("}")
        if path.startswith(("unix:", "local:")):
            yield "smtpd_milters", index, word, path.partition(":")[2]
    for name in reading.LISTS:
        for inner, outer in reading.walk(settings, name):
            if inner.name.lower() == "check_policy_service" and inner.argument is not None:
                endpoint = re.split(r"[,\s]", inner.argument.text.strip())[0]
                if endpoint.startswith("unix:"):
                    yield name, outer.index, str(outer), endpoint.removeprefix("unix:")


def check_trust(policy: Policy) -> Iterator[Finding]:
    for key, settings in reading.services(policy):
        name = "smtpd_authorized_xclient_hosts"
        for index, word in enumerate(reading.split(settings, name)):
            if _anybody(word):
                yield find(
                    XCLIENT,
                    name,
                    f"clients in {word} may claim any address and login",
                    f"Write {name} = 127.0.0.1, or take it out",
                    service=key,
                    element=word,
                    index=index,
                )
        proxy = "smtpd_upstream_proxy_protocol"
        if reading.value(settings, proxy).strip() and reading.is_public_mx(settings.service):
            yield find(
                PROXY,
                proxy,
                f"clients of {key} tell their own address",
                "Listen for the proxy on a port of its own that only the proxy can reach",
                service=key,
                element=reading.value(settings, proxy),
            )


def _anybody(word: str) -> bool:
    if word.startswith("!"):
        return False
    if word.lower().startswith("static:"):
        return True
    prefix = re.fullmatch(r"\[?[0-9a-fA-F.:]+\]?/(\d+)\]?", word)
    return prefix is not None and int(prefix[1]) < (48 if ":" in word else 16) and not word.startswith(("10.", "127."))


RULES: tuple[Rule, ...] = (
    check_submission,
    check_tls,
    check_auth,
    check_options,
    check_duplicates,
    check_chroot,
    check_chroot_databases,
    check_trust,
)
