"""A connection with the extra ``bulk`` sends to /users/track/bulk: its sizes, its limit, its answers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from airflow_provider_braze.exceptions import BrazePermissionError, BrazeSetupError
from airflow_provider_braze.plugins.cards.card import workspace_of
from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.pushes.exports.export import ExportPush
from airflow_provider_braze.sandbox.testing import SandboxProcess
from airflow_provider_braze.users_track.transport.workspace import BULK, Workspace
from tests.users_track.answering import Answering, http
from tests.users_track.pushing import KEY, event, people, profile_object, run


def bulk(url: str, **extras: object) -> Workspace:
    return Workspace.from_settings(url, KEY, {"bulk": True, **extras})


def objects(body: bytes) -> int:
    return sum(map(len, msgspec.json.decode(body).values()))


class TestTheExtra:
    def test_sizes_and_rate_are_those_of_the_endpoint(self) -> None:
        found = bulk("https://rest.iad-01.braze.com")
        assert (found.path, found.permission) == ("/users/track/bulk", "users.track.bulk")
        assert (found.objects_per_request, found.bytes_per_request) == (1000, 2_000_000)
        assert found.requests_per_second == 50

    def test_they_can_be_set_as_the_contract_says(self) -> None:
        found = bulk("https://rest.iad-01.braze.com", objects_per_request="500", requests_per_second=20)
        assert (found.objects_per_request, found.requests_per_second) == (500, 20)

    @pytest.mark.parametrize(
        ("extras", "message"),
        [
            (
                {"bulk": True, "objects_per_request": 1001},
                "must be at most 1000, as /users/track/bulk allows",
            ),
            ({"objects_per_request": 1000}, "more need the extra bulk"),
            ({"bulk": "perhaps"}, "extra bulk must be true or false"),
            ({"Bulk": True}, "write bulk"),
        ],
    )
    def test_a_wrong_one_says_what_to_write(self, extras: dict[str, object], message: str) -> None:
        with pytest.raises(BrazeSetupError, match=message):
            Workspace.from_settings("https://rest.iad-01.braze.com", KEY, extras)


def test_a_thousand_objects_go_into_a_request() -> None:
    with SandboxProcess() as sandbox:
        pushed = run(people(2500), bulk(sandbox.url))
        assert pushed.counts == {"accepted": 2500}
        assert pushed.ledger.requests == 3
        assert len(sandbox.profiles()) == 2500
        assert sandbox.stats()["by_path"] == {BULK: 3}


def test_no_body_is_larger_than_two_megabytes() -> None:
    with SandboxProcess() as sandbox:
        pushed = run(people(200, about="x" * 24_000), bulk(sandbox.url))
        assert pushed.counts == {"accepted": 200}
        assert sandbox.stats()["by_status"] == {"201": pushed.ledger.requests}
        assert 3 <= pushed.ledger.requests <= 4


def test_one_object_that_fits_only_into_a_usual_request_is_invalid() -> None:
    with SandboxProcess() as sandbox:
        items = [profile_object("large", 2, about="x" * 2_000_000), profile_object("small", 3, city="b")]
        pushed = run(items, bulk(sandbox.url))
        assert pushed.counts == {"accepted": 1, "invalid": 1}
        assert any("2000000" in reason or "2,000,000" in reason for _, _, reason, _ in pushed.written.rows)


def test_a_batch_that_is_refused_whole_is_parted_until_the_bad_object_is_alone() -> None:
    def answer(body: bytes) -> bytes:
        if b"poison" in body:
            return http(400, {"message": "Bad Request"})
        return http(201, {"attributes_processed": objects(body), "message": "success"})

    items = people(1000)
    items[400] = profile_object("u000400", 402, city="poison")
    with Answering(answer) as server:
        pushed = run(items, bulk(server.url))
    assert pushed.counts == {"accepted": 999, "rejected": 1}
    assert pushed.written.lines("rejected") == [402]


def test_a_policy_of_fewer_objects_is_learnt() -> None:
    def answer(body: bytes) -> bytes:
        if objects(body) > 300:
            return http(400, {"message": "Max Input Length Exceeded"})
        return http(201, {"attributes_processed": objects(body), "message": "success"})

    with Answering(answer) as server:
        pushed = run(people(3000), bulk(server.url, max_in_flight=2))
    assert pushed.counts == {"accepted": 3000}
    assert any("objects_per_request" in note for note in pushed.ledger.notes)


def test_objects_that_braze_names_are_rejected_alone() -> None:
    with SandboxProcess() as sandbox:
        items = people(900)
        items[7] = profile_object("u000007", 9, email_subscribe="perhaps")
        pushed = run(items, bulk(sandbox.url))
        assert pushed.counts == {"accepted": 899, "rejected": 1}
        assert pushed.written.lines("rejected") == [9]


def test_many_events_of_one_user_never_are_too_many_for_one_request() -> None:
    with SandboxProcess() as sandbox:
        pushed = run([event("one", line) for line in range(2, 152)], bulk(sandbox.url))
        assert pushed.counts == {"accepted": 150}


def test_its_own_limit_is_kept() -> None:
    with SandboxProcess("--limit", "bulk=20/3") as sandbox:
        pushed = run(people(300), bulk(sandbox.url, objects_per_request=10, requests_per_second=6.5))
        assert pushed.counts == {"accepted": 300}
        assert "429" not in sandbox.stats()["by_status"]


def test_a_key_without_its_permission_is_told_which() -> None:
    with SandboxProcess("--limited-key", "narrow-key-0000-1111:users.track") as sandbox:
        where = Workspace.from_settings(sandbox.url, "narrow-key-0000-1111", {"bulk": True})
        pushed = run(people(3), where)
        assert isinstance(pushed.error, BrazePermissionError)
        assert "users.track.bulk" in str(pushed.error)


@pytest.mark.parametrize("dry_run", [False, True])
def test_report_and_plan_name_the_endpoint(tmp_path: Path, dry_run: bool) -> None:
    export = tmp_path / "RPI_Export_1.txt"
    export.write_text("external_id\tcity\n" + "".join(f"u{n}\tc{n}\n" for n in range(1500)))
    with SandboxProcess() as sandbox:
        job = Job(
            workspace=bulk(sandbox.url),
            braze_conn_id="braze",
            mode="upsert",
            reports_path=str(tmp_path / "reports"),
            dry_run=dry_run,
        )
        report = ExportPush(export=str(export), job=job).execute()
    assert report["request_path"] == BULK
    assert report["planned_requests" if dry_run else "requests"] == 2


@pytest.mark.parametrize(
    ("path", "shown"), [(BULK, f"https://b{BULK}"), ("/users/track", "https://b"), (None, "https://b")]
)
def test_the_tab_names_the_endpoint_where_it_is_not_the_usual_one(path: str | None, shown: str) -> None:
    record = {"braze_conn_id": "braze", "endpoint": "https://b", "request_path": path}
    assert workspace_of(record).split(" · ")[1] == shown
