"""An export that is older than one which was pushed before: it is pushed, and never silently."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.storage.files.location import Location, locate
from airflow_provider_braze.storage.reports import pushed_before
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.pushed_before import PushedBefore, shared
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from tests.operators.test_list import Push, Share, TaskInstance, connection, order, push, share
from tests.sandbox_process import SandboxProcess

__all__ = ["connection", "push", "share"]

NO_ATTRIBUTE = "external_id,output_name\nU1,Audience\n"


def late(report: dict[str, Any]) -> str | None:
    return report["late"] and Path(report["late"]["newer"]).stem[11:]


def card(report: dict[str, Any]) -> list[str]:
    return [note for note in report["notes"] if note.startswith("Late: ")]


class TestLate:
    def test_an_older_export_is_pushed_and_named_in_report_and_log(
        self, share: Share, push: Push, sandbox: SandboxProcess, capsys: pytest.CaptureFixture[str]
    ) -> None:
        older, newer = share.land(1), share.land(2)
        assert late(push(newer)) is None
        capsys.readouterr()
        report = push(older)
        assert (report["status"], late(report)) == ("complete", "2")
        assert report["late"]["fields"] == ["rpi_cdp_attributes.nickname"]
        said = f"Late: {older} is older than {newer}, which was pushed before and set the same fields"
        assert said in card(report)[0]
        assert said in capsys.readouterr().out
        assert json.loads(Path(report["report_path"]).read_text())["late"] == report["late"]
        assert order(sandbox) == ["from 2", "from 1"]
        # Once more: it is not late because of itself, but still because of the other.
        assert late(push(older)) == "2"
        assert late(push(newer)) is None

    def test_in_a_list_the_entry_says_it(self, share: Share, push: Push) -> None:
        older, newer = share.land(1), share.land(2)
        report = push([newer, older])
        assert [late(each) if each["late"] else None for each in report["exports"]] == [None, "2"]

    def test_hold_leaves_it_and_names_it(self, share: Share, push: Push, sandbox: SandboxProcess) -> None:
        share.land(1)
        newer, newest = share.land(2), share.land(3)
        push(newer)
        report = push([*share.items(), share.land(1)], late="hold")
        assert [each["status"] for each in report["exports"]] == ["held", "complete"]
        assert late(report["exports"][0]) == "2"
        assert report["status"] == "held"
        assert order(sandbox) == ["from 2", "from 3"]
        assert share.markers() == 2
        assert "left alone" in card(report["exports"][0])[0]
        alone = push(share.land(1), late="hold")
        assert (alone["status"], alone["records"], alone["error"]) == ("held", 0, None)
        assert newest

    def test_a_dry_run_says_it_too(self, share: Share, push: Push) -> None:
        older, newer = share.land(1), share.land(2)
        push(newer)
        report = push(older, dry_run=True, late="hold")
        assert (report["status"], late(report)) == ("planned", "2")

    def test_what_only_adds_sets_nothing_back(self, share: Share, push: Push) -> None:
        share.land(1)
        older, newer = share.land(2, NO_ATTRIBUTE), share.land(3)
        push(newer)
        assert late(push(older)) is None
        assert late(push(share.land(1))) == "3"

    @pytest.mark.parametrize(
        ("older", "newer", "mapping", "is_late"),
        [
            ("first_name", "first_name", {}, True),
            ("first_name", "last_name", {}, False),
            ("Shoe Size", "shoe_size", {}, True),
            ("a", "b", {"rename": {"a": "x", "b": "x"}}, True),
            ("a", "b", {"constants": {"source": "rpi"}}, True),
            ("a", "b", {"constants": {"sources": {"add": ["rpi"]}}}, False),
            ("tag", "tag", {"tags": {"tag": {"attribute": "tags", "action": "replace"}}}, True),
            ("tag", "tag", {"tags": {"tag": {"attribute": "tags"}}}, False),
            ("a", "b", {"transform": lambda profile, _: profile}, True),
        ],
    )
    def test_only_what_sets_one_of_the_same_fields(
        self, share: Share, push: Push, older: str, newer: str, mapping: dict[str, Any], is_late: bool
    ) -> None:
        def of(column: str) -> dict[str, Any]:
            by_column = {"rename", "tags"}
            return {
                name: {key: to for key, to in value.items() if key == column} if name in by_column else value
                for name, value in mapping.items()
            }

        push(share.land(2, f"external_id,{newer}\nU1,x\n"), mapping=of(newer))
        report = push(share.land(1, f"external_id,{older}\nU1,y\n"), mapping=of(older))
        assert (late(report) == "2") is is_late

    def test_another_connection_does_not_count(
        self, share: Share, push: Push, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(
            "AIRFLOW_CONN_BRAZE_OTHER",
            json.dumps({"conn_type": "braze", "host": sandbox.url, "password": sandbox.key}),
        )
        push(share.land(2), braze_conn_id="braze_other")
        assert late(push(share.land(1))) is None

    def test_a_push_that_brought_nothing_set_nothing(self, share: Share, push: Push) -> None:
        push(share.land(2, "external_id,nickname\n"))
        assert late(push(share.land(1))) is None

    def test_a_cleared_task_is_late_when_a_newer_export_came_meanwhile(
        self, share: Share, push: Push
    ) -> None:
        share.land(1)
        items = share.items()
        push(items, TaskInstance(1))
        push(share.land(2))
        assert late(push(items, TaskInstance(2))["exports"][0]) == "2"

    def test_a_rejects_file_is_as_old_as_its_first_parent(self, share: Share, push: Push) -> None:
        text = "external_id,email,nickname\nA1,a@example.com,x\nB1,nonsense,y\nC1,too,z\n"
        first = push(share.land(1, text), max_rejected=9)
        second = push(share.land(3))
        rejects = Path(first["rejects_path"])
        rejects.write_text(rejects.read_text().replace("nonsense", "b@example.com"))
        again = push(str(rejects), max_rejected=9)
        assert (late(again), again["modified"]) == ("3", first["modified"])
        # Its own rejects are as old as the export, too.
        last = Path(again["rejects_path"])
        last.write_text(last.read_text().replace("too", "c@example.com"))
        assert late(push(str(last))) == "3"
        assert second["modified"] > first["modified"]
        assert late(push(share.land(2))) == "3"

    def test_a_time_that_is_still_to_come_makes_no_other_export_late(
        self, share: Share, push: Push, sandbox: SandboxProcess, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """As of a storage whose clock is wrong: with hold, nothing went out any more for years."""
        odd, now = share.land(9), time.time()
        os.utime(odd, (now + 4e8, now + 4e8))
        first = push(odd, late="hold")
        assert late(first) is None
        assert f"at which {odd} was last changed is still to come" in capsys.readouterr().out
        after = share.land(3)
        os.utime(after, (first["modified"] + 1e-3,) * 2)
        assert (push(after, late="hold")["status"], late(push(share.land(2)))) == ("complete", "3")
        # It was there when it was pushed first, and is older than what has come since, and newer than what was before.
        report = push(odd, late="hold")
        assert (report["status"], late(report)) == ("held", "3")
        assert now <= report["modified"] == first["modified"]
        assert "still to come" in report["notes"][0]
        assert order(sandbox) == ["from 9", "from 3", "from 2"]

    @pytest.mark.parametrize("value", ["drop", "Hold ", 1])
    def test_another_word_is_refused(self, share: Share, push: Push, value: Any) -> None:
        with pytest.raises(Exception, match="late must be"):
            push(share.land(1), late=value)


class Counting:
    """A reports folder that counts what is read and listed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: list[str] = []
        self.listed: list[str] = []
        location = locate(str(folder))
        self.folder = ReportsFolder(location)
        fs_ls = location.fs.ls

        def ls(path: str, **kwargs: Any) -> Any:
            self.listed.append(path)
            return fs_ls(path, **kwargs)

        monkeypatch.setattr(location.fs, "ls", ls)
        for module in ("reports_folder", "pushed_before"):
            name = f"airflow_provider_braze.storage.reports.{module}.read_small"
            monkeypatch.setattr(name, self._reading(pushed_before.read_small))

    def _reading(self, read: Any) -> Any:
        def counted(location: Location, most: int) -> bytes:
            self.read.append(location.path)
            content: bytes = read(location, most)
            return content

        return counted

    def mark(self, number: int, modified: float, fields: set[str]) -> str:
        fingerprint = f"{number:064x}"
        marker = Marker(path=f"export {number}", modified=modified, set_fields=frozenset(fields))
        self.folder.mark_pushed("braze_default", fingerprint, marker)
        return fingerprint

    def known(self) -> PushedBefore:
        self.read.clear()
        self.listed.clear()
        return PushedBefore(self.folder, "braze_default")


class TestIndex:
    def test_a_thousand_markers_are_not_read_at_each_push(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counting = Counting(tmp_path, monkeypatch)
        known = counting.known()
        for number in range(1000):
            fields = {"first_name", f"f{number % 3}"}
            known.add(counting.mark(number, number, fields), number, fields)
        known = counting.known()
        found = known.newest_overlapping(500, {"f0"})
        assert found is not None
        assert (found.path, found.fields) == ("export 999", ("f0",))
        assert known.newest_overlapping(500, {"email"}) is None
        assert known.newest_overlapping(999, {"first_name"}) is None
        assert len(counting.listed) <= 3
        # One set of fields for each of the three, and the marker that is named.
        assert len(counting.read) <= 4

    @pytest.mark.parametrize("lost", ["order", "order/braze_default/exports", "order/braze_default/fields"])
    def test_a_lost_index_is_made_again_from_the_markers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
    ) -> None:
        counting = Counting(tmp_path, monkeypatch)
        for number in range(20):
            fields = {"first_name" if number % 2 else "email"}
            counting.known().add(counting.mark(number, number, fields), number, fields)
        shutil.rmtree(tmp_path / lost)
        found = counting.known().newest_overlapping(3, {"email"})
        assert found is not None
        if lost != "order/braze_default/fields":
            assert found.path == "export 18"
            known = counting.known()
            assert known.newest_overlapping(30, {"email"}) is None
            assert counting.read == []

    def test_the_markers_are_the_truth(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        counting = Counting(tmp_path, monkeypatch)
        known = counting.known()
        known.add(counting.mark(1, 1, {"a"}), 1, {"a"})
        # Of another task, which was killed before it could add it.
        counting.mark(2, 2, {"a"})
        assert (found := counting.known().newest_overlapping(0, {"a"})) is not None
        assert found.path == "export 2"
        (tmp_path / "pushed/braze_default" / f"{2:064x}").unlink()
        assert (found := counting.known().newest_overlapping(0, {"a"})) is not None
        assert found.path == "export 1"

    def test_a_marker_of_an_older_version_is_read_once_and_tells_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counting = Counting(tmp_path, monkeypatch)
        (tmp_path / "pushed/braze_default").mkdir(parents=True)
        (tmp_path / "pushed/braze_default" / ("a" * 64)).touch()
        assert counting.known().newest_overlapping(0, {"a"}) is None
        assert counting.known().newest_overlapping(0, {"a"}) is None
        assert counting.read == []

    def test_what_another_task_pushes_meanwhile_is_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [0.0]
        counting = Counting(tmp_path, monkeypatch)
        known = PushedBefore(counting.folder, "braze_default", clock=lambda: now[0])
        assert known.newest_overlapping(0, {"a"}) is None
        counting.mark(1, 1, {"a"})
        now[0] += 31
        assert known.newest_overlapping(0, {"a"}) is not None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"a"}, {"a", "b"}, {"a"}),
        ({"a.x"}, {"a.y"}, set()),
        ({"a"}, {"a.y"}, {"a"}),
        ({"a.y.z"}, {"a"}, {"a"}),
        ({"a.y.z"}, {"a.y"}, {"a.y"}),
        ({"ab"}, {"a"}, set()),
        ({"*"}, {"a"}, {"a"}),
        ({"a"}, {"*", "b"}, {"a"}),
        (set(), {"*"}, set()),
    ],
)
def test_fields_that_both_set(one: set[str], other: set[str], expected: set[str]) -> None:
    assert shared(frozenset(one), frozenset(other)) == expected
    if "*" not in one | other:
        assert shared(frozenset(other), frozenset(one)) == expected
