from __future__ import annotations

import threading
import time

import pytest

from tests.sandbox.raw import export, post, track
from tests.sandbox_process import SandboxProcess
from tests.waiting import until

ADA = {"external_id": "ada", "first_name": "Ada"}
EVENT = {"external_id": "ada", "name": "conversation", "time": "2026-01-01"}
NOTHING_VALID = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."


def test_success_counts_only_the_arrays_that_were_sent(sandbox):
    reply = track(sandbox, ADA)
    assert reply.status == 201
    assert reply.json == {"attributes_processed": 1, "message": "success"}
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-ratelimit-remaining"] == "250000"
    assert reply.headers["x-request-id"]
    body = {"attributes": [ADA], "events": [EVENT], "purchases": [], "partner": "x"}
    assert post(sandbox, "/users/track", body).json == {
        "attributes_processed": 1,
        "events_processed": 1,
        "message": "success",
    }
    assert sandbox.profile("ada")["first_name"] == "Ada"


def test_partly_bad_is_201_with_the_bad_ones_named(sandbox):
    alias = {"alias_name": "n", "alias_label": "l"}
    reply = track(
        sandbox,
        ADA,
        {"external_id": "b", "email_subscribe": "Subscribed"},
        {"external_id": "c"},
        {"external_id": "d", "push_subscribe": "x"},
        {"external_id": "e", "user_alias": alias},
    )
    assert reply.status == 201
    states = "must be 'subscribed', 'unsubscribed', or 'opted_in'"
    assert reply.json == {
        "attributes_processed": 2,
        "errors": [
            {"index": 1, "input_array": "attributes", "type": f"'email_subscribe' {states}"},
            {"index": 3, "input_array": "attributes", "type": f"'push_subscribe' {states}"},
            {
                "index": 4,
                "input_array": "attributes",
                "type": "You must specify only one of 'external_id', 'user_alias' or 'braze_id'",
            },
        ],
        "message": "success",
    }
    assert sandbox.profiles().keys() == {"ada", "c"}


def test_all_bad_is_400_with_the_same_errors(sandbox):
    reply = track(sandbox, {"email": "bad"}, {})
    assert reply.status == 400
    assert reply.json["message"] == NOTHING_VALID
    assert [(e["index"], e["input_array"]) for e in reply.json["errors"]] == [
        (0, "attributes"),
        (1, "attributes"),
    ]


@pytest.mark.parametrize("body", [{}, {"attributes": []}, {"attributes": {"a": 1}}, {"users": [ADA]}])
def test_nothing_sent_is_400(sandbox, body):
    reply = post(sandbox, "/users/track", body)
    assert (reply.status, reply.json) == (400, {"message": NOTHING_VALID})


def test_an_empty_array_beside_a_bad_one_is_no_success(sandbox):
    assert post(sandbox, "/users/track", {"attributes": [], "events": [{}]}).status == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"attributes": [NaN]}', b"\x1f\x8b\x08\x00", b"\xff", b"[" * 99_999]
)
def test_what_is_no_json_object_is_400_with_error(sandbox, body):
    reply = post(sandbox, "/users/track", body)
    assert reply.status == 400
    assert reply.json == {"error": "Error while parsing request body. Please check your syntax."}


def test_75_objects_in_all(sandbox):
    items = [{"external_id": str(n)} for n in range(75)]
    assert track(sandbox, *items).status == 201
    reply = post(sandbox, "/users/track", {"attributes": items, "events": [EVENT]})
    assert (reply.status, reply.json) == (400, {"message": "Max Input Length Exceeded"})
    assert len(sandbox.all_profiles()) == 75


def test_4_mb(sandbox):
    # The long text is ignored for its length, so only the body's size matters.
    shell = len(b'{"attributes": [{"external_id": "a", "x": ""}]}')
    reply = track(sandbox, {"external_id": "a", "x": "y" * (4_000_000 - shell)})
    assert reply.status == 201
    assert track(sandbox, {"external_id": "b", "x": "y" * (4_000_001 - shell)}).status == 413
    assert sandbox.profiles().keys() == {"a"}
    assert sandbox.stats()["max_body_bytes"] == 4_000_000


@pytest.mark.parametrize(
    ("header", "echoed"),
    [("Bearer wrong-key", "wrong-key"), ("", ""), ("Bearer", "Bearer"), ("Basic abc", "abc")],
)
def test_401_echoes_the_key_and_empties_the_rate_headers(sandbox, header, echoed):
    headers = {"Content-Type": "application/json", "Authorization": header}
    reply = post(sandbox, "/users/track", {"attributes": [ADA]}, headers=headers)
    assert (reply.status, reply.json) == (401, {"message": f"Invalid API key: {echoed}"})
    assert [reply.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")] == ["", "", ""]


def test_403_for_a_missing_permission_and_a_trailing_slash(sandbox):
    assert track(sandbox, ADA, key=sandbox.track_only_key).status == 201
    reply = track(sandbox, ADA, key=sandbox.export_only_key)
    assert (reply.status, reply.json) == (403, {"message": "Access Denied"})
    assert (
        post(sandbox, "/users/export/ids", {"external_ids": ["a"]}, key=sandbox.track_only_key).status == 403
    )
    assert post(sandbox, "/users/track/", {"attributes": [ADA]}).status == 403


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/users/trak"), ("POST", "/"), ("GET", "/users/track")]
)
def test_404(sandbox, method, path):
    assert post(sandbox, path, {}, method=method).json == {"message": "Not Found"}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_415(sandbox, content_type):
    headers = {"Authorization": f"Bearer {sandbox.key}", "Content-Type": content_type}
    assert post(sandbox, "/users/track", {"attributes": [ADA]}, headers=headers).status == 415
    headers["Content-Type"] = "Application/JSON; charset=utf-8"
    assert post(sandbox, "/users/track", {"attributes": [ADA]}, headers=headers).status == 201


def test_export(sandbox):
    alias = {"alias_name": "n", "alias_label": "l"}
    track(sandbox, {**ADA, "email": "ada@example.com", "phone": "+49301", "zip": "07090", "last_name": ""})
    track(sandbox, {"user_alias": alias, "_update_existing_only": False})
    reply = export(sandbox, external_ids=["ada", "nope", "ada"], user_aliases=[alias])
    assert reply.status == 201
    assert reply.json["message"] == "success"
    assert reply.json["invalid_user_ids"] == ["nope"]
    ada, other = reply.json["users"]
    assert ada["custom_attributes"] == {"zip": "07090"}
    assert "last_name" not in ada
    assert other["user_aliases"] == [alias]
    for asked in ({"email_address": "ADA@example.com"}, {"phone": "0049 301"}, {"braze_id": ada["braze_id"]}):
        found = export(sandbox, **asked).json
        assert "invalid_user_ids" not in found
        assert found["users"] == ([ada] if "phone" not in asked else [])
    assert export(sandbox, phone="+49 301").json["users"] == [ada]
    fields = export(sandbox, external_ids=["ada"], fields_to_export=["external_id", "email", "dob"]).json
    assert fields["users"] == [{"external_id": "ada", "email": "ada@example.com"}]
    assert export(sandbox, external_ids=["nope"]).json == {
        "users": [],
        "invalid_user_ids": ["nope"],
        "message": "success",
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"external_ids": [str(n) for n in range(51)]},
            "The max number of external_ids and aliases per request was exceeded",
        ),
        ({}, "No users to export were given"),
        ({"external_ids": "ada"}, "'external_ids' and 'user_aliases' must be arrays"),
        (
            {"external_ids": ["a"], "fields_to_export": "email"},
            "'fields_to_export' must be an array of strings",
        ),
    ],
)
def test_a_bad_export_is_400(sandbox, body, message):
    reply = export(sandbox, **body)
    assert reply.status == 400
    assert reply.json["message"] == message


def test_several_kinds_of_identifiers_in_one_export(sandbox):
    alias = {"alias_name": "n", "alias_label": "l"}
    track(
        sandbox,
        ADA,
        {"user_alias": alias, "_update_existing_only": False},
        {"email": "eve@example.com"},
        {"phone": "+49301"},
    )
    asked = {"external_ids": ["ada", "nope"], "user_aliases": [alias], "email_address": "eve@example.com"}
    reply = export(sandbox, **asked, phone="+49301", fields_to_export=["external_id", "email", "phone"])
    assert reply.json["users"] == [
        {"external_id": "ada"},
        {},
        {"email": "eve@example.com"},
        {"phone": "+49301"},
    ]
    assert reply.json["invalid_user_ids"] == ["nope"]


def test_stats(sandbox):
    track(sandbox, ADA, {"external_id": "b"}, {"email": "bad"})
    track(sandbox, ADA, ADA)
    track(sandbox, ADA, key="wrong")
    export(sandbox, external_ids=["ada"])
    stats = sandbox.stats()
    expected = {
        "requests": 4,
        "objects": 5,
        "refused_objects": 1,
        "by_status": {"201": 3, "401": 1},
        "by_path": {"/users/track": 3, "/users/export/ids": 1},
        "in_flight": 0,
        "max_requests_in_3s": 4,
        "max_objects_in_a_request": 3,
        "users_repeated_in_a_request": 1,
        "overlapping_users": 0,
        "profiles": 2,
    }
    assert {name: stats[name] for name in expected} == expected
    sandbox.reset_stats()
    assert sandbox.stats()["requests"] == 0
    assert sandbox.stats()["profiles"] == 2


def test_requests_are_shown_without_their_keys(sandbox):
    track(
        sandbox,
        ADA,
        headers={"Authorization": f"Bearer {sandbox.key}", "Content-Type": "application/json", "X-A": "1"},
    )
    (shown,) = sandbox.requests()
    assert (shown["path"], shown["body"], shown["headers"]["x-a"]) == (
        "/users/track",
        {"attributes": [ADA]},
        "1",
    )
    assert sandbox.key not in str(shown)


def test_profiles_can_be_put_back_as_they_were_read(sandbox):
    track(
        sandbox,
        {
            **ADA,
            "email": "ada@example.com",
            "tags": ["a"],
            "dob": "1980-12-21",
            "current_location": {"longitude": 1, "latitude": 2},
        },
    )
    post(sandbox, "/users/track", {"events": [{**EVENT, "time": "2099-01-01"}]})
    before = sandbox.all_profiles()
    sandbox.clear_profiles()
    assert sandbox.all_profiles() == []
    sandbox.put_profiles(before)
    sandbox.put_profiles({"external_id": "eve", "user_aliases": [{"alias_name": "n", "alias_label": "l"}]})
    sandbox.put_profiles({"external_id": "eve", "first_name": "Eve"})
    (ada, eve) = sandbox.all_profiles()
    assert {k: v for k, v in ada.items() if k != "created_at"} == {
        k: v for k, v in before[0].items() if k != "created_at"
    }
    assert (eve["first_name"], eve["user_aliases"]) == ("Eve", [])
    assert (
        track(
            sandbox, {"email": "ada@example.com", "_update_existing_only": True, "home_city": "Rome"}
        ).status
        == 201
    )
    assert sandbox.profile("ada")["home_city"] == "Rome"


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/sandbox/profiles", "text", "array"),
        ("/sandbox/profiles", {"zip": "1"}, "'zip'"),
        ("/sandbox/profiles", [1], "profile 0"),
        ("/sandbox/profiles", [{"external_id": "a"}, {"zip": "1"}], "'zip'"),
        ("/sandbox/profiles", [{"external_id": 1}], "'external_id'"),
        ("/sandbox/profiles", [{"email": 1}], "'email'"),
        ("/sandbox/profiles", [{"last_coordinates": [1]}], "'last_coordinates'"),
        ("/sandbox/profiles", b"{", "JSON"),
        ("/sandbox/faults", [1], "object"),
        ("/sandbox/faults", {"count": 1}, "'status'"),
        ("/sandbox/faults", {"status": 999}, "'status'"),
        ("/sandbox/faults", {"status": 500, "count": -1}, "'count'"),
        ("/sandbox/faults", {"status": 500, "coumt": 1}, "'coumt'"),
        ("/sandbox/faults", {"kind": "explode"}, "'kind'"),
        ("/sandbox/faults", {"kind": ["drop"]}, "'kind'"),
        ("/sandbox/faults", {"status": 500, "body": "xml"}, "'body'"),
    ],
)
def test_a_malformed_control_request_is_400_and_names_what_is_wrong(sandbox, path, body, named):
    reply = post(sandbox, path, body, method="PUT")
    assert reply.status == 400
    assert named in reply.json["message"]
    assert sandbox.all_profiles() == []


def test_it_sees_one_user_in_two_requests_at_once():
    with SandboxProcess("--latency-ms", "700") as sandbox:
        start = time.monotonic()
        threads = [
            threading.Thread(target=track, args=(sandbox, ADA, {"external_id": str(n)})) for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - start >= 0.7
        stats = sandbox.stats()
        assert (stats["max_in_flight"], stats["overlapping_users"]) == (3, 2)
        sandbox.reset_stats()
        track(sandbox, ADA)
        track(sandbox, ADA)
        assert sandbox.stats()["overlapping_users"] == 0
        with pytest.raises(TimeoutError):
            track(sandbox, ADA, timeout=0.05)
        until(lambda: not sandbox.stats()["in_flight"])
        track(sandbox, ADA)
        # A client that gave up has left: its next try is no second request in flight.
        assert sandbox.stats()["overlapping_users"] == 0
        assert sandbox.stats()["by_status"] == {"201": 3, "client_left": 1}


def test_rate_limit_and_headers():
    with SandboxProcess("--rate", "2/2", "--rate-headers", "seconds") as sandbox:
        # From the start of a window, so that the third request falls into the same one.
        time.sleep(2 - time.time() % 2 + 0.01)
        replies = [track(sandbox, ADA) for _ in range(3)]
        assert [reply.status for reply in replies] == [201, 201, 429]
        assert [reply.headers.get("x-ratelimit-remaining") for reply in replies] == ["1", "0", None]
        assert replies[0].headers["x-ratelimit-reset"] in ("1", "2")
        assert replies[2].json == {"message": "Rate Limited"}
        assert 1 <= int(replies[2].headers["x-ratelimit-retry-after"]) <= 2
        assert export(sandbox, external_ids=["ada"]).status == 201
        time.sleep(int(replies[2].headers["x-ratelimit-retry-after"]))
        assert track(sandbox, ADA).status == 201


def test_lag_and_the_options_of_other_workspaces():
    arguments = ["--lag", "2", "--require-fields", "--oversize-status", "400", "--objects-per-request", "2"]
    with SandboxProcess(*arguments, "--per-array", "--error-codes", "--export-rate", "100/1") as sandbox:
        track(sandbox, ADA)
        wanted = {"external_ids": ["ada"], "fields_to_export": ["first_name"]}
        assert export(sandbox, **wanted).json["invalid_user_ids"] == ["ada"]
        assert sandbox.profile("ada")["first_name"] == "Ada"
        time.sleep(2.05)
        assert export(sandbox, **wanted).json["users"] == [{"first_name": "Ada"}]
        track(sandbox, {**ADA, "first_name": "Eve"})
        assert export(sandbox, **wanted).json["users"] == [{"first_name": "Ada"}]
        assert export(sandbox, external_ids=["ada"]).status == 400
        assert track(sandbox, {"external_id": "b", "x": "y" * 4_000_000}).status == 400
        assert (
            post(sandbox, "/users/track", {"attributes": [ADA, ADA], "events": [EVENT, EVENT]}).status == 201
        )
        assert track(sandbox, ADA, ADA, ADA).status == 400
        assert track(sandbox, {"email": "bad"}).json["errors"][0]["type"] == "EMAIL_BAD_FORMAT"
