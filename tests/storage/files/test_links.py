"""Who may write to the share puts links, pipes and folders where files of ours go: nothing is reached through them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError, ExportRefusedError
from airflow_provider_braze.rejects.writer import RejectsFile
from airflow_provider_braze.storage.files import plain
from airflow_provider_braze.storage.files.location import Location, locate
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder, in_reports_folder
from airflow_provider_braze.users_track.records import RecordReference

Put = Callable[[Path, Path], Any]

LINK: Put = lambda path, victim: path.symlink_to(victim)  # noqa: E731
PIPE: Put = lambda path, _: os.mkfifo(path)  # noqa: E731
PUT = pytest.mark.parametrize("put", [LINK, PIPE], ids=["link", "pipe"])


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("of somebody else")
    return path


@pytest.fixture
def reports(tmp_path: Path) -> ReportsFolder:
    (tmp_path / "_braze").mkdir()
    return ReportsFolder.at(str(tmp_path / "_braze"))


class TestMarkers:
    @PUT
    def test_take_the_place_of_what_was_put_there(
        self, reports: ReportsFolder, tmp_path: Path, victim: Path, put: Put
    ) -> None:
        for folder in ("pushed/b", "refused/b/f"):
            (tmp_path / "_braze" / folder).mkdir(parents=True)
        put(tmp_path / "_braze/pushed/b/f", victim)
        put(tmp_path / "_braze/refused/b/f/p", victim)
        reports.mark_pushed("b", "f", Marker(report="r"))
        reports.mark_refused("b", "f", "p", Marker(report="r"))
        assert victim.read_text() == "of somebody else"
        assert reports.markers("b") == {"f": Marker(report="r")}
        assert stat.S_ISREG((tmp_path / "_braze/refused/b/f/p").lstat().st_mode)
        assert sorted(each.name for each in (tmp_path / "_braze/pushed/b").iterdir()) == ["f"]

    @pytest.mark.parametrize("linked", ["pushed", "pushed/b", "refused/b"])
    def test_are_not_written_into_a_linked_folder(
        self, reports: ReportsFolder, tmp_path: Path, linked: str
    ) -> None:
        outside, link = tmp_path / "outside", tmp_path / "_braze" / linked
        outside.mkdir()
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(outside)
        mark: Callable[[], None] = (
            (lambda: reports.mark_pushed("b", "f"))
            if linked.startswith("pushed")
            else (lambda: reports.mark_refused("b", "f", "p"))
        )
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            mark()
        assert list(outside.iterdir()) == []

    @PUT
    def test_are_not_read_through_one(
        self, reports: ReportsFolder, tmp_path: Path, victim: Path, put: Put
    ) -> None:
        victim.write_bytes(Marker(report="of somebody else").written())
        (tmp_path / "_braze/pushed/b").mkdir(parents=True)
        put(tmp_path / "_braze/pushed/b/f", victim)
        assert reports.markers("b") == {"f": Marker()}

    def test_a_folder_in_the_place_of_one_is_not_written_into(
        self, reports: ReportsFolder, tmp_path: Path
    ) -> None:
        (tmp_path / "_braze/pushed/b/f").mkdir(parents=True)
        with pytest.raises(OSError, match="directory"):
            reports.mark_pushed("b", "f")
        assert list((tmp_path / "_braze/pushed/b/f").iterdir()) == []


class TestFilesOfAPush:
    def rejects(self, home: Location) -> RejectsFile:
        rejects = RejectsFile(home.child("rejects.csv"), ("external_id",))
        rejects.write(RecordReference(7, ("U1",)), "invalid", "r", "")
        return rejects

    @pytest.mark.parametrize("level", ["fingerprint", "push"])
    def test_are_not_written_into_a_linked_folder(
        self, reports: ReportsFolder, tmp_path: Path, level: str
    ) -> None:
        identity = PushIdentity("d", "r", "t")
        outside, link = tmp_path / "outside", tmp_path / "_braze/f"
        outside.mkdir()
        if level == "push":
            link.mkdir()
            link = link / identity.folder_name
        link.symlink_to(outside)
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            reports.start_run("f", identity)
        assert list(outside.iterdir()) == []

    def test_nor_into_one_that_is_swapped_for_a_link_meanwhile(
        self, reports: ReportsFolder, tmp_path: Path
    ) -> None:
        home = reports.start_run("f", PushIdentity("d", "r", "t"))
        rejects = self.rejects(home)
        outside = tmp_path / "outside"
        Path(home.path).rename(outside)
        Path(home.path).symlink_to(outside)
        with pytest.raises(Exception, match="cannot be written"):
            rejects.close()
        assert [each.name for each in outside.iterdir()] == ["rejects.csv.1.part"]

    def test_are_not_moved_into_a_folder_that_a_link_of_their_name_leads_to(
        self, reports: ReportsFolder, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        home = reports.start_run("f", PushIdentity("d", "r", "t"))
        for name in ("rejects.csv", "report.json"):
            (Path(home.path) / name).symlink_to(outside)
        url = self.rejects(home).close()
        plain.write_whole(home.child("report.json"), b"{}")
        assert url is not None
        assert list(outside.iterdir()) == []
        assert not Path(url).is_symlink()
        assert (Path(home.path) / "report.json").read_bytes() == b"{}"

    def test_parts_of_an_earlier_try_are_not_taken_through_links(self, tmp_path: Path, victim: Path) -> None:
        home = tmp_path / "_braze/f/p"
        home.mkdir(parents=True)
        (home / "rejects.csv.1.part").symlink_to(victim)
        part = in_reports_folder(str(home / "rejects.csv.1.part"))
        assert not part.exists()
        later = RejectsFile(locate(str(home / "rejects.csv")), ("external_id",), [part])
        with pytest.raises(Exception, match="cannot be written"):
            later.close()

    def test_tidying_deletes_nothing_behind_a_link(self, reports: ReportsFolder, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "rejects.csv.1.part").write_text("x")
        home = reports.start_run("f", PushIdentity("d", "r", "t"))
        (tmp_path / "_braze/f/earlier").symlink_to(outside)
        RejectsFile(home.child("rejects.csv"), ()).tidy([reports.root.child("f/earlier")])
        assert (outside / "rejects.csv.1.part").exists()


class TestBehindALinkedFolder:
    """Whatever is done with a file or folder below the reports folder."""

    @pytest.mark.parametrize(
        ("act", "name"),
        [
            (plain.remove, "file"),
            (plain.remove_folder, "empty"),
            (plain.make_folders, "new/folder"),
            (plain.names_in, ""),
            (plain.open_plain, "file"),
            (plain.open_private, "file"),
            (lambda location: plain.write_whole(location, b"ours"), "file"),
            (lambda location: plain.replace(location, plain.beside(location, ".moved")), "file"),
            (Location.stat, "file"),
        ],
    )
    def test_nothing_is_done(
        self, reports: ReportsFolder, tmp_path: Path, act: Callable[[Location], Any], name: str
    ) -> None:
        outside = tmp_path / "outside"
        (outside / "empty").mkdir(parents=True)
        (outside / "file").write_text("of somebody else")
        (tmp_path / "_braze/f").symlink_to(outside)
        with pytest.raises((OSError, ExportRefusedError)):
            act(reports.root.child(f"f/{name}"))
        assert sorted(each.name for each in outside.iterdir()) == ["empty", "file"]
        assert (outside / "file").read_text() == "of somebody else"

    def test_nothing_is_there(self, reports: ReportsFolder, tmp_path: Path, victim: Path) -> None:
        (tmp_path / "_braze/f").symlink_to(tmp_path)
        assert not reports.root.child(f"f/{victim.name}").exists()


class TestTheReportsFolderItself:
    def test_below_the_base_path_may_not_lead_out_of_it(self, tmp_path: Path) -> None:
        base, outside = tmp_path / "rpi", tmp_path / "outside"
        base.mkdir()
        outside.mkdir()
        (base / "_braze").symlink_to(outside)
        with pytest.raises(BrazeSetupError, match="reports_path"):
            ReportsFolder.at(str(base / "_braze"), str(base))
        (base / "_braze").unlink()
        reports = ReportsFolder.at(str(base / "_braze"), str(base))
        reports.check_writable()
        (base / "_braze").rmdir()
        (base / "_braze").symlink_to(outside)
        with pytest.raises(BrazeSetupError, match="cannot be written"):
            reports.check_writable()
        assert list(outside.iterdir()) == []

    def test_below_the_base_path_may_lead_to_another_place_there(self, tmp_path: Path) -> None:
        (tmp_path / "kept").mkdir()
        (tmp_path / "_braze").symlink_to(tmp_path / "kept")
        reports = ReportsFolder.at(str(tmp_path / "_braze"), str(tmp_path))
        reports.mark_pushed("b", "f")
        assert reports.pushed("b") == {"f"}
        assert (tmp_path / "kept/pushed/b/f").exists()

    def test_may_be_a_link_where_somebody_chose_it(self, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "reports").symlink_to(tmp_path / "disk")
        reports = ReportsFolder.at(str(tmp_path / "reports"))
        reports.check_writable()
        reports.mark_pushed("b", "f")
        assert reports.pushed("b") == {"f"}

    def test_hard_names_lead_nowhere(self, reports: ReportsFolder) -> None:
        for name in ("../x", "a/../../x", "f/.."):
            with pytest.raises(OSError, match=r"no name of a file|a path with"):
                plain.open_private(reports.root.child(name))


class TestExports:
    """An export is opened where it was found to lie, whatever has been put there since."""

    @pytest.fixture
    def base(self, tmp_path: Path) -> Path:
        (tmp_path / "base/A/o/1").mkdir(parents=True)
        (tmp_path / "base/A/o/1/x.txt").write_text("inside")
        (tmp_path / "outside/o/1").mkdir(parents=True)
        (tmp_path / "outside/o/1/x.txt").write_text("outside")
        (tmp_path / "outside/x.txt").write_text("outside")
        return tmp_path / "base"

    @pytest.mark.parametrize("swapped", ["A", "A/o", "A/o/1", "A/o/1/x.txt"])
    def test_swapped_for_a_link_after_it_was_checked(self, base: Path, swapped: str) -> None:
        found = plain.check_plain(locate(str(base / "A/o/1/x.txt")), locate(str(base)))
        place = base / swapped
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
        leads_to = {"A": "outside", "A/o": "outside/o", "A/o/1": "outside/o/1"}.get(swapped, "outside/x.txt")
        place.symlink_to(base.parent / leads_to)
        assert (base / "A/o/1/x.txt").read_text() == "outside"
        with pytest.raises(ExportRefusedError, match="link"):
            plain.open_plain(found)
        with pytest.raises(ExportRefusedError, match="leads out of"):
            plain.check_plain(locate(str(base / "A/o/1/x.txt")), locate(str(base)))

    def test_a_link_that_stays_below_the_base_path_is_followed(self, base: Path) -> None:
        (base / "B").symlink_to(base / "A")
        (base / "A/o/1/y.txt").symlink_to("x.txt")
        for name in ("B/o/1/x.txt", "A/o/1/y.txt", "B/o/1/y.txt"):
            found = plain.check_plain(locate(str(base / name)), locate(str(base)))
            with plain.open_plain(found) as file:
                assert file.read() == b"inside"
            assert found.stat().size == 6

    def test_toggled_between_file_and_link_all_the_while(self, base: Path) -> None:
        """Checked and opened again and again while somebody else swaps it: never a byte from outside."""
        place, over = base / "A/o/1/x.txt", threading.Event()

        def toggle() -> None:
            for turn in range(100_000):
                if over.is_set():
                    return
                new = base / f"new{turn % 2}"
                with suppress(FileNotFoundError):
                    new.unlink()
                if turn % 2:
                    new.symlink_to(base.parent / "outside/x.txt")
                else:
                    new.write_text("inside")
                new.replace(place)

        toggling = threading.Thread(target=toggle)
        toggling.start()
        read, refused = 0, 0
        try:
            while min(read, refused) < 5 and toggling.is_alive():
                try:
                    found = plain.check_plain(locate(str(place)), locate(str(base)))
                    with plain.open_plain(found) as file:
                        assert file.read() in (b"inside", b"")
                    read += 1
                except ExportRefusedError:
                    refused += 1
        finally:
            over.set()
            toggling.join()
        assert read
        assert refused

    def test_who_may_only_pass_through_a_folder_still_reads_its_file(self, base: Path) -> None:
        (base / "A/o").chmod(0o311)
        try:
            found = plain.check_plain(locate(str(base / "A/o/1/x.txt")), locate(str(base)))
            with plain.open_plain(found) as file:
                assert json.dumps(file.read().decode()) == '"inside"'
        finally:
            (base / "A/o").chmod(0o755)
