"""A dry run prices what a push would find, also where that would set the memory aside."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_braze.memory import opening
from airflow_provider_braze.memory.previewing import Previews
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from tests.memory.remembering import ONLY_CHANGED, Desk, an_object, on_a_share, said


def ada() -> ProfileObject:
    return an_object("ada", x=1)


def priced(desk: Desk) -> list[dict[str, Any]]:
    """What would be sent of what was told before."""
    folder = opening.find(ONLY_CHANGED, ReportsFolder.at(str(desk.folder)), desk.conn_id)
    assert folder is not None
    previews = Previews(several=True)
    memory = previews.memory(folder, ONLY_CHANGED, None, "plan")
    assert memory is not None
    found = said(memory.reduce([ada()]))
    memory.close()
    previews.close()
    return found


def test_a_memory_of_which_two_pushes_met_is_not_believed(desk: Desk) -> None:
    desk.push(ada())
    assert priced(desk) == []
    first, second = desk.opened(), desk.opened()
    for each in (first, second):
        each.reduce([ada()])
    first.close()
    assert priced(desk) == [{"x": 1}]
    second.close()
    assert priced(desk) == [{"x": 1}] == said(desk.push(ada()))
    assert priced(desk) == []


@on_a_share
def test_neither_is_one_that_a_push_has_not_brought_back(desk: Desk) -> None:
    desk.push(ada())
    desk.opened().reduce([ada()])
    assert priced(desk) == [{"x": 1}] == said(desk.push(ada()))


@pytest.mark.parametrize("desk", ["disk"], indirect=True)
def test_nor_one_that_was_in_use_when_the_machine_failed(desk: Desk) -> None:
    desk.push(ada())
    for file in desk.folder.rglob("memory.sqlite"):
        file.with_name("in-use").write_bytes(b"another start")
    assert priced(desk) == [{"x": 1}] == said(desk.push(ada()))
