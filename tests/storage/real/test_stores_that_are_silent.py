"""An object store that takes connections and never answers: how long that is waited for, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.storage.files import stores
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import names_in, read_small, write_whole
from airflow_provider_braze.storage.protocols import sessions
from airflow_provider_braze.storage.protocols.sessions import LostSessionError
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from tests.sandbox_process import SandboxProcess
from tests.storage.real.object_doors import S3, Azure, Gcs, ObjectDoor
from tests.storage.real.pushing import CHANNEL, export, items, new_base, push
from tests.storage.real.stalling import Stalling, outcome_of, recovered

LONG = [
    pytest.param(S3, marks=pytest.mark.xdist_group("s3")),
    # Their clients pause for half a minute and a whole one between their tries, whatever the limit of each.
    pytest.param(Gcs, marks=(pytest.mark.xdist_group("gcs"), pytest.mark.full)),
    pytest.param(Azure, marks=(pytest.mark.xdist_group("azure"), pytest.mark.full)),
]


@pytest.fixture(params=LONG)
def silent(
    request: pytest.FixtureRequest, opened: Callable[[type[ObjectDoor]], ObjectDoor]
) -> Iterator[tuple[ObjectDoor, Stalling]]:
    """A store, and what stands before it and can fall silent."""
    door = opened(request.param)
    before = Stalling(door.server.port)
    yield door, before
    before.close()


def test_nothing_waits_for_a_silent_store_without_a_limit(
    silent: tuple[ObjectDoor, Stalling], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "PAUSES", ())
    door, before = silent
    root = door.impatient(1, before.port)
    file, written = locate(f"{root}/silent/file.txt"), locate(f"{root}/silent/written.txt")
    write_whole(file, b"content")
    before.stall()
    for act in (
        lambda: read_small(file, 100),
        lambda: names_in(file.parent),
        lambda: file.exists(),
        lambda: write_whole(written, b"x"),
    ):
        assert isinstance(outcome_of(act), LostSessionError)
    before.go_on()
    assert recovered(lambda: read_small(file, 100)) == b"content"
    recovered(lambda: write_whole(written, b"x"))
    assert recovered(lambda: names_in(file.parent)) == ["file.txt", "written.txt"]


def test_a_look_and_a_push_end_with_an_error_that_a_retry_may_mend(
    silent: tuple[ObjectDoor, Stalling], sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "PAUSES", ())
    door, before = silent
    base = new_base(door, "silent").replace(door.root, door.impatient(1, before.port))
    url = f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt"
    write_whole(locate(url), export(5))
    (item,) = items(base)
    before.stall()
    for act in (
        lambda: items(base),
        lambda: push(item, sandbox),
        lambda: ReportsFolder.at(base).check_writable(),
    ):
        ended = outcome_of(act)
        assert isinstance(ended, BrazeError), ended
        assert not isinstance(ended, BrazeSetupError), ended
    assert sandbox.stats()["requests"] == 0
    before.go_on()
    assert recovered(lambda: push(item, sandbox, run="again"))["status"] == "complete"


def test_a_store_has_a_limit_that_its_connection_changes(object_door: ObjectDoor) -> None:
    def limit(url: str) -> float:
        fs = locate(url).fs
        if isinstance(object_door, Gcs):
            return float(fs.requests_timeout.sock_read)
        if isinstance(object_door, Azure):
            return float(fs.service_client._pipeline._transport.connection_config.read_timeout)
        return float(fs._prepare_config_kwargs()["read_timeout"])

    assert limit(object_door.root) == stores.SILENCE
    # Another address: a client is kept for what it was made with.
    assert limit(object_door.impatient(7, object_door.front.port)) == 7
    with pytest.raises(BrazeSetupError, match="'timeout' must be seconds above 0"):
        locate(object_door.impatient(-1, 1))


class TestMeaning:
    def test_what_no_store_answered(self) -> None:
        import aiohttp
        import azure.core.exceptions as azure
        import botocore.exceptions as boto
        import requests

        for error in (
            boto.ReadTimeoutError(endpoint_url="x"),
            boto.EndpointConnectionError(endpoint_url="x"),
            boto.ConnectionClosedError(endpoint_url="x"),
            aiohttp.SocketTimeoutError(),
            aiohttp.ServerDisconnectedError(),
            aiohttp.ClientPayloadError(),
            azure.ServiceRequestError("x"),
            azure.ServiceResponseTimeoutError("x"),
            requests.exceptions.ProxyError(),
            TimeoutError(),
            ConnectionResetError(),
        ):
            assert isinstance(stores.meaning(error, "s3://x"), LostSessionError), error
            wrapped = RuntimeError("Failed to upload block")
            wrapped.__cause__ = error
            assert isinstance(stores.meaning(wrapped, "s3://x"), LostSessionError), error

    @pytest.mark.parametrize(
        ("status", "kind"), [(401, PermissionError), (403, PermissionError), (500, LostSessionError)]
    )
    def test_what_one_answered_is_told_by_its_status(self, status: int, kind: type[Exception]) -> None:
        import botocore.exceptions as boto
        from azure.core.exceptions import HttpResponseError
        from gcsfs.retry import HttpError
        from s3fs.errors import translate_boto_error

        of_azure = HttpResponseError("x")
        of_azure.status_code = status
        response = {"Error": {"Code": "Odd"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        of_amazon = translate_boto_error(boto.ClientError(response, "PutObject"))  # type: ignore[arg-type]
        for error in (of_azure, HttpError({"code": status, "message": "x"}), of_amazon):
            assert isinstance(stores.meaning(error, "x"), kind), error

    def test_what_tells_by_itself_stays(self) -> None:
        full = OSError(28, "no space")
        for error in (FileNotFoundError(2, "x"), full, ValueError("x"), OSError("something else")):
            assert stores.meaning(error, "x") is error
        assert isinstance(stores.meaning(OSError("Forbidden: /b/x\nno"), "x"), PermissionError)
