from __future__ import annotations

import dataclasses

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.users_track.transport.workspace import Workspace, is_loopback, read_extra

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
        ("https//rest.iad-01.braze.com", "is not an http(s) address: write https://rest.iad-01.braze.com."),
        ("https:/rest.iad-01.braze.com", "write https://rest.iad-01.braze.com."),
        ("https:rest.iad-01.braze.com", "write https://rest.iad-01.braze.com."),
        ("https:///rest.iad-01.braze.com/", "write https://rest.iad-01.braze.com."),
        ("https;//rest.iad-01.braze.com", "write https://rest.iad-01.braze.com."),
        ("HTTPS:\\\\rest.iad-01.braze.com", "write https://rest.iad-01.braze.com."),
        ("//rest.iad-01.braze.com", "write https://rest.iad-01.braze.com."),
        ("https://https://rest.iad-01.braze.com", "write https://rest.iad-01.braze.com."),
        ("https://https//rest.iad-01.braze.com/x", "write https://rest.iad-01.braze.com."),
        ("http//127.0.0.1:8080", "write http://127.0.0.1:8080."),
        ("https//", "write https://rest...."),
        ("htps://rest.iad-01.braze.com", "write https://rest.iad-01.braze.com."),
        ("ftp://rest.iad-01.braze.com/", "write https://rest.iad-01.braze.com."),
        ("https ://rest.iad-01.braze.com", "write https://rest.iad-01.braze.com."),
        ("'https://rest.iad-01.braze.com'", "write https://rest.iad-01.braze.com."),
        ("<https://rest.iad-01.braze.com>", "write https://rest.iad-01.braze.com."),
        ("rest.iad-01 .braze.com", "has a character that no host name has"),
        ("rest,iad-01.braze.com", "has a character that no host name has"),
    ],
)
def test_a_wrong_host_is_named(host, message):
    with pytest.raises(BrazeSetupError) as caught:
        workspace(host)
    assert message in str(caught.value)


def test_credentials_in_the_host_are_refused_and_not_shown():
    for host in (
        "https://user:secret@rest.iad-01.braze.com",
        "secret@rest.iad-01.braze.com",
        "https//user:secret@rest.iad-01.braze.com",
        "https://user:secret@[rest",
    ):
        with pytest.raises(BrazeSetupError) as caught:
            workspace(host)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "extras"),
    [
        (HOST, {KEY: 1}),
        (HOST, {"x": [KEY]}),
        (f"https://rest.example/{KEY}", {}),
        (KEY.upper(), {}),
        (HOST, {"timeout": KEY}),
    ],
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
        ("requests_per_second", "1.000", "without separators between thousands, not '1.000'."),
        ("timeout", "1.500", "without separators between thousands, not '1.500'."),
        ("objects_per_request", "1.000", "without separators between thousands, not '1.000'."),
        ("requests_per_second", "nan", "must be a number above 0, not 'nan'."),
        ("max_in_flight", 1.5, "max_in_flight must be a whole number, not 1.5."),
        ("objects_per_request", "7.5", "objects_per_request must be a whole number, not '7.5'."),
        ("objects_per_request", [75], "must be a number above 0, not [75]."),
        ("timeout", [1, 2, 3], "timeout must be seconds, or a pair"),
        ("timeout", 0, "timeout must be a number above 0, not 0."),
        (
            "timeout",
            {"read": 9},
            "timeout must be seconds, or a pair of connect and total seconds, such as [2, 20]",
        ),
        ("timeout", {"connect": 1, "read": 9}, "timeout must be seconds, or a pair"),
        ("timeout", {}, "timeout must be seconds, or a pair"),
        ("timeout", [], "timeout must be seconds, or a pair"),
        ("timeout", "1,2,3", "timeout must be seconds, or a pair"),
        ("timeout", {"total": None}, "timeout must be a number above 0, not None."),
        ("timeout", [3, "soon"], "timeout must be a number above 0, not 'soon'."),
        ("timeout", [[1], 2], "timeout must be a number above 0, not [1]."),
        ("timeout", 10**9, "timeout must be at most 3600 seconds, not 1000000000."),
        ("timeout", 10**400, "timeout must be a number above 0"),
        ("requests_per_second", 1e308, "requests_per_second must be at most 1000000, not 1e+308."),
        ("max_in_flight", 10**9, "max_in_flight must be at most 1000, not 1000000000."),
        ("max_in_flight", {"a": 1}, "max_in_flight must be a number above 0"),
        ("allow_http", 1, "allow_http must be true or false, not 1."),
        ("allow_http", ["true"], "allow_http must be true or false"),
        ("partner", 5, "partner must be a name, not 5."),
        ("partner", ["acme"], "partner must be a name"),
        ("partner", "ac\nme", "partner has a character that no name has."),
        ("request_per_second", 5, "'request_per_second' means nothing here: write requests_per_second"),
        ("Requests Per Second", 5, "write requests_per_second"),
        ("requests-per-second", 5, "write requests_per_second"),
        ("extra__braze__timeout", 5, "write timeout"),
        ("max_inflight", 5, "write max_in_flight"),
        ("Timeout", 5, "write timeout"),
        ("objectsPerRequest", 5, "write objects_per_request"),
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


@pytest.mark.parametrize("text", [None, "", "  ", "null", "{}"])
def test_no_extra_is_none(text):
    assert read_extra(text) == {}


def test_an_extra_is_an_object():
    assert read_extra(' {"timeout": [2, 20], "x": {"a": 1, "a": 2}} ') == {"timeout": [2, 20], "x": {"a": 2}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{'requests_per_second': 1}", "is not JSON (line 1, column 2)"),
        ('{"requests_per_second": 1,}', "is not JSON (line 1, column 2"),
        ("requests_per_second=1", "is not JSON (line 1, column 1)"),
        ('{"requests_per_second": 1} {}', "is not JSON (line 1, column 28)"),
        ("{" * 100_000, "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", 'must be a JSON object such as {"requests_per_second": 250}, not a list.'),
        ('"requests_per_second"', "not a str."),
        ("1000", "not a int."),
        ("true", "not a bool."),
        ('{"timeout": 1, "timeout": 2}', "timeout is given twice"),
    ],
)
def test_an_extra_that_cannot_be_read_is_not_taken_for_empty(text, message):
    with pytest.raises(BrazeSetupError) as caught:
        read_extra(text)
    assert message in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_is_one_that_there_is(port):
    with pytest.raises(BrazeSetupError, match="port must be from 1 to 65535"):
        workspace(port=port)


def test_one_of_several_pushes_has_a_share_of_the_same_limit():
    shard = workspace(extras={"requests_per_second": 100}).shared_by(4)
    assert (shard.shards, shard.requests_per_second) == (4, 100.0)
    assert workspace().shards == 1
