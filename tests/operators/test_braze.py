from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeServerError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.users_track.delivery import sender
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from tests.connections import connect
from tests.reports import check
from tests.sandbox_process import SandboxProcess

HEADER = "external_id,first_name,email\n"
EVENT = {"external_id": "U1", "name": "chat", "time": datetime.now(UTC).isoformat()}

Execute = Callable[..., dict[str, Any]]


class FakeTaskInstance:
    """What the operator reads of a task instance, and what it leaves there."""

    run_id = "manual__2026-11-21T10:00:00+00:00"
    try_number = 2
    map_index = 3

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)


@pytest.fixture
def execute() -> Execute:
    def run(context: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
        return BrazeUserTrackOperator(task_id="push", **given).execute(context or {})  # type: ignore[arg-type]

    return run


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., str]:
    def write(good: int, bad: int = 0) -> str:
        path = tmp_path / "Braze Onboarding and Upsert" / "Offer" / "8828" / "RPI_Export_1.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"U{n},Ann,ann{n}@example.com\n" for n in range(good)] + [
            f"B{n},Bo,nonsense\n" for n in range(bad)
        ]
        path.write_text(HEADER + "".join(lines))
        return str(path)

    return write


def rendered(context: dict[str, Any], **given: Any) -> BrazeUserTrackOperator:
    """Render an operator as Airflow does before it executes it."""
    with DAG("d", schedule=None):
        operator = BrazeUserTrackOperator(task_id="push", **given)
    operator.render_template_fields(context)  # type: ignore[arg-type]
    return operator


class TestExecute:
    def test_in_a_script_with_a_plain_dict(self, execute: Execute, export: Callable[..., str]) -> None:
        report = check(execute(export=export(3)), status="complete", records=3, accepted=3)
        assert "/script-" in report["report_path"]

    def test_names_the_push_by_run_task_map_index_and_try(
        self, execute: Execute, export: Callable[..., str]
    ) -> None:
        report = execute({"ti": FakeTaskInstance()}, export=export(1))
        assert "--push--3--try2" in report["report_path"]

    def test_takes_the_partner_before_the_connections(
        self,
        execute: Execute,
        monkeypatch: pytest.MonkeyPatch,
        sandbox: SandboxProcess,
        export: Callable[..., str],
    ) -> None:
        connect(monkeypatch, sandbox, partner="from-connection")
        execute(export=export(1), partner="from-operator")
        execute(export=export(1))
        assert [request["body"]["partner"] for request in sandbox.requests()] == [
            "from-operator",
            "from-connection",
        ]

    def test_takes_mapping_and_dialect_as_dicts(
        self, execute: Execute, sandbox: SandboxProcess, tmp_path: Path
    ) -> None:
        path = tmp_path / "export.txt"
        path.write_text("P1~Ann\nP2~Bo\n")
        report = execute(
            export=str(path),
            mode="upsert",
            reports_path=str(tmp_path / "reports"),
            dialect={"delimiter": "~", "columns": ["pid", "nickname"]},
            mapping={"identifier": "pid", "extra_to": None},
        )
        check(report, records=2, accepted=2)
        assert sandbox.profiles()["P2"]["custom_attributes"] == {"nickname": "Bo"}

    @pytest.mark.parametrize("given", [{}, {"export": "x", "events": [EVENT]}])
    def test_needs_an_export_or_rows(self, execute: Execute, given: dict[str, Any]) -> None:
        with pytest.raises(AirflowFailException, match="either export, or"):
            execute(**given)

    def test_a_wrong_setup_is_not_retried(self, execute: Execute, export: Callable[..., str]) -> None:
        with pytest.raises(AirflowFailException, match="did you mean 'omit'"):
            execute(export=export(1), mapping={"omitt": []})

    def test_a_missing_connection_is_not_retried(self, execute: Execute, export: Callable[..., str]) -> None:
        with pytest.raises(AirflowFailException, match="no connection 'nope'"):
            execute(export=export(1), braze_conn_id="nope")

    def test_a_wrong_connection_sends_nothing(
        self, execute: Execute, monkeypatch: pytest.MonkeyPatch, export: Callable[..., str]
    ) -> None:
        connect(monkeypatch, host="dashboard-01.braze.com", key="k")
        with pytest.raises(AirflowFailException, match="dashboard"):
            execute(export=export(1))

    def test_what_a_retry_can_mend_stays_a_braze_error(
        self,
        execute: Execute,
        monkeypatch: pytest.MonkeyPatch,
        sandbox: SandboxProcess,
        export: Callable[..., str],
    ) -> None:
        monkeypatch.setattr(sender, "_FIRST_BACKOFF", 0.01)
        sandbox.fault(status=503, count=1000)
        ti = FakeTaskInstance()
        with pytest.raises(BrazeServerError):
            execute({"ti": ti}, export=export(2))
        check(ti.pushed["report"], status="partial", records=2, unknown=2)


class TestThreshold:
    @pytest.mark.parametrize(
        ("good", "bad", "max_rejected", "fails"),
        [
            (99, 1, None, False),
            (98, 2, None, True),
            (97, 2, None, False),
            (0, 1, None, True),
            (1, 1, None, False),
            (2, 1, 0, True),
            (2, 1, 1, False),
            (9, 1, 0.1, False),
            (8, 2, 0.1, True),
            (9, 1, "0.1", False),
            (2, 2, "1", True),
            (2, 2, "", False),
            (3, 0, 0, False),
        ],
    )
    def test_of_failed_records(
        self,
        execute: Execute,
        export: Callable[..., str],
        good: int,
        bad: int,
        max_rejected: Any,
        fails: bool,
    ) -> None:
        ti = FakeTaskInstance()
        given = {"export": export(good, bad), "max_rejected": max_rejected}
        if fails:
            with pytest.raises(AirflowFailException, match=f"{bad} of {good + bad} records failed"):
                execute({"ti": ti}, **given)
            report = ti.pushed["report"]
        else:
            report = execute({"ti": ti}, **given)
        assert (report["invalid"], report["accepted"]) == (bad, good)
        assert Path(report["report_path"]).exists()

    def test_never_in_a_dry_run(self, execute: Execute, export: Callable[..., str]) -> None:
        check(execute(export=export(0, 5), dry_run=True), status="planned", records=5, invalid=5)

    @pytest.mark.parametrize("value", ["lots", -1, "-0.5", True, "5%", 2.5, float("nan")])
    def test_a_wrong_one_is_named_before_anything_is_sent(
        self, execute: Execute, export: Callable[..., str], sandbox: SandboxProcess, value: Any
    ) -> None:
        with pytest.raises(AirflowFailException, match="max_rejected"):
            execute(export=export(1), max_rejected=value)
        assert sandbox.stats()["requests"] == 0


class TestTemplates:
    @pytest.mark.parametrize(
        ("text", "planned"), [("True", 1), ("true", 1), ("False", 0), ("", 0), ("None", 0)]
    )
    def test_a_switch_from_a_form(self, export: Callable[..., str], text: str, planned: int) -> None:
        operator = rendered({"params": {"dry": text}}, export=export(1), dry_run="{{ params.dry }}")
        assert operator.execute({})["planned"] == planned  # type: ignore[typeddict-item]

    def test_what_the_form_leaves_empty_is_unset(self, export: Callable[..., str]) -> None:
        empty = "{{ params.none }}"
        operator = rendered(
            {"params": {"none": None}},
            export=export(1),
            mode=empty,
            dry_run=empty,
            reports_path=empty,
            braze_conn_id=empty,
            max_rejected=empty,
            max_data_points=empty,
            retry_events=empty,
            confirm=empty,
        )
        check(operator.execute({}), status="complete", records=1, accepted=1)  # type: ignore[typeddict-item]

    def test_anything_else_names_the_parameter(self, execute: Execute, export: Callable[..., str]) -> None:
        with pytest.raises(AirflowFailException, match="dry_run must be true or false, not 'maybe'"):
            execute(export=export(1), dry_run="maybe")
        with pytest.raises(AirflowFailException, match="max_data_points"):
            execute(export=export(1), max_data_points="many")
        with pytest.raises(AirflowFailException, match="channel_modes"):
            execute(export=export(1), channel_modes="upsert")
        with pytest.raises(AirflowFailException, match="retry_events"):
            execute(export=export(1), retry_events="x")

    def test_a_file_name_is_not_rendered_again(self, tmp_path: Path) -> None:
        path = tmp_path / "Braze Append" / "{{ 7 * 6 }}" / "8828" / "RPI_Export_1.txt"
        path.parent.mkdir(parents=True)
        path.write_text(HEADER)
        operator = rendered({"params": {"path": str(path)}}, export="{{ params.path }}")
        assert operator.export == str(path)

    def test_rows_from_a_template(self, sandbox: SandboxProcess) -> None:
        operator = rendered(
            {"params": {"user": "U7", "reply": "yes"}},
            attributes=[{"external_id": "{{ params.user }}", "answer": "{{ params.reply }}"}],
            events='[{"external_id": "{{ params.user }}", "name": "chat", "time": "2026-01-01T00:00:00Z"}]',
        )
        check(operator.execute({}), records=2, accepted=2, requests=1)  # type: ignore[typeddict-item]
        assert sandbox.profiles()["U7"]["custom_attributes"] == {"answer": "yes"}


class TestRows:
    def test_are_sent_as_given(self, execute: Execute, sandbox: SandboxProcess) -> None:
        attributes = [
            {"external_id": "U1", "First_Name": "as given", "n": {"inc": 1}, "_update_existing_only": False}
        ]
        report = execute(attributes=attributes, events=[EVENT], purchases=[], partner="acme")
        check(
            report, status="complete", records=2, accepted=2, requests=1, report_path=None, rejects_path=None
        )
        assert sandbox.requests()[-1]["body"] == {
            "attributes": attributes,
            "events": [EVENT],
            "partner": "acme",
        }

    def test_a_function_may_yield_them(self, execute: Execute, sandbox: SandboxProcess) -> None:
        def rows() -> Iterator[dict[str, Any]]:
            for n in range(200):
                yield {"external_id": f"U{n}", "n": n}

        check(execute(attributes=rows), records=200, accepted=200, requests=3)
        assert sandbox.stats()["profiles"] == 200

    def test_a_function_is_not_called_by_rendering(self, sandbox: SandboxProcess) -> None:
        operator = rendered(
            {}, attributes=lambda: [{"external_id": "U1", "x": 1}], events=lambda: iter([EVENT])
        )
        check(operator.execute({}), records=2, accepted=2)  # type: ignore[typeddict-item]

    def test_the_data_point_guard_counts_them(self, execute: Execute, sandbox: SandboxProcess) -> None:
        rows = [{"external_id": f"U{n}", "x": 1, "y": 2} for n in range(10)]
        for given in (rows, lambda: iter(rows), iter(rows)):
            with pytest.raises(AirflowFailException, match="20 data points"):
                execute(attributes=given, max_data_points="19")
        assert sandbox.stats()["requests"] == 0
        check(execute(attributes=iter(rows), max_data_points=20), records=10, accepted=10)

    def test_they_cannot_be_confirmed(self, execute: Execute) -> None:
        with pytest.raises(AirflowFailException, match="confirm"):
            execute(events=[EVENT], confirm=True)

    @pytest.mark.parametrize(("mode", "known"), [("append", True), ("upsert", False)])
    def test_a_mode_sets_the_flag(
        self, execute: Execute, sandbox: SandboxProcess, mode: str, known: bool
    ) -> None:
        execute(attributes=[{"external_id": "U1", "x": 1}], mode=mode)
        assert sandbox.requests()[-1]["body"]["attributes"][0]["_update_existing_only"] is known

    def test_failed_ones_are_in_the_report_by_index(self, execute: Execute) -> None:
        report = execute(
            attributes=[{"external_id": "U1", "x": 1}, {"x": 2}, {"external_id": "U3", "email": "nonsense"}]
        )
        check(report, records=3, accepted=1, invalid=1, rejected=1)
        rows = {row["index"]: (row["outcome"], row["reason"]) for row in report["failed_rows"]}
        assert rows[1] == ("invalid", "no identifier")
        assert rows[2][0] == "rejected"
        assert "email" in rows[2][1]

    def test_with_a_reports_path_they_can_be_pushed_again(
        self, execute: Execute, sandbox: SandboxProcess, tmp_path: Path
    ) -> None:
        first = execute(
            attributes=[{"external_id": "U1", "email": "nonsense"}, {"external_id": "U2", "x": 1}],
            reports_path=str(tmp_path),
        )
        check(first, records=2, accepted=1, rejected=1)
        rejects = Path(first["rejects_path"])
        rejects.write_text(rejects.read_text().replace("nonsense", "ann@example.com"))
        second = check(execute(export=str(rejects)), records=1, accepted=1, parent=first["report_path"])
        assert second["status"] == "complete"
        assert sandbox.profiles()["U1"]["email"] == "ann@example.com"

    def test_events_are_not_sent_again_after_a_lost_answer(
        self, execute: Execute, sandbox: SandboxProcess, tmp_path: Path
    ) -> None:
        sandbox.fault(kind="drop", count=1, processed=True)
        first = execute(events=[EVENT], reports_path=str(tmp_path), max_rejected=10)
        check(first, status="failed", records=1, unknown=1, requests=1)
        still = check(
            execute(export=first["rejects_path"], max_rejected=10), records=1, unknown=1, requests=0
        )
        assert "retry_events" in next(iter(still["reasons"]))
        check(execute(export=first["rejects_path"], retry_events=True), records=1, accepted=1)
        # The lost one had arrived: that is the risk.
        assert sandbox.profiles()["U1"]["custom_events"][0]["count"] == 2

    @pytest.mark.parametrize("written", ["Unknown ", "UNKNOWN", "unbekannt", ""])
    def test_events_are_not_sent_again_where_nobody_tells_any_more_what_became_of_them(
        self, execute: Execute, sandbox: SandboxProcess, tmp_path: Path, written: str
    ) -> None:
        """A program or a person has changed the outcome in the rejects file, or emptied it."""
        sandbox.fault(kind="drop", count=1, processed=True)
        first = execute(events=[EVENT], reports_path=str(tmp_path), max_rejected=10)
        rejects = Path(first["rejects_path"])
        rejects.write_text(rejects.read_text().replace(",unknown,", f",{written},"))
        check(execute(export=str(rejects), max_rejected=10), records=1, unknown=1, requests=0)
        assert sandbox.profiles()["U1"]["custom_events"][0]["count"] == 1

    @pytest.mark.parametrize("rows", ["not json", '{"external_id": "U1"}', 5])
    def test_anything_but_rows_is_named(self, execute: Execute, rows: Any) -> None:
        with pytest.raises(AirflowFailException, match="attributes must be a list of rows"):
            execute(attributes=rows)


def keep(profile: dict[str, Any], record: Any) -> dict[str, Any]:
    return profile


class TestInADag:
    def test_a_mapping_object_survives_serialisation(self) -> None:
        from airflow.serialization import serialized_objects

        # Its name in Airflow 3.3, and in 3.1.
        serializer = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
        with DAG("d", schedule=None) as dag:
            BrazeUserTrackOperator.partial(
                task_id="push", mapping=ExportMapping(types={"income": "integer"}, transform=keep)
            ).expand(export=["a", "b"])
        assert serializer.to_dict(dag) == serializer.to_dict(dag)
        assert " at 0x" not in str(serializer.to_dict(dag))
