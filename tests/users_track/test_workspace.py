from __future__ import annotations

import dataclasses

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.users_track.workspace import Workspace, is_loopback

HOST = "https://rest.iad-01.braze.com"
KEY = "0a1b2c3d-key"


def workspace(host=HOST, key=KEY, extras=None, **fields):
    return Workspace.from_settings(host, key, extras, **fields)


@pytest.mark.parametrize(
    ("host", "fields", "endpoint"),
    [
        (HOST, {}, HOST),
        (f"  {HOST}/ ", {}, HOST),
        ("rest.fra-02.braze.eu", {}, "https://rest.fra-02.braze.eu"),
        ("REST.US-10.braze.com", {}, "https://rest.us-10.braze.com"),
        ("rest.iad-01.braze.com", {"port": 8443}, f"{HOST}:8443"),
        (f"{HOST}:9000", {"port": 8443}, f"{HOST}:9000"),
        ("127.0.0.1", {"scheme": "http", "port": 8080}, "http://127.0.0.1:8080"),
        ("http://localhost:8080", {}, "http://localhost:8080"),
        ("http://[::1]:8080", {}, "http://[::1]:8080"),
        ("braze.example.com", {"scheme": "braze"}, "https://braze.example.com"),
    ],
)
def test_endpoints_as_people_write_them(host, fields, endpoint):
    assert workspace(host, **fields).endpoint == endpoint


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (None, "no host: put your REST endpoint there"),
        ("  ", "no host"),
        (
            "https://sdk.iad-03.braze.com",
            "use the REST endpoint of the same cluster, such as rest.iad-03.braze.com.",
        ),
        ("dashboard-01.braze.com", "dashboard-01.braze.com is Braze's dashboard"),
        (f"{HOST}/users/track", "has a path: give only the REST endpoint"),
        (f"{HOST}?x=1", "has a path"),
        ("http://127.0.0.1:8080/users/track", "such as http://127.0.0.1:8080."),
        ("http://[::1]:8080/x", "such as http://[::1]:8080."),
        ("http://rest.iad-01.braze.com/x", "such as https://rest.iad-01.braze.com."),
        ("https://rest.iad-01.braze.com:443/x", "such as https://rest.iad-01.braze.com."),
        (f"{HOST}#x", "has a path"),
        ("http://rest.iad-01.braze.com", "would send the key unencrypted"),
        ("http://10.0.0.5:80", "would send the key unencrypted"),
        ("ftp://rest.iad-01.braze.com", "is not an http(s) address"),
        ("https://", "is not an http(s) address"),
        ("https://bräze.example", "write it as DNS does"),
        ("https://host:port", "is not a valid address"),
    ],
)
def test_a_wrong_host_is_named(host, message):
    with pytest.raises(BrazeSetupError) as caught:
        workspace(host)
    assert message in str(caught.value)


def test_credentials_in_the_host_are_refused_and_not_shown():
    for host in ("https://user:secret@rest.iad-01.braze.com", "secret@rest.iad-01.braze.com"):
        with pytest.raises(BrazeSetupError) as caught:
            workspace(host)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "extras"), [(f"https://rest.example/{KEY}", {}), (KEY.upper(), {}), (HOST, {"timeout": KEY})]
)
def test_a_key_in_another_field_is_not_shown(host, extras):
    with pytest.raises(BrazeSetupError, match="holds the REST API key") as caught:
        workspace(host, extras=extras)
    assert KEY.lower() not in str(caught.value).lower()


def test_http_on_request():
    assert workspace("http://10.0.0.5", extras={"allow_http": True}).endpoint == "http://10.0.0.5"
    assert workspace("http://10.0.0.5", extras={"allow_http": "True"}).endpoint == "http://10.0.0.5"
    with pytest.raises(BrazeSetupError, match="unencrypted"):
        workspace("http://10.0.0.5", extras={"allow_http": "false"})
    with pytest.raises(BrazeSetupError, match="allow_http must be true or false, not 'yes'"):
        workspace("http://10.0.0.5", extras={"allow_http": "yes"})


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, "no REST API key"),
        ("  ", "no REST API key"),
        ('"0a1b"', "is in quotes"),
        ("'0a1b", "is in quotes"),
        ("0a1b 2c", "has a character that no key has"),
        ("0a1b\u20132c", "has a character that no key has"),
        ("0a1b\n2c", "has a character that no key has"),
    ],
)
def test_a_wrong_key_is_named_and_not_shown(key, message):
    with pytest.raises(BrazeSetupError) as caught:
        workspace(key=key)
    assert message in str(caught.value)
    assert "0a1b" not in str(caught.value)


def test_the_key_is_trimmed_hidden_and_redacted():
    found = workspace(key=f" {KEY}\n")
    assert found.api_key == KEY
    assert KEY not in repr(found)
    assert found.redact(f"Invalid API key: {KEY}") == "Invalid API key: ***"


def test_the_defaults_are_brazes_limits():
    found = workspace()
    assert (found.requests_per_second, found.objects_per_request) == (1000, 75)
    assert (found.max_in_flight, found.connect_timeout, found.timeout, found.partner) == (96, 5, 30, None)


def test_extras_as_a_form_gives_them():
    found = workspace(
        extras={
            "requests_per_second": "250.5",
            "max_in_flight": "8",
            "objects_per_request": "50",
            "timeout": "60",
            "partner": "acme",
            "unknown": {"ignored": True},
        }
    )
    assert (found.requests_per_second, found.max_in_flight, found.objects_per_request) == (250.5, 8, 50)
    assert (found.connect_timeout, found.timeout, found.partner) == (5, 60, "acme")
    assert workspace(extras={"timeout": None, "max_in_flight": ""}) == workspace()
    assert found.for_partner("other") == dataclasses.replace(found, partner="other")


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        (2, (2, 2)),
        ("2.5", (2.5, 2.5)),
        ([3, 20], (3, 20)),
        ("3, 20", (3, 20)),
        ({"connect": 3}, (3, 30)),
        ({"total": 20}, (5, 20)),
    ],
)
def test_timeouts(timeout, expected):
    found = workspace(extras={"timeout": timeout})
    assert (found.connect_timeout, found.timeout) == expected


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("requests_per_second", 0, "requests_per_second must be a number above 0, not 0."),
        ("requests_per_second", -1, "must be a number above 0, not -1."),
        ("requests_per_second", True, "must be a number above 0, not True."),
        ("requests_per_second", "fast", "must be a number above 0, not 'fast'."),
        ("requests_per_second", "inf", "must be a number above 0, not 'inf'."),
        ("requests_per_second", "nan", "must be a number above 0, not 'nan'."),
        ("max_in_flight", 1.5, "max_in_flight must be a whole number, not 1.5."),
        ("objects_per_request", "7.5", "objects_per_request must be a whole number, not '7.5'."),
        ("objects_per_request", [75], "must be a number above 0, not [75]."),
        ("timeout", [1, 2, 3], "timeout must be seconds, or a pair"),
        ("timeout", 0, "timeout must be a number above 0, not 0."),
    ],
)
def test_a_wrong_extra_is_named(name, value, message):
    with pytest.raises(BrazeSetupError) as caught:
        workspace(extras={name: value})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("x", False),
    ],
)
def test_what_is_this_machine(name, expected):
    assert is_loopback(name) is expected
