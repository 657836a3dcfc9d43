"""The dry run: everything is read and batched, nothing is sent, and no value is shown unless asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_braze.users_track.account import Account
from airflow_provider_braze.users_track.batches import LOOK_AHEAD_RECORDS, Outgoing
from airflow_provider_braze.users_track.plan import MASK, Plan, mask, plan
from tests.users_track.pushing import Written, check_sum, counted, event, outgoing, people, workspace


def planned(items: Any, **settings: Any) -> tuple[Plan, Account, Written]:
    written = Written()
    account = Account(written)
    # Nobody listens there: a dry run that sent anything would fail.
    found = plan(counted(items, account), workspace("http://127.0.0.1:9", **settings), account)
    check_sum(account, written)
    return found, account, written


def test_a_thousand_users() -> None:
    found, account, _ = planned(people(1000), requests_per_second=7)
    assert found.planned_requests == 14
    assert found.users == 1000
    assert found.seconds_at_limit == 2
    assert account.outcomes == {"planned": 1000}
    assert account.requests == account.retries == account.bytes == 0
    assert account.data_points.by_attribute() == {"city": 1000}


def test_nothing() -> None:
    found, account, _ = planned([])
    assert (found.planned_requests, found.users, found.planned_bytes) == (0, 0, 0)
    assert account.records == 0


def test_merged_records_share_the_outcome_of_their_object() -> None:
    found, account, _ = planned([outgoing("a", 2, x=1), outgoing("a", 3, x=2), outgoing("b", 4)])
    assert (found.users, found.planned_requests) == (2, 1)
    assert account.outcomes == {"planned": 3}
    assert account.data_points.by_attribute() == {"x": 1}


@pytest.mark.parametrize(("between", "objects"), [(LOOK_AHEAD_RECORDS - 1, 1), (LOOK_AHEAD_RECORDS, 2)])
def test_invalid_records_count_for_the_look_ahead(between: int, objects: int) -> None:
    _, account, _ = planned([outgoing("a", 2, x=1), *[None] * between, outgoing("a", 9000, x=2)])
    assert account.data_points.by_attribute() == {"x": objects}


def test_a_user_with_events_is_one_user() -> None:
    found, account, _ = planned([outgoing("a", 2, x=1), event("a", 3), event("a", 4), event("b", 5)])
    assert found.users == 2
    assert account.data_points.by_attribute() == {"x": 1, "events": 3}


def test_bytes_are_those_of_the_bodies_with_the_partner() -> None:
    found, _, _ = planned([outgoing("a", x=1)], partner="acme")
    body = {"attributes": [{"external_id": "a", "x": 1}], "partner": "acme"}
    assert found.planned_bytes == len(json.dumps(body, separators=(",", ":")))


def test_what_a_push_would_never_send_is_invalid() -> None:
    items = [outgoing("a", 2, x=float("inf")), outgoing("b", 3, x="y" * 4_000_000), None, outgoing("c", 4)]
    found, account, written = planned(items)
    assert account.outcomes == {"invalid": 2, "planned": 1}
    assert written.lines("invalid") == [2, 3]
    assert found.planned_requests == 1


def test_a_source_that_breaks_off() -> None:
    def source() -> Iterator[Outgoing]:
        yield from people(7000)
        raise ConnectionResetError("share gone")

    written = Written()
    account = Account(written)
    with pytest.raises(ConnectionResetError):
        plan(counted(source(), account), workspace("http://127.0.0.1:9"), account)
    check_sum(account, written)
    assert account.records == 7000
    assert 0 < account.outcomes["not_sent"] < 7000


def test_rejects_that_cannot_be_written_end_it() -> None:
    class Full(Written):
        def write(self, *_: Any) -> None:
            raise OSError(28, "No space left on device")

    account = Account(Full())
    with pytest.raises(OSError, match="No space"):
        plan(
            counted([outgoing("a", x=object()), *people(3)], account),
            workspace("http://127.0.0.1:9"),
            account,
        )
    check_sum(account)


def test_another_outcome_may_be_counted() -> None:
    account = Account(Written())
    plan(counted(people(3), account), workspace("http://127.0.0.1:9"), account, outcome="unchanged")
    assert account.outcomes == {"unchanged": 3}


def test_the_first_payloads_are_masked_in_a_report() -> None:
    items = [
        outgoing("ann", 2, city="Old Town", nested={"a": [1, {"b": "secret"}]}, _update_existing_only=True),
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

    def source() -> Iterator[Outgoing]:
        for n in range(30_000):
            made.append(account.records - sum(account.outcomes.values()))
            yield outgoing(f"u{n}", n, city="c")

    account = Account(Written())
    plan(counted(source(), account), workspace("http://127.0.0.1:9"), account)
    check_sum(account)
    assert max(made) <= 5100
