from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from airflow_provider_braze.redpoint.discovery.offers import (
    HANDED_OVER_SECONDS,
    Offers,
    left_to_push,
    older_than,
)
from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from tests.asset_store import Store
from tests.inbox import land

HOUR = 3600.0
DAY = 24 * HOUR


def item(number: int) -> dict[str, Any]:
    return {"fingerprint": f"{number:064d}"[::-1]}


def found(base: Path) -> list[dict[str, Any]]:
    return poll(ExportSearch.read(base_path=str(base), settle_seconds=0), PollState()).items


def keep(store: Store, *, now: float, offered: list[dict[str, Any]] = [], at: float = 0) -> Offers:  # noqa: B006
    """Do what one life of a watcher does: read, offer, write."""

    async def live() -> Offers:
        offers = Offers(store, again_after=HOUR, max_age=DAY)
        await offers.keep(at)
        offers.note(offered, at)
        await offers.keep(now)
        return offers

    return asyncio.run(live())


def test_is_offered_once_and_again_while_it_is_not_pushed() -> None:
    offers = Offers(None, again_after=HOUR, max_age=DAY)
    assert offers.due([item(1), item(2)], 0) == [item(1), item(2)]
    offers.note([item(1)], 0)
    assert offers.due([item(1), item(2)], HOUR - 1) == [item(2)]
    assert offers.due([item(1)], HOUR) == [item(1)]


def test_a_clock_that_was_set_back_does_not_put_off_the_next_offer() -> None:
    """What had failed waited until the clock had caught up with the time of its offer, and an hour more."""
    store = Store()
    ahead = keep(store, at=30 * DAY, now=30 * DAY + HANDED_OVER_SECONDS, offered=[item(1)])
    assert ahead.due([item(1)], 0) == [item(1)]
    again = keep(store, at=0, now=0)
    assert again.due([item(1)], 0) == [item(1)]
    again.note([item(1)], 0)
    assert again.due([item(1)], HOUR - 1) == []


def test_older_ones_that_are_not_pushed_go_with_what_is_offered() -> None:
    first, second, third, fourth = items = [item(number) for number in range(1, 5)]
    assert older_than([third], items) == [first, second]
    assert older_than([second, third], items) == [first]
    assert older_than([first], items) == []
    assert older_than([], items) == []
    assert older_than([first, fourth], items) == [second, third]


def test_is_never_offered_again_if_so_wished() -> None:
    offers = Offers(None, again_after=None, max_age=None)
    offers.note([item(1)], 0)
    assert offers.due([item(1)], 1000 * DAY) == []


def test_an_offer_is_kept_when_it_was_surely_handed_over() -> None:
    store = Store()
    keep(store, offered=[item(1)], now=HANDED_OVER_SECONDS - 1)
    assert store.values == {}
    keep(store, offered=[item(1)], now=HANDED_OVER_SECONDS)
    assert len(store.values) == 2
    assert keep(store, now=60).due([item(1), item(2)], 60) == [item(2)]


def test_what_is_older_than_max_age_leaves_nothing_behind() -> None:
    store = Store()
    keep(store, offered=[item(number) for number in range(50)], now=HOUR)
    keep(store, offered=[item(50)], at=DAY - 60, now=DAY)
    assert len(store.values) == 52
    keep(store, now=DAY + 1)
    assert len(store.values) == 2, "the younger one, and the list"
    keep(store, now=2 * DAY)
    assert store.values == {"exports": "[]"}


def test_a_store_that_fails_half_way_is_made_good_later() -> None:
    class Flaky(Store):
        left = 3

        async def _ask(self) -> None:
            self.left -= 1
            if self.left == 0:
                raise RuntimeError("no answer")

    async def live() -> None:
        store = Flaky()
        offers = Offers(store, again_after=HOUR, max_age=DAY)
        await offers.keep(0)
        offers.note([item(1), item(2)], 0)
        for now in (20.0, 30.0):
            try:
                await offers.keep(now)
            except RuntimeError:
                assert now == 20
        assert len(store.values) == 3

    asyncio.run(live())


def test_what_is_left_to_push_is_each_file_once_oldest_first(tmp_path: Path) -> None:
    for number, age in ((1, 10), (2, 30), (3, 20)):
        land(tmp_path, f"RPI_Export_{number}.txt", age=age)
    offered = found(tmp_path)
    pushed = next(each for each in offered if each["channel_execution_id"] == "3")
    ReportsFolder.at(pushed["reports_path"]).mark_pushed("braze_prod", pushed["fingerprint"])

    left = left_to_push([*reversed(offered), *offered], "braze_prod")

    assert [each["channel_execution_id"] for each in left] == ["2", "1"]
    assert len(left_to_push(offered, "another")) == 3
    assert left_to_push([], "braze_prod") == []


def test_a_file_that_was_replaced_between_two_offers_is_pushed_once(tmp_path: Path) -> None:
    land(tmp_path, age=60)
    before = found(tmp_path)
    land(tmp_path, text="replaced", age=5)
    after = found(tmp_path)

    assert left_to_push(after + before, "braze_default") == after
