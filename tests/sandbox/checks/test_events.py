from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore

NOW = datetime(2026, 9, 15, 12, tzinfo=UTC).timestamp()
EVENT = {"external_id": "a", "name": "conversation", "time": "2026-09-01T10:00:00Z"}
PURCHASE = {"external_id": "a", "product_id": "shoe", "currency": "EUR", "price": 10.5, "time": "2026-09-01"}


@pytest.fixture
def store():
    return ProfileStore(clock=lambda: NOW)


def reasons(store, array, item):
    return [r.reason for r in store.track({array: [item]}).refusals]


def test_duplicate_events_are_kept_and_summed_up(store):
    later = {**EVENT, "time": "2026-09-02T10:00:00+02:00", "properties": {"mood": "good", "on": "2026-09-03"}}
    store.track({"events": [EVENT, EVENT, later]})
    profile = store.readable()[0]
    first, last = "2026-09-01T10:00:00.000Z", "2026-09-02T08:00:00.000Z"
    assert profile["custom_events"] == [{"name": "conversation", "first": first, "last": last, "count": 3}]
    assert [event["time"] for event in profile["events_received"]] == [first, first, last]
    assert profile["events_received"][2]["properties"] == {"mood": "good", "on": "2026-09-03T00:00:00.000Z"}


def test_a_future_event_happens_now_and_an_old_one_is_not_exported(store):
    store.track({"events": [{**EVENT, "time": "2027-01-01"}, {**EVENT, "name": "old", "time": "2026-01-01"}]})
    profile = store.readable()[0]
    assert profile["custom_events"][0]["first"] == "2026-09-15T12:00:00.000Z"
    assert [event["name"] for event in profile["custom_events"]] == ["conversation"]
    assert [event["name"] for event in profile["events_received"]] == ["conversation", "old"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": None}, "'name' is required"),
        ({"name": ""}, "'name' is required"),
        ({"time": None}, "'time' is required"),
        ({"time": "noon"}, "'time' is not valid"),
        ({"time": 1}, "'time' is not valid"),
        ({"properties": []}, "'properties' must be an object"),
        ({"properties": {"time": 1}}, "'time' is a reserved property name"),
        ({"properties": {"event_name": 1}}, "'event_name' is a reserved property name"),
        ({"external_id": None}, "IDENTIFIER_REQUIRED"),
    ],
)
def test_a_bad_event_is_refused(store, change, reason):
    assert reasons(store, "events", {**EVENT, **change}) == [reason]
    assert len(store.profiles) == 0


def test_a_bad_property_is_left_out_and_too_many_discard_the_event(store):
    properties = {"$x": 1, "": 2, "n" * 256: 3, "long": "x" * 256, "good": 4}
    huge = {f"k{n}": "x" * 250 for n in range(400)}
    assert reasons(store, "events", {**EVENT, "properties": properties}) == []
    assert reasons(store, "events", {**EVENT, "properties": huge}) == []
    assert [event["properties"] for event in store.readable()[0]["events_received"]] == [{"good": 4}]


def test_purchases_count_their_quantity(store):
    store.track({"purchases": [PURCHASE, {**PURCHASE, "quantity": 3}]})
    profile = store.readable()[0]
    time = "2026-09-01T00:00:00.000Z"
    assert profile["purchases"] == [{"name": "shoe", "first": time, "last": time, "count": 4}]
    assert profile["total_revenue"] == 42.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"product_id": "x" * 256}, "'product_id' is required"),
        ({"currency": "EURO"}, "'currency' is not valid"),
        ({"currency": ["EUR"]}, "'currency' is not valid"),
        ({"price": "10"}, "'price' is not valid"),
        ({"quantity": 0}, "'quantity' is not valid"),
        ({"quantity": 101}, "'quantity' is not valid"),
        ({"time": None}, "'time' is required"),
    ],
)
def test_a_bad_purchase_is_refused(store, change, reason):
    assert reasons(store, "purchases", {**PURCHASE, **change}) == [reason]


def test_what_live_workspaces_were_seen_to_take(store):
    """A time with a blank and an offset, and a number as product_id; an attribute of such a form stays a text."""
    time, kept = "2019-02-15 00:00:00 -0500", "2019-02-15T05:00:00.000Z"
    assert reasons(store, "events", {**EVENT, "time": time}) == []
    assert reasons(store, "purchases", {**PURCHASE, "product_id": 1, "time": time}) == []
    assert reasons(store, "attributes", {"external_id": "a", "since": time}) == []
    profile = store.readable()[0]
    assert profile["events_received"][0]["time"] == profile["purchases_received"][0]["time"] == kept
    assert profile["purchases_received"][0]["product_id"] == "1"
    assert profile["custom_attributes"] == {"since": time}
    for bad in (True, 1.5, [1], {}):
        assert reasons(store, "purchases", {**PURCHASE, "product_id": bad}) == ["'product_id' is required"]


def test_an_event_makes_an_email_only_profile(store):
    store.track({"events": [{"email": "Ada@example.com", "name": "e", "time": "2026-09-01"}]})
    assert store.readable()[0]["email"] == "ada@example.com"


def test_arrays_are_processed_in_order_and_refusals_name_array_and_index(store):
    outcome = store.track(
        {
            "events": [{**EVENT, "_update_existing_only": True}, {"name": "x"}],
            "attributes": [{"email": "bad"}, {"external_id": "a"}, "text"],
        }
    )
    assert outcome.processed == {"attributes": 1, "events": 1}
    assert {(r.input_array, r.index) for r in outcome.refusals} == {
        ("attributes", 0),
        ("attributes", 2),
        ("events", 1),
    }
    # The event found the profile that an attributes object of the same request made.
    assert len(store.readable()[0]["events_received"]) == 1
