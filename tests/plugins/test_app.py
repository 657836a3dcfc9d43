"""The pages, in this process: what they say and how. ``test_server.py`` asks a real API server who may see them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from airflow_provider_braze.plugins import app as module
from airflow_provider_braze.plugins.cards.cards import PushTask
from airflow_provider_braze.pushes.exports.list_report import entry
from airflow_provider_braze.rejects.preview import SWITCHED_OFF, UNREADABLE
from airflow_provider_braze.rejects.writer import RejectsFile
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.users_track.records import RecordReference
from tests.plugins.invented import SCRIPT, progress, report

RUN = "manual__2026-11-21T10:00:00+00:00"
DAG_ID = "one"
PAGE = f"/dags/{DAG_ID}/runs/{RUN}"

Show = Callable[..., str]


@pytest.fixture
def client() -> Iterator[TestClient]:
    for dependency in module.MAY_READ:
        module.app.dependency_overrides[dependency.dependency] = lambda: None  # type: ignore[index]
    yield TestClient(module.app)
    module.app.dependency_overrides.clear()


@pytest.fixture
def show(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Get a page on tasks that are given as dicts."""

    def get(*tasks: dict[str, Any], page: str = PAGE) -> str:
        made = [
            PushTask(
                **{
                    "task_id": "push",
                    "map_index": n,
                    "state": "success",
                    "try_number": 1,
                    "name": "Push",
                    **task,
                }
            )
            for n, task in enumerate(tasks)
        ]
        monkeypatch.setattr(module, "_pushes", lambda *_: made)
        monkeypatch.setattr(module, "_others", lambda *_: [])
        return str(client.get(page).raise_for_status().text)

    return get


@pytest.fixture
def rejects(tmp_path: Path) -> str:
    """A rejects file of the first push of the run, with its report, as the operator writes them."""
    return rejects_of(tmp_path, PushIdentity(DAG_ID, RUN, "push", 0))


def rejects_of(reports: Path, identity: PushIdentity) -> str:
    folder = reports / "fingerprint" / identity.folder_name
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report(invalid=38, **identity.as_dict())))
    file = RejectsFile(locate(str(folder / "rejects.csv")), ("external_id", "email", "home_city"))
    for line in range(2, 40):
        file.write(
            RecordReference(line, (f"Customer{line}", f"{SCRIPT}{line}", "Address")),
            "invalid",
            f"bad {SCRIPT}{line}",
            "email",
        )
    url = file.close()
    assert url is not None
    return url


class Visible(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags, self.ids, self._silent = "", [], [], False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag in ("style", "script")
        self.tags.append((tag, dict(attrs)))
        if identity := dict(attrs).get("id"):
            self.ids.append(identity)

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text += data


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", Visible(page).text)


class TestPage:
    def test_shows_each_push(self, show: Show) -> None:
        text = text_of(show({"report": report(accepted=90, invalid=10)}, {"report": report(accepted=5)}))
        assert "2 pushes" in text
        assert "90 accepted 90 % " in text
        assert "10 invalid 10 % " in text
        assert "not at all" in text

    def test_links_to_the_task_and_the_dashboard(self, show: Show) -> None:
        page = show({"report": report(accepted=1)}, {"map_index": -1, "report": report(accepted=1)})
        found = [attributes for tag, attributes in Visible(page).tags if tag == "a"]
        links = [link["href"] for link in found if link.get("aria-label", "").startswith(("Task", "Braze"))]
        run = "manual__2026-11-21T10%3A00%3A00%2B00%3A00"
        assert links == [
            f"/dags/one/runs/{run}/tasks/push/mapped/0",
            "https://dashboard-01.braze.com",
            f"/dags/one/runs/{run}/tasks/push",
            "https://dashboard-01.braze.com",
        ]

    def test_is_live_while_pushes_are_under_way_and_only_then(self, show: Show) -> None:
        assert "data-live" in show({"state": "running", "progress": progress()}).split("</style>")[1]
        assert "data-live" not in show({"report": report(accepted=1)}).split("</style>")[1]

    def test_shows_progress(self, show: Show) -> None:
        page = show({"state": "running", "progress": progress(waiting_until="2026-11-21T12:02:00+00:00")})
        assert "Waiting for Braze until 12:02 UTC" in text_of(page)
        assert "40 % of the file" in text_of(page)
        assert "245 read but not sent yet" in text_of(page)

    def test_of_a_run_without_a_push(self, show: Show) -> None:
        assert module.NO_PUSH_IN_RUN in text_of(show())
        assert module.NO_PUSH_IN_TASK in text_of(show(page=f"{PAGE}/tasks/find/-1"))

    def test_everything_is_escaped(self, show: Show) -> None:
        nasty = report(
            accepted=1,
            invalid=1,
            export=f"/x/{SCRIPT}.txt",
            channel=SCRIPT,
            offer='"><img src=x onerror=alert(1)>',
            status=SCRIPT,
            mode=SCRIPT,
            error=SCRIPT,
            reasons={SCRIPT: 1},
            notes=[SCRIPT],
            report_path=SCRIPT,
            rejects_path=SCRIPT,
            endpoint="javascript:alert(1)",
        )
        page = show(
            {"report": nasty, "name": SCRIPT, "label": SCRIPT, "task_id": '"><script>'},
            {"state": SCRIPT, "name": SCRIPT},
            {"state": "running", "progress": progress(export=SCRIPT, waiting_until=SCRIPT)},
        )
        tags = [tag for tag, _ in Visible(page).tags]
        assert tags.count("script") == 1
        assert "img" not in tags
        assert Visible(page).text.count("alert('seen')") >= 10

    def test_ids_are_unique(self, show: Show) -> None:
        ids = Visible(show({"report": report(accepted=1)}, {"report": report(accepted=1)})).ids
        assert len(ids) == len(set(ids))

    def test_nothing_but_its_own_style_and_script_can_run(self, client: TestClient, show: Show) -> None:
        page = show({"report": report(accepted=1)})
        answer = client.get(PAGE)
        policy = answer.headers["content-security-policy"]
        (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
        assert policy.startswith("default-src 'none'; ")
        assert answer.text.count(f'nonce="{nonce}"') == 2
        assert nonce not in page
        assert not [
            tag for tag, attributes in Visible(page).tags if "style" in attributes or "onclick" in attributes
        ]
        assert answer.headers["cache-control"] == "no-store"


OF_ANOTHER = {
    "of another task": PushIdentity(DAG_ID, RUN, "other", 0),
    "of another DAG": PushIdentity("other", RUN, "push", 0),
    "of another run": PushIdentity(DAG_ID, "other", "push", 0),
    "of another mapped task": PushIdentity(DAG_ID, RUN, "push", 1),
}


def put(kind: str, path: Path, folder: Path) -> Path:
    """Have somebody put something else in the place of a rejects file; the path that he writes into the XCom."""
    if kind in OF_ANOTHER:
        return Path(rejects_of(folder, OF_ANOTHER[kind]))
    if kind == "elsewhere":
        return Path("s3://nowhere") / path.parent.name / path.name
    if kind == "not of a push":
        return path.rename(folder / "rejects.csv")
    linked = {
        "a link": path,
        "in a linked folder": path.parent,
        "with a linked report": path.with_name("report.json"),
    }
    if kind in linked:
        moved = linked[kind].rename(folder / "moved")
        linked[kind].symlink_to(moved)
    elif kind == "of an older version":
        path.with_name("report.json").write_text(json.dumps(report(invalid=38)))
    elif kind == "no rejects file":
        path.write_text("root:x:0:0\nCustomer,secret\n")
    else:
        path.unlink()
        if kind == "a pipe":
            os.mkfifo(path)
    return path


class TestRejects:
    def test_are_only_named_by_default(self, show: Show, client: TestClient, rejects: str) -> None:
        text = text_of(show({"report": report(invalid=38, rejects_path=rejects)}))
        assert rejects in text
        assert SWITCHED_OFF in text
        assert "Customer" not in text
        assert client.get(f"{PAGE}/tasks/push/0/rejects.csv").status_code == 404

    @pytest.fixture
    def allowed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__BRAZE__REJECTS_IN_UI", "True")

    @pytest.mark.usefixtures("allowed")
    def test_are_shown_masked_where_that_is_switched_on(self, show: Show, rejects: str) -> None:
        page = show({"report": report(invalid=38, rejects_path=rejects)})
        text = text_of(page)
        assert re.findall(r"<th scope=\"col\">(\w+)</th>", page.partition("<details")[2]) == [
            "_line",
            "_outcome",
            "_reason",
            "_column",
            "external_id",
            "email",
            "home_city",
        ]
        # Who it is, and the cell at fault.
        assert "Customer2" in text
        assert f"{SCRIPT}2" in text
        assert "bad " in text
        assert "A•••" in text
        assert "Address" not in page
        assert page.count("<td>invalid</td>") == 20

    @pytest.mark.usefixtures("allowed")
    def test_can_be_downloaded_where_that_is_switched_on(
        self, show: Show, client: TestClient, rejects: str
    ) -> None:
        show({"report": report(invalid=38, rejects_path=rejects)})
        answer = client.get(f"{PAGE}/tasks/push/0/rejects.csv")
        assert answer.content == Path(rejects).read_bytes()
        assert (
            answer.headers["content-disposition"]
            == 'attachment; filename="RPI_Export_6001-manual__2026-11-21T10_00_00+00_00-rejects.csv"'
        )
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"

    def test_the_card_names_the_id_that_the_dag_takes(self, show: Show, tmp_path: Path) -> None:
        push_id = f"{'a' * 64}/one--run--push--try1--1f0c"
        path = f"{tmp_path}/_braze/{push_id}/rejects.csv"
        page = show({"report": report(invalid=1, rejects_path=path)})
        assert f"<code>{push_id}</code>" in page
        assert "/tasks/push/0/again" in page
        elsewhere = show({"report": report(invalid=1, rejects_path="/somewhere/rejects.csv")})
        assert "/again" not in elsewhere

    @pytest.mark.usefixtures("allowed")
    def test_those_of_an_export_in_a_list_are_downloaded_by_its_number(
        self, show: Show, client: TestClient, rejects: str
    ) -> None:
        own = [report(accepted=1), report(invalid=38, rejects_path=rejects)]
        exports = [entry(str(each["export"]), "complete", each, None, set_aside=False) for each in own]
        page = show({"report": {"status": "complete", "exports": exports}})
        (link,) = re.findall(r'href="[^"]*(/dags/[^"]*rejects\.csv\?export=2)"', page)
        assert client.get(link).content == Path(rejects).read_bytes()
        for number in (0, 1, 3):
            assert client.get(f"{PAGE}/tasks/push/0/rejects.csv?export={number}").status_code == 404

    @pytest.mark.usefixtures("allowed")
    @pytest.mark.parametrize(
        "kind",
        [
            *OF_ANOTHER,
            "gone",
            "no rejects file",
            "of an older version",
            "not of a push",
            "elsewhere",
            "a pipe",
            "a link",
            "in a linked folder",
            "with a linked report",
        ],
    )
    def test_a_path_that_someone_wrote_into_the_xcom_opens_nothing(
        self, show: Show, client: TestClient, rejects: str, tmp_path: Path, kind: str
    ) -> None:
        path = put(kind, Path(rejects), tmp_path)
        text = text_of(show({"report": report(invalid=38, rejects_path=str(path))}))
        assert UNREADABLE in text
        assert "Download" not in text
        answer = client.get(f"{PAGE}/tasks/push/0/rejects.csv")
        assert answer.status_code == 404
        assert "Customer" not in answer.text

    @pytest.mark.usefixtures("allowed")
    def test_of_an_earlier_try_are_this_tasks_too(self, show: Show, rejects: str) -> None:
        text = text_of(show({"try_number": 3, "report": report(invalid=38, rejects_path=rejects)}))
        assert "Download" in text
