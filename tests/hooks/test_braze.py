from __future__ import annotations

import json
import logging
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import numpy
import pytest
from airflow.sdk._shared.secrets_masker import _secrets_masker

from airflow_provider_braze.exceptions import (
    BrazeAuthError,
    BrazePermissionError,
    BrazeRateLimitError,
    BrazeRefusedError,
    BrazeServerError,
    BrazeSetupError,
    BrazeUnreachableError,
)
from airflow_provider_braze.get_provider_info import get_provider_info
from airflow_provider_braze.hooks import braze as hook_module
from airflow_provider_braze.hooks import calls
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.users_track.transport.workspace import EXTRAS
from tests.connections import connect
from tests.sandbox_process import SandboxProcess


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> BrazeHook:
    connect(monkeypatch, sandbox)
    return BrazeHook()


class Echo(BaseHTTPRequestHandler):
    """Answers what it was told to, and keeps what it was asked."""

    asked: ClassVar[list[tuple[str, str, dict[str, str], bytes]]]
    connections: ClassVar[set[Any]]
    headers_out: ClassVar[dict[str, str]]
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.connections.add(self.client_address)
        self.send_response(self.status)
        for name, value in self.headers_out.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Echo]]:
    handler = type("OneEcho", (Echo,), {"asked": [], "headers_out": {}, "connections": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    connect(
        monkeypatch,
        host=f"http://127.0.0.1:{server.server_port}",
        key="k-echo",
        region="eu",
        second_secret="value-of-it",
    )
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


class TestRun:
    def test_sends_the_key_and_no_extra_as_a_header(self, echo: type[Echo]) -> None:
        BrazeHook().run("/users/identify", {"aliases_to_identify": []})
        method, path, headers, body = echo.asked[0]
        assert (method, path) == ("POST", "/users/identify")
        assert headers["authorization"] == "Bearer k-echo"
        assert headers["user-agent"].startswith("airflow-provider-braze-redpoint/")
        assert json.loads(body) == {"aliases_to_identify": []}
        assert "region" not in headers
        assert "second_secret" not in headers

    def test_sends_parameters_with_get(self, echo: type[Echo]) -> None:
        BrazeHook(method="GET").run("/campaigns/list", {"page": 2})
        method, path, _, body = echo.asked[0]
        assert (method, path, body) == ("GET", "/campaigns/list?page=2", b"")

    def test_sends_what_rows_may_hold(self, echo: type[Echo]) -> None:
        body = {"price": Decimal("12.50"), "n": [numpy.int64(3)], numpy.str_("who"): "ä"}
        BrazeHook().run("/x", body)
        BrazeHook().run("/x", json=[body])
        sent = {"price": 12.5, "n": [3], "who": "ä"}
        assert [json.loads(body) for *_, body in echo.asked] == [sent, [sent]]
        assert {headers["content-type"] for _, _, headers, _ in echo.asked} == {"application/json"}

    @pytest.mark.parametrize(
        ("odd", "reason"),
        [
            (float("nan"), "not JSON: a value of type float that is infinite or not a number"),
            (numpy.float64("inf"), "not JSON: a value of type float64 that is infinite or not a number"),
            (Decimal("NaN"), "not JSON: a value of type Decimal that is infinite or not a number"),
            (object(), "not JSON: a value of type object"),
            ({None: 1}, "not JSON: a key of type NoneType"),
            ("\ud800", "not JSON: UnicodeEncodeError"),
        ],
        ids=["NaN", "infinite", "Decimal", "object", "key", "half a character"],
    )
    def test_refuses_what_is_no_json(self, echo: type[Echo], odd: Any, reason: str) -> None:
        for given in ({"data": {"x": [odd]}}, {"json": {"x": odd}}):
            with pytest.raises(BrazeSetupError) as refused:
                BrazeHook().run("/x", **given)
            assert str(refused.value) == f"the body cannot be sent: {reason}."
        assert not echo.asked

    def test_takes_a_body_that_is_more_than_a_request_about_users(self, echo: type[Echo]) -> None:
        BrazeHook().run("/media_library/create", {"asset_file": "A" * 5_000_000})
        assert len(echo.asked[0][3]) > 5_000_000

    def test_reuses_one_socket(self, echo: type[Echo]) -> None:
        hook = BrazeHook()
        for _ in range(5):
            hook.run("/users/identify", {})
        assert len(echo.connections) == 1

    def test_refuses_redirects(self, echo: type[Echo]) -> None:
        echo.status, echo.headers_out = 302, {"Location": "http://127.0.0.1:9/elsewhere"}
        with pytest.raises(BrazeRefusedError, match="redirect"):
            BrazeHook().run("/users/track", {})
        assert len(echo.asked) == 1

    def test_a_netrc_entry_does_not_replace_the_key(
        self, echo: type[Echo], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        (tmp_path / "netrc").write_text("default login somebody password else\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        BrazeHook().run("/users/identify", {})
        assert echo.asked[0][2]["authorization"] == "Bearer k-echo"

    @pytest.mark.parametrize("endpoint", ["https://evil.example/users/track", "//evil.example/x"])
    def test_never_leaves_the_host(self, echo: type[Echo], endpoint: str) -> None:
        with pytest.raises(BrazeSetupError, match="endpoint"):
            BrazeHook().run(endpoint, {})
        assert echo.asked == []

    def test_an_endpoint_that_looks_like_credentials_stays_a_path(self, echo: type[Echo]) -> None:
        BrazeHook().run("@evil.example/x", {})
        assert echo.asked[0][1] == "/@evil.example/x"

    def test_tells_the_wait_after_429(self, echo: type[Echo]) -> None:
        echo.status, echo.headers_out = 429, {"X-Ratelimit-Retry-After": "7"}
        with pytest.raises(BrazeRateLimitError) as caught:
            BrazeHook().run("/users/track", {})
        assert (caught.value.status, caught.value.retry_after) == (429, 7)

    def test_raises_a_server_error_for_5xx(self, echo: type[Echo]) -> None:
        echo.status = 503
        with pytest.raises(BrazeServerError) as caught:
            BrazeHook().run("/users/track", {})
        assert caught.value.retryable

    def test_gives_any_response_when_told_not_to_check(self, echo: type[Echo]) -> None:
        echo.status = 500
        response = BrazeHook().run("/x", {}, extra_options={"check_response": False})
        assert response.status_code == 500

    def test_names_the_extras_that_mean_nothing(
        self, echo: type[Echo], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        BrazeHook().run("/x", {})
        logged = "".join(capfd.readouterr()) + caplog.text
        assert "'region'" in logged
        assert "'second_secret'" in logged
        assert "value-of-it" not in logged


class TestTrackUsers:
    def test_creates_a_profile(self, hook: BrazeHook, sandbox: SandboxProcess) -> None:
        answer = hook.track_users(
            attributes=[{"external_id": "U1", "first_name": "Ada"}],
            events=[{"external_id": "U1", "name": "chat", "time": "2026-01-01T00:00:00Z"}],
            partner="acme",
        )
        assert answer["message"] == "success"
        assert (answer["attributes_processed"], answer["events_processed"]) == (1, 1)
        assert sandbox.profiles()["U1"]["first_name"] == "Ada"
        assert sandbox.requests()[-1]["body"]["partner"] == "acme"

    def test_takes_the_connections_partner(
        self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
    ) -> None:
        connect(monkeypatch, sandbox, partner="from-connection")
        BrazeHook().track_users(attributes=[{"external_id": "U1", "x": 1}])
        assert sandbox.requests()[-1]["body"]["partner"] == "from-connection"

    def test_gives_braze_own_errors(self, hook: BrazeHook) -> None:
        answer = hook.track_users(
            attributes=[{"external_id": "U1"}, {"external_id": "U2", "email": "nonsense"}]
        )
        assert [(error["index"], error["input_array"]) for error in answer["errors"]] == [(1, "attributes")]

    def test_raises_when_braze_takes_none(self, hook: BrazeHook) -> None:
        with pytest.raises(BrazeRefusedError) as caught:
            hook.track_users(attributes=[{"external_id": "U2", "email": "nonsense"}])
        assert caught.value.status == 400
        assert caught.value.errors[0]["index"] == 0

    def test_sends_what_rows_may_hold(self, hook: BrazeHook, sandbox: SandboxProcess) -> None:
        rows = numpy.array([{"external_id": "U1", "price": Decimal("12.50"), "visits": numpy.int64(3)}])
        hook.track_users(attributes=rows)
        assert sandbox.profiles()["U1"]["custom_attributes"] == {"price": 12.5, "visits": 3}

    @pytest.mark.parametrize(
        ("odd", "reason"),
        [
            (float("nan"), "not JSON: a value of type float that is infinite or not a number"),
            ({"a": [float("inf")]}, "not JSON: a value of type float that is infinite or not a number"),
            (b"abc", "not JSON: a value of type bytes"),
            (object(), "not JSON: a value of type object"),
            ("\ud800", "not JSON: UnicodeEncodeError"),
        ],
        ids=["NaN", "nested", "bytes", "object", "half a character"],
    )
    def test_refuses_what_is_no_json(
        self, hook: BrazeHook, sandbox: SandboxProcess, odd: Any, reason: str
    ) -> None:
        """A number that is none would be written as null, which unsets what Braze has stored."""
        sandbox.put_profiles({"external_id": "U1", "custom_attributes": {"x": 1}})
        with pytest.raises(BrazeSetupError) as refused:
            hook.track_users([{"external_id": "U2", "x": 1}, {"external_id": "U1", "x": odd}])
        assert str(refused.value) == f"attributes[1] cannot be sent: {reason}."
        assert sandbox.profiles()["U1"]["custom_attributes"] == {"x": 1}

    @pytest.mark.parametrize("count", [0, 76])
    def test_takes_one_request(self, hook: BrazeHook, sandbox: SandboxProcess, count: int) -> None:
        with pytest.raises(BrazeSetupError, match="1 to 75"):
            hook.track_users(attributes=[{"external_id": str(n)} for n in range(count)])
        assert sandbox.stats()["requests"] == 0


class TestExportUsers:
    def test_looks_up_any_number_of_ids(self, hook: BrazeHook, sandbox: SandboxProcess) -> None:
        sandbox.put_profiles([{"external_id": f"U{n}"} for n in range(60)])
        found = hook.export_users([f"U{n}" for n in range(120)], fields_to_export=["external_id"])
        assert {user["external_id"] for user in found["users"]} == {f"U{n}" for n in range(60)}
        assert set(found["invalid_user_ids"]) == {f"U{n}" for n in range(60, 120)}
        assert sandbox.stats()["requests"] == 3

    def test_gives_a_user_once_that_is_named_twice(self, hook: BrazeHook, sandbox: SandboxProcess) -> None:
        """Not only within a request: with the same one in two, whoever counts the users counted one too many."""
        sandbox.put_profiles([{"external_id": f"U{n}"} for n in range(60)])
        found = hook.export_users(
            [*(f"U{n}" for n in range(61)), "U0", "U60"], fields_to_export=["external_id"]
        )
        assert len(found["users"]) == 60
        assert found["invalid_user_ids"] == ["U60"]

    @pytest.mark.parametrize(
        "fault", [{"status": 500}, {"status": 429, "retry_after": 0}, {"kind": "drop"}], ids=str
    )
    def test_asks_again_where_that_helps(
        self,
        hook: BrazeHook,
        sandbox: SandboxProcess,
        monkeypatch: pytest.MonkeyPatch,
        fault: dict[str, Any],
    ) -> None:
        """A look-up reads; else what had been found of the first ids would be lost with a later request."""
        monkeypatch.setattr(calls, "_FIRST_PAUSE", 0.0)
        sandbox.put_profiles([{"external_id": f"U{n}"} for n in range(120)])
        sandbox.fault(**fault, after=1)
        found = hook.export_users([f"U{n}" for n in range(120)], fields_to_export=["external_id"])
        assert len(found["users"]) == 120
        assert sandbox.stats()["requests"] == 4

    def test_looks_up_one_email(self, hook: BrazeHook, sandbox: SandboxProcess) -> None:
        sandbox.put_profiles({"external_id": "U1", "email": "ada@example.com"})
        found = hook.export_users(email_address="ada@example.com", fields_to_export=["external_id"])
        assert found["users"] == [{"external_id": "U1"}]

    @pytest.mark.parametrize(
        "given", [{}, {"braze_id": "b", "phone": "1"}, {"external_ids": ["a"], "phone": "1"}]
    )
    def test_takes_exactly_one_kind_of_question(self, hook: BrazeHook, given: dict[str, Any]) -> None:
        with pytest.raises(BrazeSetupError, match="exactly one"):
            hook.export_users(**given, fields_to_export=["external_id"])

    def test_tells_a_missing_permission(
        self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
    ) -> None:
        connect(monkeypatch, sandbox, key=sandbox.track_only_key)
        with pytest.raises(BrazePermissionError, match=r"users\.export\.ids"):
            BrazeHook().export_users(["U1"], fields_to_export=["external_id"])


class TestTestConnection:
    def test_success_changes_nothing(self, hook: BrazeHook, sandbox: SandboxProcess) -> None:
        assert hook.test_connection() == (
            True,
            "Braze knows the key, and it may push (permission users.track).",
        )
        assert sandbox.all_profiles() == []
        assert sandbox.stats()["requests"] == 1

    def test_wrong_key(self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
        connect(monkeypatch, sandbox, key="wrong-key-9999")
        works, message = BrazeHook().test_connection()
        assert not works
        assert message.startswith("Wrong key")
        assert "wrong-key-9999" not in message

    def test_key_of_another_cluster(self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
        with SandboxProcess(key="another-key") as other:
            clusters = {"US-01": sandbox.url, "EU-01": other.url}
            monkeypatch.setattr(hook_module, "CLUSTERS", clusters)
            connect(monkeypatch, sandbox, key="another-key")
            works, message = BrazeHook().test_connection()
            assert (works, message) == (
                False,
                f"Wrong cluster: this key belongs to EU-01; set the host to {other.url}.",
            )
            connect(monkeypatch, sandbox, key="nobodys-key")
            assert BrazeHook().test_connection()[1].startswith("Wrong key (401): no Braze cluster")
            assert other.all_profiles() == []

    def test_missing_permission(self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
        connect(monkeypatch, sandbox, key=sandbox.export_only_key)
        works, message = BrazeHook().test_connection()
        assert not works
        assert "Missing permission" in message
        assert "users.track" in message

    def test_unreachable_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with closing(socket.socket()) as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            connect(monkeypatch, host=f"http://127.0.0.1:{port}", key="k")
            works, message = BrazeHook().test_connection()
        assert not works
        assert "Unreachable" in message
        assert "refused" in message

    def test_unknown_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, host="https://rest.nowhere.invalid", key="k")
        works, message = BrazeHook().test_connection()
        assert not works
        assert "does not resolve" in message

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "redirect"},
            {"status": 200, "text": "<html>hello"},
            {"status": 400, "text": "<html>no"},
        ],
    )
    def test_a_host_that_is_not_braze(
        self, hook: BrazeHook, sandbox: SandboxProcess, fault: dict[str, Any]
    ) -> None:
        sandbox.fault(**fault, count=1)
        works, message = hook.test_connection()
        assert not works
        assert "REST endpoint" in message or "refuses" in message

    def test_a_connection_that_does_not_exist(self) -> None:
        works, message = BrazeHook("nowhere").test_connection()
        assert not works
        assert "no connection 'nowhere'" in message

    def test_wrong_setting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, host="sdk.iad-01.braze.com", key="k")
        works, message = BrazeHook().test_connection()
        assert not works
        assert "SDK endpoint" in message


class TestSecrets:
    def test_the_echoed_key_is_in_no_error(
        self,
        monkeypatch: pytest.MonkeyPatch,
        sandbox: SandboxProcess,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        connect(monkeypatch, sandbox, key="secret-key-4711")
        with caplog.at_level(logging.DEBUG), pytest.raises(BrazeAuthError) as caught:
            BrazeHook().run("/users/track", {})
        assert "secret-key-4711" not in caplog.text + "".join(capfd.readouterr())
        error: BaseException | None = caught.value
        while error is not None:
            assert "secret-key-4711" not in f"{error!r} {vars(error)}"
            error = error.__cause__ or error.__context__

    def test_no_answer_does_not_chain_the_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, host="http://127.0.0.1:1", key="secret-key-4711")
        with pytest.raises(BrazeUnreachableError) as caught:
            BrazeHook().run("/users/track", {})
        assert caught.value.__context__ is None
        assert "secret-key-4711" not in str(caught.value)

    @pytest.mark.parametrize("blanks", ["", " ", "\n"])
    def test_the_key_is_registered_with_airflows_masker(
        self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, blanks: str
    ) -> None:
        key = f"key-{uuid.uuid4()}"
        connect(monkeypatch, sandbox, key=f"{blanks}{key}{blanks}")
        assert BrazeHook().workspace.api_key == key
        assert _secrets_masker().redact(f"Bearer {key}") == "Bearer ***"

    def test_an_answer_that_quotes_the_key_is_returned_without_it(
        self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
    ) -> None:
        connect(monkeypatch, sandbox)
        text = json.dumps({"message": "success", "errors": [{"type": f"no {sandbox.key}", sandbox.key: 1}]})
        sandbox.fault(status=201, text=text)
        answer = BrazeHook().track_users([{"external_id": "U1", "x": 1}])
        assert answer == {"message": "success", "errors": [{"type": "no ***", "***": 1}]}

    @pytest.mark.parametrize("text", ["<html>", "[]", "7", ""])
    def test_an_answer_that_is_no_json_object_is_a_typed_error(
        self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, text: str
    ) -> None:
        connect(monkeypatch, sandbox)
        sandbox.fault(status=200, text=text, count=2)
        with pytest.raises(BrazeServerError, match="without JSON"):
            BrazeHook().export_users(["U1"])
        with pytest.raises(BrazeServerError, match="without JSON"):
            BrazeHook().track_users([{"external_id": "U1", "x": 1}])

    def test_lists_that_are_none_are_no_users(
        self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
    ) -> None:
        connect(monkeypatch, sandbox)
        sandbox.fault(status=200, text='{"users": null, "invalid_user_ids": 7}')
        assert BrazeHook().export_users(["U1"]) == {"users": [], "invalid_user_ids": []}


class TestConnectionForm:
    def test_the_extras_of_the_form_are_those_that_are_read(self) -> None:
        assert set(get_provider_info()["connection-types"][0]["conn-fields"]) == set(EXTRAS)

    def test_airflow_3_1_gets_the_same_standard_fields(self) -> None:
        behaviour = BrazeHook.get_ui_field_behaviour()
        assert behaviour["relabeling"] == {
            "host": "REST endpoint",
            "password": "REST API key",
            "port": "Port",
        }
        assert behaviour["hidden_fields"] == ["login", "schema"]
        assert set(behaviour["placeholders"]) == {"host", "port", "password"}

    @pytest.mark.parametrize(
        ("host", "port", "endpoint"),
        [
            ("rest.fra-01.braze.eu", 443, "https://rest.fra-01.braze.eu"),
            ("https://rest.fra-01.braze.eu:443", None, "https://rest.fra-01.braze.eu"),
            ("http://127.0.0.1", 80, "http://127.0.0.1"),
            ("https://rest.fra-01.braze.eu", 8443, "https://rest.fra-01.braze.eu:8443"),
            ("http://127.0.0.1:8080", 443, "http://127.0.0.1:8080"),
        ],
    )
    def test_a_port_that_goes_without_saying_is_left_out(
        self, monkeypatch: pytest.MonkeyPatch, host: str, port: int | None, endpoint: str
    ) -> None:
        connection = {"conn_type": "braze", "host": host, "password": "k", "port": port}
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))
        assert BrazeHook().workspace.endpoint == endpoint

    def test_a_form_that_was_left_empty_is_the_default(
        self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
    ) -> None:
        connect(monkeypatch, sandbox, **dict.fromkeys(EXTRAS))
        workspace = BrazeHook().workspace
        assert (workspace.requests_per_second, workspace.max_in_flight, workspace.objects_per_request) == (
            1000,
            96,
            75,
        )
        assert (workspace.connect_timeout, workspace.timeout, workspace.partner) == (5, 30, None)

    @pytest.mark.parametrize(
        "extra", ["[1]", "7", "{'requests_per_second': 1}", '{"timeout": 1,}', "secret-1 x"]
    )
    def test_an_extra_that_cannot_be_read_is_named(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], extra: str
    ) -> None:
        connection = {"conn_type": "braze", "host": "127.0.0.1", "password": "k", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))
        # Before 3.2, Airflow itself drops such a connection.
        with pytest.raises(
            BrazeSetupError, match=r"The Braze connection's extra|whose extra is not"
        ) as caught:
            _ = BrazeHook().workspace
        assert "secret-1" not in f"{caught.value}{capfd.readouterr()}"
        works, message = BrazeHook().test_connection()
        assert (works, message) == (False, str(caught.value))

    def test_extras_of_a_uri_are_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", "braze://:k@127.0.0.1:80/?timeout=7&max_in_flight=3")
        workspace = BrazeHook().workspace
        assert (workspace.timeout, workspace.max_in_flight) == (7, 3)

    def test_is_found_by_the_connection(
        self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
    ) -> None:
        connect(monkeypatch, sandbox, conn_id="another_braze")
        assert BrazeHook("another_braze").workspace.endpoint == sandbox.url
        assert BrazeHook.get_connection("another_braze").get_hook().braze_conn_id == "another_braze"
