"""The same attacks with OpenSSL as the one that must notice: its alert, or the reason why it lets them pass."""

from __future__ import annotations

import pytest

from tls13.lab.experiments import EXPERIMENTS, perform
from tls13.lab.experiments.model import Prediction
from tls13.lab.experiments.openssl import OpenSslMissing

ASKED = [one for one in EXPERIMENTS.values() if isinstance(one.openssl, Prediction)]


@pytest.mark.interop
@pytest.mark.parametrize("experiment", [pytest.param(one, id=one.name) for one in ASKED])
def test_openssl_does_what_is_predicted(experiment) -> None:
    try:
        result = perform(experiment, "openssl")
    except OpenSslMissing as missing:
        pytest.skip(str(missing).removeprefix("the ").replace("openssl program", "openssl"))
    assert result.differences == []


def test_where_openssl_does_something_else_the_reason_is_given() -> None:
    for one in ASKED:
        if one.openssl.alert != one.prediction.alert and one.openssl_plays is None:
            assert one.openssl.because, one.name


def test_most_of_the_menu_is_run_against_openssl() -> None:
    assert len(ASKED) > len(EXPERIMENTS) * 3 // 4
