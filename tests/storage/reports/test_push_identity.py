from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.storage.reports.push_identity import PushIdentity

texts = st.none() | st.text(max_size=300)
identities = st.builds(
    PushIdentity,
    texts,
    texts,
    texts,
    st.integers(-1, 10**6),
    st.integers(1, 10**6),
    st.text("0123456789abcdef"),
)


@given(identities)
def test_its_folder_is_one_segment_that_every_storage_takes(identity: PushIdentity) -> None:
    name = identity.folder_name
    assert 0 < len(name.encode()) <= 200
    assert not {"/", "\\", "\0", ":"} & set(name)
    assert name.strip(".") == name


@given(identities)
def test_is_read_as_it_was_written(identity: PushIdentity) -> None:
    assert PushIdentity.of(json.loads(json.dumps(identity.as_dict()))) == identity


@pytest.mark.parametrize("other", [{}, {"dag_id": "b"}, {"try_number": 2}, {"run_id": "x" * 400}])
def test_no_two_pushes_have_the_same_name(other: dict[str, object]) -> None:
    one = PushIdentity("a", "scheduled__2026-11-21", "push", 0, 1)
    assert len({replace(one, token=PushIdentity().token, **other).folder_name, one.folder_name}) == 2  # type: ignore[arg-type]


def test_tries_of_one_push_share_the_token_and_no_name() -> None:
    one = PushIdentity("a", "r", "push", 0, 1)
    other = replace(one, try_number=2)
    assert one.folder_name != other.folder_name
    assert one.folder_name.endswith(one.token)
    assert other.folder_name.endswith(one.token)


def test_people_can_read_it() -> None:
    identity = PushIdentity("nightly", "scheduled__2026-11-21T02:00:00+00:00", "push", 3, 2, "0f")
    assert identity.folder_name == "nightly--scheduled__2026-11-21T02_00_00+00_00--push--3--try2--0f"
    assert PushIdentity(run_id="script-1", token="0f").folder_name == "script-1--try1--0f"


@pytest.mark.parametrize(
    "written", [{}, {"dag_id": 7, "map_index": "0", "try_number": True, "token": None}, {"run_id": ["r"]}]
)
def test_what_is_no_identity_is_of_no_task(written: dict[str, object]) -> None:
    assert PushIdentity.of(written) == PushIdentity(token="")
    assert not PushIdentity.of(written).is_of("", "", "", -1)
