# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What each TLS port agrees to, all of it: one thing more is as wrong as one less.

sslyze tries versions, suites, curves and known holes; openssl s_client what sslyze cannot: ManageSieve, signature
algorithms, and groups that are younger than its library. The lists are Mozilla's intermediate profile 6.0 for a P-256
key, which NCSC-NL (2025-05) calls good or sufficient.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from dialogue.handshakes import EVERYTHING, Handshake, accepted_suites, run
from dialogue.lab import Lab, Server
from postern_lab.model import load_lab
from postern_lab.state import load_trust
from postern_lab.views import inventory
from sslyze import (
    CertificateDeploymentAnalysisResult,
    CertificateInfoExtraArgument,
    ProtocolWithOpportunisticTlsEnum,
    ScanCommand,
    ScanCommandsExtraArguments,
    Scanner,
    ServerNetworkConfiguration,
    ServerNetworkLocation,
    ServerScanRequest,
)

SMTP = ProtocolWithOpportunisticTlsEnum.SMTP
# Port -> STARTTLS as sslyze calls it, None for TLS from the first octet.
SCANNED: Mapping[int, ProtocolWithOpportunisticTlsEnum | None] = {25: SMTP, 465: None, 587: SMTP, 993: None, 443: None}
# Port -> STARTTLS as s_client calls it.
SHAKEN = {25: "smtp", 465: "", 587: "smtp", 993: "", 443: "", 4190: "sieve"}

# Kind of key -> what it makes possible. One server of the lab has an RSA certificate in addition.
SUITES_1_2 = {
    kind: {
        f"TLS_ECDHE_{kind}_WITH_AES_256_GCM_SHA384",
        f"TLS_ECDHE_{kind}_WITH_CHACHA20_POLY1305_SHA256",
        f"TLS_ECDHE_{kind}_WITH_AES_128_GCM_SHA256",
    }
    for kind in ("ECDSA", "RSA")
}
SUITES_1_3 = {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"}
OPENSSL_SUITES = {
    kind: {f"ECDHE-{kind}-AES256-GCM-SHA384", f"ECDHE-{kind}-CHACHA20-POLY1305", f"ECDHE-{kind}-AES128-GCM-SHA256"}
    for kind in ("ECDSA", "RSA")
}
SIGNATURES = {
    "ECDSA": {"ECDSA+SHA256", "ECDSA+SHA384", "ECDSA+SHA512"},
    "RSA": {"RSA+SHA256", "RSA+SHA384", "RSA+SHA512", "RSA-PSS+SHA256", "RSA-PSS+SHA384", "RSA-PSS+SHA512"},
}
REFUSED_SIGNATURES = {"ECDSA+SHA1", "ECDSA+SHA224", "RSA+SHA1", "RSA+SHA224", "ed25519"}
COMMANDS = {
    "SSL 2": ScanCommand.SSL_2_0_CIPHER_SUITES,
    "SSL 3": ScanCommand.SSL_3_0_CIPHER_SUITES,
    "TLS 1.0": ScanCommand.TLS_1_0_CIPHER_SUITES,
    "TLS 1.1": ScanCommand.TLS_1_1_CIPHER_SUITES,
    "TLS 1.2": ScanCommand.TLS_1_2_CIPHER_SUITES,
    "TLS 1.3": ScanCommand.TLS_1_3_CIPHER_SUITES,
}
# Result's name -> what it must say.
HOLES: Mapping[str, Mapping[str, Any]] = {
    "tls_compression": {"supports_compression": False},
    "tls_1_3_early_data": {"supports_early_data": False},
    "heartbleed": {"is_vulnerable_to_heartbleed": False},
    "openssl_ccs_injection": {"is_vulnerable_to_ccs_injection": False},
    "tls_fallback_scsv": {"supports_fallback_scsv": True},
    "tls_extended_master_secret": {"supports_ems_extension": True},
    "session_renegotiation": {"supports_secure_renegotiation": True, "client_renegotiations_success_count": 0},
}
CURVES = {"X25519", "secp256r1", "secp384r1"}

GROUPS = ("X25519", "P-256", "P-384", "P-521", "X448", "ffdhe2048", "ffdhe3072", "X25519MLKEM768",
          "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "MLKEM768")  # fmt: skip
ACCEPTED_GROUPS = {"X25519", "P-256", "P-384"}
# OpenSSL learnt ML-KEM in 3.5; Debian 12 has 3.0.
POST_QUANTUM = {"X25519MLKEM768"}
WITHOUT_POST_QUANTUM = ("12",)

ATTEMPTS = {
    **{f"group {name}": f"-tls1_3 -groups {name}" for name in GROUPS},
    **{
        f"signature {name}": f"-tls1_2 -sigalgs {name} -cipher {EVERYTHING}"
        for name in REFUSED_SIGNATURES.union(*SIGNATURES.values())
    },
    **{f"suite {name}": f"-tls1_3 -ciphersuites {name}" for name in (*SUITES_1_3, "TLS_AES_128_CCM_SHA256")},
    "version 1.0": f"-tls1 -cipher {EVERYTHING}",
    "version 1.1": f"-tls1_1 -cipher {EVERYTHING}",
    "plain": "-tls1_2",
}

# Of the stores of roots that sslyze brings along.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")

Results = dict[tuple[Server, int], Any]
Handshakes = dict[tuple[Server, int], dict[str, Handshake]]


def scan_request(server: Server, port: int, roots: Path) -> ServerScanRequest:
    starttls = SCANNED[port]
    return ServerScanRequest(
        server_location=ServerNetworkLocation(server.hostname, port, server.address),
        network_configuration=ServerNetworkConfiguration(
            tls_server_name_indication=server.hostname,
            tls_opportunistic_encryption=starttls,
            smtp_ehlo_hostname="gateway.world.example" if starttls else None,
            network_timeout=20,
        ),
        scan_commands={
            *COMMANDS.values(),
            *(ScanCommand(name) for name in HOLES),
            ScanCommand.ELLIPTIC_CURVES,
            ScanCommand.ROBOT,
            ScanCommand.CERTIFICATE_INFO,
        },
        scan_commands_extra_arguments=ScanCommandsExtraArguments(
            certificate_info=CertificateInfoExtraArgument(custom_ca_file=roots)
        ),
    )


@pytest.fixture(scope="module")
def scans(lab: Lab, servers: Sequence[Server]) -> Results:
    """Server and port -> all that sslyze has found."""
    trust = load_trust(lab.name)
    assert trust
    scanner = Scanner(per_server_concurrent_connections_limit=8, concurrent_server_scans_limit=16)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as roots:
        roots.write("".join(trust.roots))
        roots.flush()
        places = {(server.hostname, port): (server, port) for server in servers for port in SCANNED}
        scanner.queue_scans([scan_request(server, port, Path(roots.name)) for server, port in places.values()])
        results = list(scanner.get_results())
    found = {}
    for result in results:
        assert result.scan_result, (result.server_location, result.connectivity_error_trace)
        found[places[result.server_location.hostname, result.server_location.port]] = result.scan_result
    return found


@pytest.fixture(scope="module")
def handshakes(lab: Lab, servers: Sequence[Server]) -> Handshakes:
    """Server and port -> name of the attempt -> what came of it."""

    def one(place: tuple[Server, int]) -> dict[str, Handshake]:
        server, port = place
        attempts = {name: f"{each} -servername {server.hostname}" for name, each in ATTEMPTS.items()}
        return run(lab.world, f"{server.address}:{port}", SHAKEN[port], attempts)

    places = [(server, port) for server in servers for port in SHAKEN]
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(places, pool.map(one, places), strict=True))


def kinds(lab: Lab, server: Server) -> list[str]:
    """Of the keys that the server has certificates for."""
    variables = inventory(load_lab(lab.name), None)["_meta"]["hostvars"][server.name]
    return ["ECDSA", "RSA"] if variables.get("mail_certificate_rsa") else ["ECDSA"]


def together(lab: Lab, server: Server, sets: Mapping[str, set[str]]) -> set[str]:
    """What all keys of the server make possible."""
    return set[str]().union(*(sets[kind] for kind in kinds(lab, server)))


def made(handshakes: Handshakes, server: Server, port: int, kind: str) -> set[str]:
    """The attempts of a kind that ended in agreement; all of them got as far as to be refused or not."""
    attempts = handshakes[server, port]
    named = {name.removeprefix(f"{kind} "): each for name, each in attempts.items() if name.startswith(f"{kind} ")}
    assert [str(each) for each in named.values() if not each.reached] == []
    return {name for name, each in named.items() if each.made}


@pytest.mark.parametrize("port", SCANNED)
def test_versions_and_suites(lab: Lab, scans: Results, server: Server, port: int) -> None:
    found = {}
    for version, command in COMMANDS.items():
        result = getattr(scans[server, port], command.value).result
        assert result, getattr(scans[server, port], command.value).error_trace
        found[version] = {each.cipher_suite.name for each in result.accepted_cipher_suites}
    wanted = {"TLS 1.2": together(lab, server, SUITES_1_2), "TLS 1.3": SUITES_1_3}
    assert {version: suites for version, suites in found.items() if suites} == wanted


@pytest.mark.parametrize("port", SCANNED)
def test_protections_and_holes(scans: Results, server: Server, port: int) -> None:
    found = {}
    for name, wanted in HOLES.items():
        attempt = getattr(scans[server, port], name)
        assert attempt.result, attempt.error_trace
        found[name] = {key: getattr(attempt.result, key) for key in wanted}
    assert found == HOLES
    assert scans[server, port].robot.result.robot_result.value == "NOT_VULNERABLE_RSA_NOT_SUPPORTED"


@pytest.mark.parametrize("port", SCANNED)
def test_curves(scans: Results, server: Server, port: int) -> None:
    assert {curve.name for curve in scans[server, port].elliptic_curves.result.supported_curves} == CURVES


@pytest.mark.parametrize("port", SCANNED)
def test_chains(lab: Lab, scans: Results, server: Server, port: int) -> None:
    """One for each kind of key, of the authority, in order, without its root, with all names of the server."""
    deployments = scans[server, port].certificate_info.result.certificate_deployments
    keys = [deployment.received_certificate_chain[0].public_key() for deployment in deployments]
    assert sorted("RSA" if isinstance(key, RSAPublicKey) else "ECDSA" for key in keys) == kinds(lab, server)
    assert {key.key_size for key in keys} <= {256, 3072}
    for deployment in deployments:
        judge_chain(deployment, server)


def judge_chain(deployment: CertificateDeploymentAnalysisResult, server: Server) -> None:
    assert deployment.received_chain_has_valid_order
    assert not deployment.received_chain_contains_anchor_certificate
    assert not deployment.verified_chain_has_sha1_signature
    leaf = deployment.received_certificate_chain[0]
    assert len(deployment.received_certificate_chain) == 2
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    wanted = {f"{name}.{domain}" for name in ("mta-sts", "autoconfig", "autodiscover")
              for domain in (server.domain, server.second_domain)}  # fmt: skip
    assert set(names) == {server.hostname} | wanted
    # The others are the world's stores, to which the laboratory's authority is nobody.
    assert [each for each in deployment.path_validation_results if each.was_validation_successful] != []


@pytest.mark.parametrize("port", SHAKEN)
def test_groups(handshakes: Handshakes, server: Server, port: int) -> None:
    wanted = ACCEPTED_GROUPS | (set() if server.release in WITHOUT_POST_QUANTUM else POST_QUANTUM)
    assert made(handshakes, server, port, "group") == wanted


@pytest.mark.parametrize("port", SHAKEN)
def test_signature_algorithms(lab: Lab, handshakes: Handshakes, server: Server, port: int) -> None:
    assert made(handshakes, server, port, "signature") == together(lab, server, SIGNATURES)


@pytest.mark.parametrize("port", SHAKEN)
def test_suites_of_tls_1_3(handshakes: Handshakes, server: Server, port: int) -> None:
    assert made(handshakes, server, port, "suite") == SUITES_1_3


@pytest.mark.parametrize("port", SHAKEN)
def test_old_versions_are_refused(handshakes: Handshakes, server: Server, port: int) -> None:
    assert made(handshakes, server, port, "version") == set()


def test_managesieve_agrees_to_the_same(lab: Lab, scans: Results, handshakes: Handshakes, server: Server) -> None:
    assert accepted_suites(lab.world, server, "sieve") == together(lab, server, OPENSSL_SUITES)
    session = handshakes[server, 4190]["plain"].text
    assert "Extended master secret: yes" in session
    assert "Compression: NONE" in session
    pem = re.search(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n", session)
    assert pem
    chains = [
        each.received_certificate_chain for each in scans[server, 993].certificate_info.result.certificate_deployments
    ]
    assert x509.load_pem_x509_certificate(pem[0].encode()) in [chain[0] for chain in chains]
