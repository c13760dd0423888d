"""python -m certs serve: the catalogue over real connections, in memory: each verdict, each alert."""

from __future__ import annotations

import pytest
from cryptography import x509

import certs
import tls13
from certs.serve import exhibits, index_page, server_config
from tls13 import errors

EXHIBITS = exhibits(certs.workshop())


@pytest.fixture(scope="module")
def config() -> tls13.ServerConfig:
    return server_config(certs.workshop())


@pytest.mark.filterwarnings("ignore:Parsed a serial number:cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("shown", EXHIBITS, ids=lambda shown: shown.case.name)
def test_a_client_says_of_each_host_what_the_index_says(shown, config) -> None:
    """From the ClientHello's server_name to the alert that the server hears."""
    workshop, case, exhibit = certs.workshop(), shown.case, shown.exhibit
    trust = tls13.TrustStore.from_certificates([x509.load_der_x509_certificate(root) for root in exhibit.roots])
    crls = [x509.load_der_x509_crl(crl) for crl in exhibit.crls]
    client_config = tls13.ClientConfig(
        trust=trust,
        crls=tls13.CrlSet(crls, require="chain") if crls else None,
        clock=workshop.now.timestamp,
    )
    client = tls13.ClientConnection(client_config, server_hostname=case.host)
    server = tls13.ServerConnection(config)
    if case.verdict.exception is None:
        tls13.pump(client, server)
        assert client.handshake_complete
        assert server.handshake_complete
        return
    with pytest.raises(errors.Abort) as caught:
        tls13.pump(client, server)
    assert (type(caught.value).__name__, caught.value.alert.name) == (case.verdict.exception, case.verdict.alert)
    server.receive_data(client.data_to_send())
    with pytest.raises(tls13.AlertReceived) as heard:
        list(server.events())
    assert heard.value.code == caught.value.alert


def test_the_index_names_every_host() -> None:
    cases = [shown.case for shown in EXHIBITS]
    page = index_page(cases)
    assert all(case.host in page for case in cases)
    assert len(cases) > 100
