"""The hook's single calls against real sockets: bounded in time and size, on a push's way, and no bare 2xx believed."""

from __future__ import annotations

import gzip
import io
import json
import resource
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import (
    BrazeError,
    BrazeServerError,
    BrazeSetupError,
    BrazeUnreachableError,
)
from airflow_provider_braze.hooks import answers
from airflow_provider_braze.hooks import braze as hook_module
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.users_track.transport.client import MOST_ANSWER_BYTES
from tests.connections import connect
from tests.users_track.answering import SUCCESS, Answering, http, listening
from tests.users_track.transport.test_client import certificate

KEY = "0123-key-of-the-hook"


def hook_to(monkeypatch: pytest.MonkeyPatch, url: str, **extras: Any) -> BrazeHook:
    connect(monkeypatch, host=url, key=KEY, **extras)
    return BrazeHook()


def without_answer(hook: BrazeHook, endpoint: str = "/users/identify") -> str:
    """Call, and give the sentence of the error; it and Test never quote the key."""
    with pytest.raises(BrazeUnreachableError) as caught:
        hook.run(endpoint, {"a": 1})
    assert KEY not in repr((caught.value, caught.value.__cause__, caught.value.__context__))
    works, message = hook.test_connection()
    assert not works
    assert message == f"Unreachable host: {caught.value}"
    return str(caught.value)


def slowly(ended: threading.Event, *pieces: bytes, last: bytes) -> Callable[[socket.socket], None]:
    """Send what begins an answer, and then its last piece again and again, for ten times as long as is waited for."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
        for _ in range(150):
            if ended.wait(0.02):
                break
            connection.sendall(last)

    return handle


BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{"


class TestTime:
    @pytest.mark.parametrize(
        ("pieces", "last"),
        [
            ([], b""),
            ([BEGUN], b" "),
            ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], b"1\r\n \r\n"),
            ([b"HTTP/1.1 200 OK\r\n"], b"X: y\r\n"),
            ([b"HTTP/1.1 200 OK\r\nX: "], b"y"),
            ([], b"HTTP/1.1 100 Continue\r\n\r\n"),
            ([], b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        ],
        ids=["nothing", "body", "chunks", "headers", "one header", "100 Continue", "103 Early Hints"],
    )
    def test_a_call_ends_after_its_timeout_whatever_drips(
        self, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], last: bytes
    ) -> None:
        ended = threading.Event()
        with listening(slowly(ended, *pieces, last=last)) as port:
            hook = hook_to(monkeypatch, f"http://127.0.0.1:{port}", timeout=0.3)
            assert without_answer(hook) == f"127.0.0.1:{port} did not answer in time."
            ended.set()

    def test_endless_interim_answers_end_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def handle(connection: socket.socket) -> None:
            connection.recv(65536)
            while True:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

        with listening(handle) as port:
            hook = hook_to(monkeypatch, f"http://127.0.0.1:{port}")
            assert "gave no answer: Too large response headers" in without_answer(hook)

    def test_the_probes_of_other_clusters_are_bounded_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bomb = gzip.compress(bytes(50_000_000))
        with (
            Answering(lambda _: http(200, bomb, "Content-Encoding: gzip\r\n")) as other,
            Answering(lambda _: http(401, {"message": f"Invalid API key: {KEY}"})) as own,
        ):
            monkeypatch.setattr(hook_module, "CLUSTERS", {"US-01": own.url, "EU-01": other.url})
            works, message = hook_to(monkeypatch, own.url).test_connection()
        assert (works, message.partition(":")[0]) == (False, "Wrong key (401)")

    def test_a_cluster_that_does_not_answer_holds_test_up_for_seconds_only(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However long the connection's own timeout is: who presses *Test* waits for it."""
        assert answers._PROBE_SECONDS == 5.0
        monkeypatch.setattr(answers, "_PROBE_SECONDS", 0.2)
        given_up: list[bool] = []

        def stall(connection: socket.socket) -> None:
            while b"\r\n\r\n" not in connection.recv(65536):
                pass
            # Who gives up closes the connection; who does not is let go after a while, so that the test ends.
            connection.settimeout(20)
            try:
                given_up.append(connection.recv(65536) == b"")
            except TimeoutError:
                given_up.append(False)

        with (
            listening(stall) as port,
            Answering(lambda _: http(401, {"message": "Invalid API key"})) as own,
        ):
            clusters = {"US-01": own.url, "EU-01": f"http://127.0.0.1:{port}"}
            monkeypatch.setattr(hook_module, "CLUSTERS", clusters)
            works, message = hook_to(monkeypatch, own.url, timeout=600).test_connection()
        assert (works, message.partition(":")[0]) == (False, "Wrong key (401)")
        assert given_up == [True]


class TestSize:
    @pytest.mark.parametrize("packed", [False, True])
    def test_an_answer_without_bounds(self, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
        body = gzip.compress(bytes(400_000_000)) if packed else bytes(5_000_000)
        extra = "Content-Encoding: gzip\r\n" if packed else ""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with Answering(lambda _: http(200, body, extra)) as server:
            said = without_answer(hook_to(monkeypatch, server.url))
        assert f"an answer of more than {MOST_ANSWER_BYTES} bytes" in said
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000

    def test_an_author_may_set_the_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Answering(lambda _: http(200, bytes(5_000_000))) as server:
            hook = hook_to(monkeypatch, server.url)
            assert len(hook.run("/x", {}, {}, {"most_bytes": 5_000_000}).content) == 5_000_000
            with pytest.raises(BrazeUnreachableError, match="more than 1000 bytes"):
                hook.run("/x", {}, {}, {"most_bytes": 1000})

    def test_whole_profiles_may_be_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        profile = {"external_id": "U1", "x": "y" * 6_000_000}
        with Answering(lambda _: http(201, {"message": "success", "users": [profile]})) as server:
            assert hook_to(monkeypatch, server.url).export_users(["U1"])["users"] == [profile]


class TestTheWay:
    @pytest.fixture(autouse=True)
    def no_exceptions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_this_very_machine_needs_no_proxy(self, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        with Answering(lambda _: SUCCESS) as proxy, Answering(lambda _: SUCCESS) as server:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            hook = hook_to(monkeypatch, server.url.replace("127.0.0.1", host))
            assert hook.run("/users/identify", {}).status_code == 201
            hook.test_connection()
            assert (proxy.requests, server.requests) == (0, 2)

    def test_through_a_proxy_the_key_goes_in_the_tunnel_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Answering(lambda _: http(407, b"")) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "http://me:secret-word@"))
            said = without_answer(hook_to(monkeypatch, "https://braze.invalid"))
            assert proxy.heads[0].startswith(b"CONNECT braze.invalid:443 ")
            assert not [head for head in proxy.heads if KEY.encode() in head]
        assert "secret-word" not in said

    def test_a_proxy_that_cannot_be_read_is_a_setup_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "http://me:pa#secret-word@proxy.example:3128")
        hook = hook_to(monkeypatch, "https://braze.invalid")
        with pytest.raises(BrazeSetupError, match="The proxy in https_proxy cannot be read") as caught:
            hook.run("/users/identify", {})
        assert "secret-word" not in str(caught.value)
        assert hook.test_connection() == (False, str(caught.value))

    def test_a_certificate_that_python_does_not_trust_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        pem, key = certificate(tmp_path)
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(pem, key)

        def handle(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(SUCCESS)

        with listening(handle, serving) as port:
            url = f"https://127.0.0.1:{port}"
            assert "TLS certificate" in without_answer(hook_to(monkeypatch, url))
            monkeypatch.setenv("SSL_CERT_FILE", pem)
            assert hook_to(monkeypatch, url).run("/x", {}).status_code == 201

    def test_a_connection_that_was_closed_while_it_waited_is_not_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = threading.Event()

        def handle(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(SUCCESS)
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            closed.set()

        with listening(handle) as port:
            hook = hook_to(monkeypatch, f"http://127.0.0.1:{port}")
            for _ in range(3):
                closed.clear()
                assert hook.run("/users/identify", {}).status_code == 201
                assert closed.wait(10)


class TestRequest:
    @pytest.mark.parametrize(
        ("method", "data", "given", "line", "body"),
        [
            ("GET", {"page": 2}, {}, "GET /x?page=2", b""),
            ("DELETE", None, {}, "DELETE /x", b""),
            ("DELETE", {"a": 1}, {}, "DELETE /x", b'{"a":1}'),
            ("PUT", [1], {}, "PUT /x", b"[1]"),
            ("PATCH", "text", {}, "PATCH /x", b"text"),
            ("POST", b"bytes", {}, "POST /x", b"bytes"),
            ("POST", io.BytesIO(b"file"), {}, "POST /x", b"file"),
            ("POST", None, {"json": {"a": 1}}, "POST /x", b'{"a":1}'),
            ("POST", None, {}, "POST /x", b""),
        ],
    )
    def test_methods_and_bodies(
        self, monkeypatch: pytest.MonkeyPatch, method: str, data: Any, given: Any, line: str, body: bytes
    ) -> None:
        bodies: list[bytes] = []

        def answer(got: bytes) -> bytes:
            bodies.append(got)
            return SUCCESS

        with Answering(answer) as server:
            hook = hook_to(monkeypatch, server.url)
            hook.run("/first", {"more": "than"}, {"X-Mine": "1"})
            response = hook.run("/x", data, {"X-Empty": ""}, method=method, **given)
            lines = server.heads[1].decode().split("\r\n")
        assert (lines[0], bodies[1]) == (f"{line} HTTP/1.1", body)
        assert lines.count(f"Authorization: Bearer {KEY}") == 1
        assert "X-Empty:" in [each.strip() for each in lines]
        assert not [each for each in lines if each.startswith("X-Mine")]
        assert sum(each.lower().startswith("content-length") for each in lines) == (method != "GET")
        assert (response.json(), response.url) == ({"message": "success"}, f"{server.url}{line.split()[1]}")
        assert (response.request.method, response.ok) == (method, True)

    def test_a_head_has_no_body(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Answering(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n") as server:
            hook = hook_to(monkeypatch, server.url)
            assert hook.run("/x", method="HEAD").headers["content-length"] == "5"
            assert hook.run("/x", method="HEAD").content == b""


def answering(
    monkeypatch: pytest.MonkeyPatch, answer: Any, status: int, call: Callable[[BrazeHook], Any]
) -> Any:
    with Answering(lambda _: http(status, answer)) as server:
        return call(hook_to(monkeypatch, server.url))


ROWS = [{"external_id": "U1", "x": 1}, {"external_id": "U2", "x": 1}]


class TestTwoHundredIsNotEnough:
    @pytest.mark.parametrize("status", [200, 201])
    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"message": "failure"},
            {"error": "no"},
            {"message": "success", "error": {"type": "no"}},
            {"attributes_processed": 1},
            {"attributes_processed": "2"},
            {"attributes_processed": True},
            {"attributes_processed": -2},
            {"attributes_processed": 2, "events_processed": 1},
            {"errors": [{"input_array": "attributes", "index": 0, "type": "odd"}]},
        ],
    )
    def test_of_users_track(self, monkeypatch: pytest.MonkeyPatch, status: int, answer: Any) -> None:
        for call in (
            lambda hook: hook.track_users(ROWS),
            lambda hook: hook.run("/users/track", {"attributes": ROWS}),
            lambda hook: hook.run("users/track", json.dumps({"attributes": ROWS})),
        ):
            with pytest.raises(BrazeServerError, match="but not with success") as caught:
                answering(monkeypatch, answer, status, call)
            assert (caught.value.status, caught.value.retryable) == (status, True)

    @pytest.mark.parametrize(
        "answer",
        [
            {"message": "SUCCESS", "attributes_processed": 0},
            {"attributes_processed": 2},
            {"message": "queued"},
            {
                "attributes_processed": 1,
                "errors": [{"input_array": "attributes", "index": 0, "type": "odd"}] * 2,
            },
        ],
    )
    def test_a_sign_suffices(self, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
        assert answering(monkeypatch, answer, 201, lambda hook: hook.track_users(ROWS)) == answer

    @pytest.mark.parametrize(
        "answer", [{"message": "failure"}, {"error": "no"}, {"message": "success", "error": ["no"]}]
    )
    def test_of_any_other_endpoint(self, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
        with pytest.raises(BrazeServerError, match="but not with success"):
            answering(monkeypatch, answer, 200, lambda hook: hook.run("/users/identify", {}))
        given = answering(
            monkeypatch, answer, 200, lambda hook: hook.run("/x", {}, {}, {"check_response": False})
        )
        assert given.json() == answer

    @pytest.mark.parametrize("answer", [{}, {"message": "Success"}, {"campaigns": []}, [1], b"<html>"])
    def test_which_may_answer_what_it_likes(self, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
        assert (
            answering(monkeypatch, answer, 200, lambda hook: hook.run("/campaigns/list")).status_code == 200
        )

    @pytest.mark.parametrize(
        "answer", [{}, {"message": "failure"}, {"error": "no"}, [], b"<html>", {"message": 5}]
    )
    def test_nor_is_it_for_a_test(self, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
        works, _ = answering(monkeypatch, answer, 200, lambda hook: hook.test_connection())
        assert not works

    def test_what_braze_said_is_shown_in_its_own_words(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(BrazeError) as caught:
            answering(
                monkeypatch,
                {"message": f"Not Found {KEY} ann@x.example"},
                200,
                lambda hook: hook.run("/x", {}),
            )
        assert str(caught.value).endswith('Braze said: "Not Found *** …"')
