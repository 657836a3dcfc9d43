from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_braze.plugins.cards.cards import PushTask, Summary, card_of
from airflow_provider_braze.plugins.cards.table import row_of
from airflow_provider_braze.plugins.one_run.lists import one_by_one
from airflow_provider_braze.pushes.exports.list_report import entry, summed
from tests.plugins.invented import progress, report


def listed(*statuses: str, **given: Any) -> dict[str, Any]:
    """Make the report of a list, as the operator does, of exports with these statuses."""
    own = [
        None
        if status == "waiting"
        else report(status=status, accepted=10 * number, export=f"/rpi/RPI_Export_{number}.txt", **given)
        for number, status in enumerate(statuses, start=1)
    ]
    exports = [
        entry(f"/rpi/RPI_Export_{number}.txt", status, each, None, set_aside=status == "failed")
        for number, (status, each) in enumerate(zip(statuses, own, strict=True), start=1)
    ]
    return {**summed([each for each in own if each], statuses), "exports": exports}


def make(**given: Any) -> PushTask:
    return PushTask(
        **{"task_id": "push", "map_index": -1, "state": "success", "try_number": 1, "name": "Push", **given}
    )


def titles(pushes: list[PushTask]) -> list[tuple[str, str]]:
    cards = [card_of(push, has_store=True) for push in pushes]
    return [(card.title, card.badges[0].word) for card in cards]


def test_each_export_of_a_list_has_a_card_of_its_own() -> None:
    late = {"newer": "/rpi/RPI_Export_9.txt", "fields": ["first_name"]}
    pushes = one_by_one([make(report=listed("complete", "failed", late=late)), make(task_id="other")])
    assert titles(pushes) == [
        ("RPI_Export_1.txt", "complete"),
        ("RPI_Export_2.txt", "failed"),
        ("Push", "success"),
    ]
    first, second, _ = (card_of(push, has_store=True) for push in pushes)
    assert dict(first.facts)["Records"] == "10"
    assert {badge.word for badge in first.badges} >= {"late"}
    assert {badge.word for badge in second.badges} >= {"late", "set aside"}
    assert len({first.anchor, second.anchor}) == 2
    assert Summary.of(pushes[:2]).records == 30


def test_of_a_running_list_each_says_where_it_is() -> None:
    running = make(
        state="running",
        report=listed("complete", "waiting", "waiting"),
        progress=progress(number=2, export="/rpi/RPI_Export_2.txt"),
    )
    assert titles(one_by_one([running])) == [
        ("RPI_Export_1.txt", "complete"),
        ("RPI_Export_2.txt", "running"),
        ("RPI_Export_3.txt", "waiting"),
    ]


def test_what_a_list_that_stopped_has_not_reached_is_held_up() -> None:
    pushes = one_by_one([make(state="failed", report=listed("partial", "waiting"))])
    assert titles(pushes) == [("RPI_Export_1.txt", "partial"), ("RPI_Export_2.txt", "held up")]
    assert "stopped the list" in card_of(pushes[1], has_store=True).sentence


@pytest.mark.parametrize(
    ("state", "word"), [("up_for_retry", "up for retry"), ("queued", "queued"), (None, "not started")]
)
def test_what_stopped_a_list_that_is_tried_again_asks_nobody_to_do_anything(
    state: str | None, word: str
) -> None:
    given = listed("complete", "partial", "failed", "waiting", error="BrazeServerError: 500")
    given["exports"][1]["error"] = "BrazeServerError: 500"
    pushes = one_by_one([make(state=state, report=given)])
    cards = [card_of(push, has_store=True) for push in pushes]
    assert [bool(each.next_step) for each in cards] == [False, False, True, False]
    assert [row_of(push).state for push in pushes] == ["complete", word, "failed", "waiting"]
    assert "partial" in {badge.word for badge in cards[1].badges}
    (_, stopped, *_) = one_by_one([make(state="failed", report=given)])
    assert "clear the task" in card_of(stopped, has_store=True).next_step
    assert row_of(stopped).state == "failed"


def test_whatever_somebody_wrote_into_the_xcom() -> None:
    for exports in (None, 5, [], [5], {}, "x"):
        task = make(report={"status": "complete", "exports": exports})
        assert one_by_one([task]) == [task]
    odd = [{"path": 5, "counts": "x", "status": None}, {"status": "waiting", "path": None}]
    assert len([card_of(push, has_store=True) for push in one_by_one([make(report={"exports": odd})])]) == 2


def test_what_is_an_upper_bound_for_one_export_is_one_for_the_list() -> None:
    bounds = [["objects", "data_points"], [], ["sent_again", "objects"]]
    whole = summed([report(upper_bounds=each) for each in bounds], ["complete"] * 3)
    assert whole["upper_bounds"] == ["data_points", "objects", "sent_again"]
