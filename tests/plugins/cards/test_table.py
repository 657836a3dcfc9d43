"""The table of a run's pushes, through its page: what is shown first, what the address picks, how large it is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.plugins.invented import SCRIPT, progress, report
from tests.plugins.test_app import PAGE, Show, Visible, client, show, text_of

__all__ = ["client", "show"]


def hundred() -> list[dict[str, Any]]:
    """Make 100 pushes as a run of many offers has them: two failed, one waits, one runs, one has failed records."""
    tasks = [
        {
            "report": report(
                accepted=2000 + n,
                export=f"/exports/Braze Append/Summer Sale {n % 7}/8828/RPI_Export_{6000 + n}.txt",
                channel="Braze Append" if n % 2 else "Braze Onboarding and Upsert",
                offer=f"Summer Sale {n % 7}",
                rejects_path=None,
            )
        }
        for n in range(100)
    ]
    for n in (41, 73):
        tasks[n] |= {
            "state": "failed",
            "report": {**tasks[n]["report"], "status": "partial", "error": "500."},
        }
    tasks[50] = {"state": "deferred", "progress": progress(waiting_until="2026-11-21T13:00:00+00:00")}
    tasks[60] = {"state": "running", "progress": progress(export="/x/RPI_Export_6060.txt")}
    tasks[70]["report"] |= {"invalid": 3, "failed": 3}
    return tasks


def rows(page: str) -> list[list[str]]:
    found = page.partition('<table class="rows">')[2].partition("</table>")[0].split("<tr>")[2:]
    return [
        [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.split("<td[^>]*>", row)[1:]] for row in found
    ]


def states(page: str) -> list[str]:
    return [row[1] for row in rows(page)]


def cards(page: str) -> int:
    return page.count("<article")


class TestTable:
    def test_two_failures_among_a_hundred_are_first(self, show: Show) -> None:
        page = show(*hundred())
        assert len(rows(page)) == 100
        first = ["failed", "failed", "waiting for Braze", "running", "complete, some failed", "complete"]
        assert states(page)[:6] == first
        assert (cards(page), "No task of this run" in page) == (0, False)
        assert "2 failed 1 waiting for Braze 1 running 1 complete, some failed 95 complete" in text_of(page)

    def test_is_small(self, show: Show) -> None:
        """With names as long as people give them, and as one task that pushes a list has them."""
        tasks = [{**task, "task_id": "push_export"} for task in hundred()]
        for number, task in enumerate(tasks):
            if "report" in task:
                task["report"] |= {
                    "channel": "Braze Onboarding and Upsert",
                    "offer": f"Spring Sale {number % 9} 2027",
                }
        assert len(show(*tasks).encode()) < 30_000

    def test_the_card_is_shown_on_click_and_only_that(self, show: Show) -> None:
        page = show(*hundred())
        (link,) = re.findall(r'href="(\?[^"]*card=push-41)"', page)
        shown = show(*hundred(), page=PAGE + link)
        assert cards(shown) == 1
        assert 'id="push-41-title">RPI_Export_6041.txt' in shown
        assert len(rows(shown)) == 100

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ("state=failed", 2),
            ("state=complete", 95),
            ("channel=Braze+Append", 51),
            ("offer=Summer+Sale+3", 14),
            ("text=export_6041", 1),
            ("text=sale+3&state=failed", 1),
            ("state=nonsense", 0),
            ("sort=nonsense&card=nonsense", 100),
        ],
    )
    def test_is_filtered_by_the_address(self, show: Show, asked: str, found: int) -> None:
        page = show(*hundred(), page=f"{PAGE}?{asked}")
        assert len(rows(page)) == found
        # Of a few, nobody has to ask for the card.
        assert cards(page) == (found if found <= 25 else 0)

    def test_is_sorted_by_the_address_either_way(self, show: Show) -> None:
        page = show(*hundred(), page=f"{PAGE}?sort=records")
        assert (rows(page)[0][4], 'aria-sort="ascending"' in page) == ("1,000", True)
        (link,) = re.findall(r'href="(\?sort=-records)"', page)
        page = show(*hundred(), page=PAGE + link)
        assert (rows(page)[0][4], 'aria-sort="descending"' in page) == ("2,099", True)
        assert rows(show(*hundred(), page=f"{PAGE}?sort=-name"))[0][0] == "RPI_Export_6099.txt"

    def test_links_keep_what_is_picked(self, show: Show) -> None:
        page = show(*hundred(), page=f"{PAGE}?channel=Braze+Append&sort=name")
        assert '?channel=Braze+Append&amp;sort=name&amp;card=push-1"' in page
        assert "?channel=Braze+Append&amp;sort=-name" in page
        assert '<input type="hidden" name="sort" value="name">' in page

    def test_a_thousand_exports_are_paged(self, show: Show) -> None:
        tasks = [{"report": report(accepted=1, export=f"/x/{n}.txt")} for n in range(250)]
        last = show(*tasks, page=f"{PAGE}?page=3&state=complete")
        assert "250 pushes" in text_of(last)
        assert "Page 3 of 3" in text_of(last)
        assert (len(rows(last)), rows(last)[-1][0]) == (50, "249.txt")
        assert "?state=complete&amp;page=2" in last

    def test_one_push_alone_has_none(self, show: Show) -> None:
        assert "<table class" not in show({"report": report(accepted=1)})

    def test_everything_is_escaped(self, show: Show) -> None:
        nasty = report(
            accepted=1, export=f"/x/{SCRIPT}.txt", channel=SCRIPT, offer='"><img src=x>', status=SCRIPT
        )
        tasks = [{"report": nasty, "task_id": f'"><script>{n}'} for n in range(20)]
        page = show(*tasks, page=f'{PAGE}?text="><img src=x>&state=<script>&sort="><script>')
        tags = [tag for tag, _ in Visible(page).tags]
        assert (tags.count("script"), "img" in tags) == (1, False)
        page = show(*tasks)
        tags = [tag for tag, _ in Visible(page).tags]
        assert (tags.count("script"), "img" in tags) == (1, False)

    def test_a_list_that_runs_shows_what_waits_with_its_channel_and_offer(self, show: Show) -> None:
        path = "/rpi/Braze Append/Spring/8828/RPI_Export_{}.txt"
        exports = [{"path": path.format(n), "status": "waiting", "counts": {}} for n in range(30)]
        listed = {
            "status": "waiting",
            "exports": exports,
            "braze_conn_id": "braze_eu",
            "endpoint": "https://x",
        }
        running = progress(number=1, export=path.format(0))
        page = show({"map_index": -1, "state": "running", "report": listed, "progress": running})
        assert states(page)[:2] == ["running", "waiting"]
        assert rows(page)[1][2:4] == ["Braze Append", "Spring"]
        page = show(
            {"map_index": -1, "state": "running", "report": listed, "progress": running},
            page=f"{PAGE}?card=push--1-9",
        )
        assert "braze_eu · https://x" in text_of(page)

    def test_one_whose_requests_braze_answers_with_errors_is_no_green_running(self, show: Show) -> None:
        trouble = {"reason": "Braze answers 500", "next_try": 3, "most_tries": 6}
        running = [progress(export=f"/x/{n}.txt", trouble=trouble if n else None) for n in (0, 1)]
        page = show(*({"state": "running", "progress": each} for each in running))
        assert states(page) == ["trouble at Braze", "running"]
        assert '<td class="warning">trouble at Braze' in page


@pytest.mark.parametrize("second", ["/x/other.txt", "/exports/Braze Append/Spring/8828/RPI_Export_6001.txt"])
def test_links_have_names_of_their_own(show: Show, second: str) -> None:
    """Also where an export is there twice: planned, and then pushed."""
    plan = report(status="planned", planned=1, dry_run=True)
    page = show({"report": plan}, {"report": report(accepted=1, export=second)})
    names = [
        tag.get("aria-label") or tag.get("id") or tag["href"]
        for kind, tag in Visible(page).tags
        if kind == "a"
    ]
    assert len(names) == len(set(names))
    links = re.findall(r"<a ([^>]*)>([^<]*)", page)
    said = [
        label[1] if (label := re.search('aria-label="([^"]*)"', attributes)) else text
        for attributes, text in links
    ]
    assert len(said) == len(set(said))
