"""The operator with the memory of what Braze was told: its parameters, in templates too, lists, and assets."""

from __future__ import annotations

import json
import random
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.memory.persistence.overlay import Overlay
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.memory_parameters import days, names, wish_of
from airflow_provider_braze.pushes.exports.list_report import list_report_line
from tests.operators.test_list import Push, Share, connection, push, share
from tests.reports import check
from tests.sandbox_process import SandboxProcess

__all__ = ["connection", "push", "share"]


def test_a_list_of_exports_leaves_out_what_was_told(
    share: Share, push: Push, sandbox: SandboxProcess
) -> None:
    first, second = share.land(1), share.land(2)
    report = push([first, second], only_changed=True)
    assert report["status"] == "complete"
    requests = sandbox.stats()["requests"]
    again = push([second], only_changed=True)
    assert (again["records"], again["unchanged"], again["accepted"]) == (2, 2, 0)
    assert again["values_saved"] == again["exports"][0]["values_saved"] > 0
    assert again["data_points_saved_by_attribute"]
    assert "2 unchanged" in list_report_line(again)
    assert sandbox.stats()["requests"] == requests
    ignored = push([second], only_changed="True", memory="ignore", refresh_after="", always_send="")
    assert (ignored["unchanged"], ignored["accepted"]) == (0, 2)


def test_always_send_takes_the_names_of_columns(share: Share, push: Push) -> None:
    path = share.land(1)
    options: dict[str, Any] = {"only_changed": True, "mapping": {"rename": {"nickname": "pet_name"}}}
    push(path, **options)
    report = push(path, **options, always_send=["Nickname"])
    assert report["data_points_by_attribute"] == {"rpi_cdp_attributes": 2}, "the key pet_name of both users"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"only_changed": "maybe"}, "only_changed must be true or false"),
        ({"refresh_after": "monthly"}, "refresh_after must be a number"),
        ({"refresh_after": -1}, "refresh_after must be a number of at least 0"),
        ({"refresh_after": "1e300"}, "refresh_after must be at most 1000000000 days"),
        ({"always_send": 5}, "always_send must be a list of columns"),
        ({"always_send": {"a": 1}}, "always_send must be a list of columns"),
        ({"always_send": ["a", ""]}, "always_send must be a list of columns"),
        ({"memory": "off"}, "memory must be use or ignore"),
        ({"memory_path": 5}, "memory_path must be text"),
    ],
)
def test_bad_input_is_named_when_the_dag_is_parsed(given: dict[str, Any], said: str) -> None:
    with DAG("d", schedule=None), pytest.raises(BrazeSetupError, match=said):
        BrazeUserTrackOperator(task_id="push", export="/mnt/x.txt", **given)


def test_as_templates_and_forms_give_them() -> None:
    assert days("d", timedelta(hours=36)) == 1.5
    assert days("d", "None") is None
    assert names("n", '["a", "b c"]') == names("n", "a, b c") == names("n", ("b c", "a")) == {"a", "b c"}
    with DAG("d", schedule=None):
        wish = wish_of(BrazeUserTrackOperator(task_id="push", export="/mnt/x.txt"))
    assert (wish.only_changed, wish.ignore, wish.refresh_after, wish.always_send) == (
        False,
        False,
        30,
        frozenset(),
    )


def test_rows_without_a_folder_fail_at_once(connection: Any) -> None:
    task = BrazeUserTrackOperator(
        task_id="push", attributes=[{"external_id": "U1", "x": 1}], only_changed=True
    )
    with pytest.raises(Exception, match="reports_path or memory_path"):
        task.execute({})


PRICED: dict[str, Any] = {"only_changed": True, "refresh_after": None}


class TestPriceOfAList:
    """A dry run of a list costs what the push costs that comes after it: exports that name the same people too."""

    @staticmethod
    def land(share: Share, number: int, **people: str) -> str:
        lines = [f"{user},{value}" for user, value in people.items()]
        return share.land(number, "\n".join(["external_id,nickname", *lines, ""]))

    def prices(self, push: Push, exports: list[str], **given: Any) -> tuple[list[int], list[int]]:
        """Give the data points of each export, in a dry run and then in the push."""
        reports = [push(exports, dry_run=dry_run, **PRICED, **given) for dry_run in (True, False)]
        saved = [report["data_points_saved_by_attribute"] for report in reports]
        assert saved[0] == saved[1]
        planned, pushed = (
            [json.loads(Path(each["report_path"]).read_text())["data_points"] for each in report["exports"]]
            for report in reports
        )
        assert [report["data_points"] for report in reports] == [sum(planned), sum(pushed)]
        return planned, pushed

    @pytest.mark.parametrize(
        ("values", "costs"),
        [
            (["B", "A"], [1, 1]),
            (["B", "B"], [1, 0]),
            (["A", "A"], [0, 0]),
            (["B", "A", "B", "B"], [1, 1, 1, 0]),
        ],
    )
    def test_what_one_changes_is_known_to_the_next(
        self, share: Share, push: Push, values: list[str], costs: list[int]
    ) -> None:
        push([self.land(share, 1, U1="A", U2="A")], **PRICED)
        exports = [self.land(share, n, U1=value, U2="A") for n, value in enumerate(values, start=2)]
        assert self.prices(push, exports) == (costs, costs)

    def test_whom_an_earlier_one_brings_is_known_to_the_next(self, share: Share, push: Push) -> None:
        push([self.land(share, 1, **{f"U{n}": "A" for n in range(300)})], **PRICED)
        new = {f"V{n}": "A" for n in range(30)}
        exports = [self.land(share, n, **new) for n in (2, 3)]
        assert self.prices(push, exports) == ([60, 0], [60, 0])

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("mode", ["upsert", "append"])
    def test_whatever_they_say(self, share: Share, push: Push, mode: str, seed: int) -> None:
        draw = random.Random(seed)

        def some(number: int, users: int) -> str:
            columns = draw.sample(["nickname", "first_name", "tier", "language"], draw.randint(1, 4))
            lines = [",".join(["external_id", *columns])]
            for _ in range(12):
                lines.append(",".join([f"U{draw.randrange(users)}", *(draw.choice("AB") for _ in columns)]))
            return share.land(number, "\n".join([*lines, ""]), offer=draw.choice(["Spring", "Autumn"]))

        given = {"mapping": {"normalise": False}}
        push([some(n, 5) for n in range(2)], **PRICED, **given)
        planned, pushed = self.prices(push, [some(n, 8) for n in range(2, 6)], mode=mode, **given)
        if mode == "append":
            # Whom nobody knows is sent again by each: whether Braze has a profile is not known.
            assert sum(planned) >= sum(pushed)
        else:
            assert planned == pushed

    def test_where_there_is_no_room_all_is_priced(
        self, share: Share, push: Push, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        push([self.land(share, 1, U1="A")], **PRICED)
        exports = [self.land(share, n, U1=value) for n, value in ((2, "B"), (3, "A"))]

        def full(*_: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(Overlay, "put", full)
        everything = push(exports, dry_run=True)["data_points"]
        assert push(exports, dry_run=True, **PRICED)["data_points"] == everything == 4

    def test_it_changes_nothing_in_the_memory(self, share: Share, push: Push) -> None:
        push([self.land(share, 1, U1="A")], **PRICED)
        exports = [self.land(share, n, U1=value) for n, value in ((2, "B"), (3, "C"))]
        for _ in range(2):
            planned = push(exports, dry_run=True, **PRICED)
            assert planned["data_points"] == 2
        check(push([self.land(share, 4, U1="A")], **PRICED), records=1, unchanged=1)
