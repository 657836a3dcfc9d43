"""The dry run: everything is read and batched, nothing is sent, and no value is shown unless asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_braze.users_track.batching.merge_window import LOOK_AHEAD_RECORDS, ProfileObject
from airflow_provider_braze.users_track.delivery.plan import MASK, Plan, mask, plan
from airflow_provider_braze.users_track.delivery.user_count import UserCount
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from tests.users_track.pushing import Written, check_sum, counted, event, people, profile_object, workspace


def planned(items: Any, **settings: Any) -> tuple[Plan, Ledger, Written]:
    written = Written()
    ledger = Ledger(written)
    # Nobody listens there: a dry run that sent anything would fail.
    nowhere = workspace("http://127.0.0.1:9", **settings)
    found = plan(counted(items, ledger), nowhere, ledger, users=UserCount())
    check_sum(ledger, written)
    return found, ledger, written


def test_a_thousand_users() -> None:
    found, ledger, _ = planned(people(1000), requests_per_second=7)
    assert found.planned_requests == 14
    assert found.users == 1000
    assert found.seconds_at_limit == 2
    assert ledger.outcomes == {"planned": 1000}
    assert ledger.requests == ledger.retries == ledger.bytes == 0
    assert ledger.data_points.by_attribute() == {"city": 1000}


def test_nothing() -> None:
    found, ledger, _ = planned([])
    assert (found.planned_requests, found.users, found.planned_bytes) == (0, 0, 0)
    assert ledger.records == 0


def test_merged_records_share_the_outcome_of_their_object() -> None:
    found, ledger, _ = planned(
        [profile_object("a", 2, x=1), profile_object("a", 3, x=2), profile_object("b", 4)]
    )
    assert (found.users, found.planned_requests) == (2, 1)
    assert ledger.outcomes == {"planned": 3}
    assert ledger.data_points.by_attribute() == {"x": 1}


@pytest.mark.parametrize(("between", "objects"), [(LOOK_AHEAD_RECORDS - 1, 1), (LOOK_AHEAD_RECORDS, 2)])
def test_invalid_records_count_for_the_look_ahead(between: int, objects: int) -> None:
    _, ledger, _ = planned([profile_object("a", 2, x=1), *[None] * between, profile_object("a", 9000, x=2)])
    assert ledger.data_points.by_attribute() == {"x": objects}


def test_one_whose_records_are_too_far_apart_to_be_merged_is_one_user() -> None:
    found, ledger, _ = planned(
        [profile_object("a", 2, x=1), *people(LOOK_AHEAD_RECORDS), profile_object("a", 9000, x=2)]
    )
    assert found.users == LOOK_AHEAD_RECORDS + 1
    assert ledger.data_points.by_attribute()["x"] == 2


def test_a_user_with_events_is_one_user() -> None:
    found, ledger, _ = planned([profile_object("a", 2, x=1), event("a", 3), event("a", 4), event("b", 5)])
    assert found.users == 2
    assert ledger.data_points.by_attribute() == {"x": 1, "events": 3}


def test_bytes_are_those_of_the_bodies_with_the_partner() -> None:
    found, _, _ = planned([profile_object("a", x=1)], partner="acme")
    body = {"attributes": [{"external_id": "a", "x": 1}], "partner": "acme"}
    assert found.planned_bytes == len(json.dumps(body, separators=(",", ":")))


def test_what_a_push_would_never_send_is_invalid() -> None:
    items = [
        profile_object("a", 2, x=float("inf")),
        profile_object("b", 3, x="y" * 4_000_000),
        None,
        profile_object("c", 4),
    ]
    found, ledger, written = planned(items)
    assert ledger.outcomes == {"invalid": 2, "planned": 1}
    assert written.lines("invalid") == [2, 3]
    assert found.planned_requests == 1


def test_a_source_that_breaks_off() -> None:
    def source() -> Iterator[ProfileObject]:
        yield from people(7000)
        raise ConnectionResetError("share gone")

    written = Written()
    ledger = Ledger(written)
    with pytest.raises(ConnectionResetError):
        plan(counted(source(), ledger), workspace("http://127.0.0.1:9"), ledger)
    check_sum(ledger, written)
    assert ledger.records == 7000
    assert 0 < ledger.outcomes["not_sent"] < 7000


def test_rejects_that_cannot_be_written_end_it() -> None:
    class Full(Written):
        def write(self, *_: Any) -> None:
            raise OSError(28, "No space left on device")

    ledger = Ledger(Full())
    with pytest.raises(OSError, match="No space"):
        plan(
            counted([profile_object("a", x=object()), *people(3)], ledger),
            workspace("http://127.0.0.1:9"),
            ledger,
        )
    check_sum(ledger)


def test_another_outcome_may_be_counted() -> None:
    ledger = Ledger(Written())
    plan(counted(people(3), ledger), workspace("http://127.0.0.1:9"), ledger, outcome="unchanged")
    assert ledger.outcomes == {"unchanged": 3}


def test_the_first_payloads_are_masked_in_a_report() -> None:
    items = [
        profile_object(
            "ann", 2, city="Old Town", nested={"a": [1, {"b": "secret"}]}, _update_existing_only=True
        ),
        *people(5),
    ]
    found, _, _ = planned(items)
    shown = found.as_dict()["sample_payloads"]
    assert len(shown) == 3
    assert shown[0] == {
        "external_id": MASK,
        "city": MASK,
        "nested": {"a": [MASK, {"b": MASK}]},
        "_update_existing_only": True,
    }
    assert found.as_dict(show_values=True)["sample_payloads"][0]["city"] == "Old Town"
    assert "Old Town" not in json.dumps(found.as_dict())


@pytest.mark.parametrize("value", ["x", 1, 1.5, None, True, ["x", 2], {"k": {"l": "x"}}])
def test_every_kind_of_value_is_masked(value: Any) -> None:
    text = json.dumps(mask({"name": value}))
    assert set(text) <= set('{}[]": ,*klname')


def test_a_long_source_is_planned_in_a_bounded_window() -> None:
    made: list[int] = []

    def source() -> Iterator[ProfileObject]:
        for n in range(30_000):
            made.append(ledger.records - sum(ledger.outcomes.values()))
            yield profile_object(f"u{n}", n, city="c")

    ledger = Ledger(Written())
    plan(counted(source(), ledger), workspace("http://127.0.0.1:9"), ledger)
    check_sum(ledger)
    assert max(made) <= 5100
