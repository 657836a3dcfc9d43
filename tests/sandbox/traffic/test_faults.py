from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time

import pytest

from tests.sandbox.raw import export, track
from tests.waiting import until

ADA = {"external_id": "ada", "first_name": "Ada"}
PROCESSED = {"attributes_processed": 1, "message": "success"}


def known(sandbox):
    return list(sandbox.profiles())


def test_the_next_requests_get_the_status_and_nothing_is_processed(sandbox):
    sandbox.fault(status=500, count=2)
    assert [track(sandbox, ADA).status for _ in range(2)] == [500, 500]
    assert known(sandbox) == []
    assert track(sandbox, ADA).status == 201
    assert sandbox.stats()["by_status"] == {"500": 2, "201": 1}
    assert sandbox.stats()["by_fault"] == {"500": 2}


@pytest.mark.parametrize("status", [400, 401, 403, 500, 502, 503, 504])
@pytest.mark.parametrize("body", ["json", "html", "empty"])
def test_bodies(sandbox, status, body):
    sandbox.fault(status=status, body=body)
    reply = track(sandbox, ADA)
    assert reply.status == status
    assert {"json": b'{"message"', "html": b"<html>", "empty": b""}[body] in reply.body
    assert (body == "empty") == (reply.body == b"")
    assert reply.headers["content-type"] == ("text/html" if body == "html" else "application/json")


def test_an_exact_body_and_headers(sandbox):
    sandbox.fault(
        status=201, text='{"message": "perhaps"}', headers={"X-RateLimit-Reset": "soon"}, processed=True
    )
    reply = track(sandbox, ADA)
    assert (reply.json, reply.headers["x-ratelimit-reset"]) == ({"message": "perhaps"}, "soon")
    assert known(sandbox) == ["ada"]


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("epoch", {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}),
        ("seconds", {"x-ratelimit-retry-after"}),
        ("none", set()),
    ],
)
def test_429_in_each_family(sandbox, family, names):
    sandbox.fault(status=429, rate_headers=family, retry_after=7)
    reply = track(sandbox, ADA)
    assert (reply.status, reply.json) == (429, {"message": "Rate Limited"})
    assert {name for name in reply.headers if "ratelimit" in name} == names
    if family == "seconds":
        assert reply.headers["x-ratelimit-retry-after"] == "7"
    if family == "epoch":
        assert 6 <= int(reply.headers["x-ratelimit-reset"]) - time.time() <= 8


@pytest.mark.parametrize(
    ("kind", "error"), [("drop", http.client.RemoteDisconnected), ("reset", ConnectionResetError)]
)
@pytest.mark.parametrize("processed", [False, True])
def test_the_connection_breaks_before_or_after_processing(sandbox, kind, error, processed):
    sandbox.fault(kind=kind, processed=processed)
    with pytest.raises(error) as caught:
        track(sandbox, ADA)
    # RemoteDisconnected is a ConnectionResetError too; the kernel's own is not a RemoteDisconnected.
    assert isinstance(caught.value, http.client.RemoteDisconnected) == (kind == "drop")
    assert known(sandbox) == (["ada"] if processed else [])
    assert sandbox.stats()["by_status"] == {"dropped" if kind == "drop" else kind: 1}
    assert track(sandbox, ADA).status == 201


def _reachable(sandbox):
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", sandbox.port)):
        return True
    return False


@pytest.mark.parametrize("processed", [False, True])
def test_connections_are_refused_for_a_while(sandbox, processed):
    idle = socket.create_connection(("127.0.0.1", sandbox.port), timeout=10)
    sandbox.fault(kind="refuse", processed=processed, seconds=1.5)
    with pytest.raises(http.client.RemoteDisconnected):
        track(sandbox, ADA)
    assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        track(sandbox, ADA)
    until(lambda: _reachable(sandbox))
    assert known(sandbox) == (["ada"] if processed else [])
    assert sandbox.stats()["by_status"] == {"refused": 1}
    assert track(sandbox, ADA).status == 201


@pytest.mark.parametrize("processed", [False, True])
def test_no_answer_at_all(sandbox, processed):
    sandbox.fault(kind="hang", processed=processed)
    with pytest.raises(TimeoutError):
        track(sandbox, ADA, timeout=0.2)
    assert known(sandbox) == (["ada"] if processed else [])
    until(lambda: sandbox.stats()["by_status"] == {"client_left": 1})
    assert sandbox.stats()["in_flight"] == 0


def test_a_hang_ends_after_its_seconds(sandbox):
    sandbox.fault(kind="hang", seconds=0.1)
    with pytest.raises(http.client.RemoteDisconnected):
        track(sandbox, ADA)


def test_a_late_answer(sandbox):
    sandbox.fault(kind="late", seconds=0.3)
    start = time.monotonic()
    assert track(sandbox, ADA).json == PROCESSED
    assert time.monotonic() - start >= 0.3


def test_an_answer_cut_off(sandbox):
    sandbox.fault(kind="cut")
    with pytest.raises(http.client.IncompleteRead):
        track(sandbox, ADA)
    assert known(sandbox) == ["ada"]


def test_an_answer_byte_by_byte(sandbox):
    sandbox.fault(kind="slow", seconds=0.005)
    body = json.dumps({"attributes": [ADA]}).encode()
    head = f"POST /users/track HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sandbox.key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        parts = iter(lambda: connection.recv(65536), b"")
        received = list(parts)
    assert len(received) > 10
    assert json.loads(b"".join(received).partition(b"\r\n\r\n")[2]) == PROCESSED


def test_answers_that_cannot_be_right(sandbox):
    sandbox.faults(
        {"kind": "invalid_json"},
        {"kind": "wrong_counts"},
        {"kind": "errors_without_index"},
        {"kind": "errors_unknown_row"},
    )
    reply = track(sandbox, ADA)
    assert reply.status == 201
    with pytest.raises(json.JSONDecodeError):
        assert reply.json
    assert track(sandbox, ADA).json == {"attributes_processed": 0, "message": "success"}
    (entry,) = track(sandbox, ADA).json["errors"]
    assert "index" not in entry
    (entry,) = track(sandbox, ADA).json["errors"]
    assert entry["index"] == 99_999
    assert sandbox.control("GET", "/sandbox/faults") == []


def test_an_entry_that_names_a_row_beside_one_that_does_not(sandbox):
    sandbox.fault(kind="errors_without_index")
    reply = track(sandbox, ADA, {"email": "bad"})
    assert [entry.get("index") for entry in reply.json["errors"]] == [1, None]


@pytest.mark.parametrize("processed", [True, False])
def test_queued(sandbox, processed):
    sandbox.fault(kind="queued", processed=processed)
    reply = track(sandbox, ADA)
    assert (reply.status, reply.json) == (202, {"message": "queued"})
    assert known(sandbox) == (["ada"] if processed else [])


def test_a_redirect(sandbox):
    sandbox.fault(kind="redirect", location="http://127.0.0.1:9/users/track", status=301)
    reply = track(sandbox, ADA)
    assert (reply.status, reply.headers["location"]) == (301, "http://127.0.0.1:9/users/track")
    assert known(sandbox) == []


def test_faults_wait_their_turn_and_keep_to_their_path(sandbox):
    sandbox.faults(
        {"status": 403, "after": 1, "path": "/users/track"}, {"status": 500, "path": "/users/export/ids"}
    )
    assert track(sandbox, ADA).status == 201
    assert export(sandbox, external_ids=["ada"]).status == 500
    assert [track(sandbox, ADA).status for _ in range(2)] == [403, 201]


def test_a_share_of_the_requests(sandbox):
    sandbox.fault(status=500, count=1000, share=0.5)
    statuses = [track(sandbox, ADA).status for _ in range(40)]
    assert 5 < statuses.count(500) < 35


def test_faults_are_shown_and_cleared(sandbox):
    sandbox.fault(status=500, count=3)
    track(sandbox, ADA)
    (shown,) = sandbox.control("GET", "/sandbox/faults")
    assert (shown["status"], shown["count"]) == (500, 2)
    sandbox.fault(count=0)
    assert track(sandbox, ADA).status == 201
    sandbox.fault(status=500, count=3)
    sandbox.clear_faults()
    assert track(sandbox, ADA).status == 201
