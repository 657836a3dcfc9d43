"""What the sandbox's command line says of a wrong value, as somebody reads it who gives it."""

from __future__ import annotations

import pytest

from airflow_provider_braze.sandbox.__main__ import main


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--port", "99999", "'99999' is no port from 0 to 65535"),
        ("--port", "http", "'http' is no port from 0 to 65535"),
        ("--latency-ms", "fast", "'fast' is no number of at least 0"),
        ("--lag", "nan", "'nan' is no number of at least 0"),
        ("--objects-per-request", "0", "'0' is no whole number of at least 1"),
        ("--api-key", " ", "a key must be given"),
        ("--limit", "bulk", "'bulk' is not NAME=N or NAME=N/S"),
        ("--limit", "bulk=x", "'x' is neither N (a second) nor N/S"),
        ("--tls-certificate", "/nowhere.pem", "'/nowhere.pem' cannot be read"),
        ("--tls-key", "/nowhere.pem", "'/nowhere.pem' cannot be read"),
    ],
)
def test_a_wrong_value_is_named(
    option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--api-key", "k", option, value])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err
