"""Rows put together: 50 of one kind, nobody twice in one request, and each user's rows in their order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_braze.user_actions.actions import ACTIONS, BadActionRowError
from airflow_provider_braze.user_actions.batches import ActionBatch, Batches
from airflow_provider_braze.users_track.records import RecordReference


def batched(action: str, rows: list[dict[str, Any]]) -> list[ActionBatch]:
    batches, found = Batches(), []
    for line, row in enumerate(rows):
        found += batches.add(ACTIONS[action].read(row), RecordReference.of(line, ()))
    return [*found, *batches.rest()]


def sizes(batches: list[ActionBatch]) -> list[tuple[str, int]]:
    return [(each.array, len(each.items)) for each in batches]


def test_fifty_of_one_kind_go_together() -> None:
    rows: list[dict[str, Any]] = [{"external_id": f"P{n}"} for n in range(101)]
    rows.insert(3, {"braze_id": "b1"})

    assert sizes(batched("delete", rows)) == [
        ("external_ids", 50),
        ("external_ids", 50),
        ("braze_ids", 1),
        ("external_ids", 1),
    ]


def test_rows_that_say_the_same_are_sent_once() -> None:
    (batch,) = batched("delete", [{"external_id": "P1"}, {"external_id": "P2"}, {"external_id": "P1"}])

    assert batch.items == ["P1", "P2"]
    assert [[each.line for each in item.references] for item in batch.objects] == [[0, 2], [1]]


def test_a_chain_of_merges_is_never_in_one_request() -> None:
    def merge(one: str, other: str) -> dict[str, Any]:
        return {"identifier_to_merge": {"external_id": one}, "identifier_to_keep": {"external_id": other}}

    batches = batched("merge", [merge("A", "B"), merge("C", "D"), merge("B", "E")])

    assert [len(each.items) for each in batches] == [2, 1]


def test_a_later_state_of_a_user_waits_for_the_earlier_one() -> None:
    rows = [
        {"external_id": "P1", "subscription_group_id": "g", "subscription_state": "subscribed"},
        {"external_id": "P2", "subscription_group_id": "g", "subscription_state": "unsubscribed"},
        {"external_id": "P1", "subscription_group_id": "g", "subscription_state": "unsubscribed"},
    ]

    batches = batched("subscription_status", rows)
    assert [(each.shared["subscription_state"], each.items) for each in batches] == [
        ("subscribed", ["P1"]),
        ("unsubscribed", ["P2", "P1"]),
    ]


def test_a_phone_is_the_same_person_however_it_is_written() -> None:
    rows = [
        {"phone": phone, "prioritization": ["identified"]} for phone in ("+1 555 123 4567", "(555) 123-4567")
    ]

    assert [len(each.items) for each in batched("delete", rows)] == [1, 1]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans()), max_size=150))
def test_whatever_the_rows_each_users_order_is_kept_and_none_is_lost(
    rows: list[tuple[int, int, bool]],
) -> None:
    given_rows = [
        {
            "external_id": f"P{user}",
            "subscription_group_id": f"g{group}",
            "subscription_state": "subscribed" if state else "unsubscribed",
        }
        for user, group, state in rows
    ]
    batches = batched("subscription_status", given_rows)

    lines = [
        (batch.items[at], reference.line)
        for batch in batches
        for at, each in enumerate(batch.objects)
        for reference in each.references[:1]
    ]
    for user in {name for name, _ in lines}:
        mine = [line for name, line in lines if name == user]
        assert mine == sorted(mine)
    all_lines = [ref.line for batch in batches for each in batch.objects for ref in each.references]
    assert sorted(all_lines) == [*range(len(rows))]
    assert all(len(set(batch.items)) == len(batch.items) <= 50 for batch in batches)


@pytest.mark.parametrize(
    ("action", "row", "said"),
    [
        ("delete", {}, "no identifier"),
        ("delete", {"external_id": "P1", "braze_id": "b"}, "several identifiers"),
        ("delete", {"external_id": " "}, "no external_id"),
        ("delete", {"external_id": True}, "external_id is neither text nor a whole number"),
        ("delete", {"external_id": 1001.0}, "external_id is neither text nor a whole number"),
        ("delete", {"external_id": "\ud800"}, "not JSON: external_id holds half a character"),
        ("delete", {"external_id": "x" * 988}, "more than 987 bytes"),
        ("delete", {"email": "a@example.com"}, "needs prioritization"),
        ("delete", {"email": "a@example.com", "prioritization": ["newest"]}, "needs prioritization"),
        ("delete", {"phone": "+1", "prioritization": ["identified", "unidentified"]}, "only one of"),
        ("delete", {"external_id": "P1", "tier": "gold"}, "does not know: 'tier'"),
        ("delete", {"user_alias": {"alias_name": "a"}}, "no alias_label"),
        ("delete", {"user_alias": "a"}, "user_alias must hold"),
        ("identify", {"external_id": "P1"}, "no identifier"),
        ("identify", {"user_alias": {"alias_name": "a", "alias_label": "b"}}, "no external_id"),
        ("alias_new", {"external_id": "P1", "alias_name": "a"}, "no alias_label"),
        ("alias_new", {"alias_name": "a", "alias_label": "ä" * 119}, "alias_label has more than 236 bytes"),
        ("alias_update", {"alias_label": "l", "old_alias_name": "a"}, "no new_alias_name"),
        ("merge", {"identifier_to_merge": {"external_id": "A"}}, "no identifier_to_keep"),
        (
            "merge",
            {"identifier_to_merge": {"external_id": "A"}, "identifier_to_keep": {"external_id": "A"}},
            "into itself",
        ),
        ("subscription_status", {"external_id": "P1", "subscription_state": "on"}, "must be subscribed or"),
        (
            "subscription_status",
            {"external_id": "P1", "subscription_state": "subscribed"},
            "no subscription_group",
        ),
    ],
)
def test_a_row_that_cannot_be_sent_says_why(action: str, row: dict[str, Any], said: str) -> None:
    with pytest.raises(BadActionRowError, match=said):
        ACTIONS[action].read(row)
