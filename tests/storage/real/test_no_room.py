"""A reports folder that is full, or cannot be written: the push says so, and nothing is lost."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError, RejectsError, ReportError
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import names_in, remove
from tests.reports import check
from tests.sandbox_process import SandboxProcess
from tests.storage.real.doors import Door, MissingError
from tests.storage.real.pushing import CHANNEL, export, items, new_base, push

_numbers = itertools.count()


def place(door: Door, kind: str) -> str:
    """URL of a folder of the kind, or a skip that says why there is none."""
    try:
        return f"{getattr(door, kind)}/reports {next(_numbers)}"
    except MissingError as missing:
        pytest.skip(f"{door.name}: {missing}")


def one_item(door: Door, name: str, content: bytes) -> dict[str, Any]:
    base = new_base(door, name)
    door.put(f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt", content)
    (item,) = items(base)
    return item


def test_rejects_that_find_no_room_end_the_push_and_are_there_after_the_next(
    door: Door, sandbox: SandboxProcess
) -> None:
    small = place(door, "no_room")
    door.make_room()
    # Its rejects are half a megabyte: more than there is room for.
    item = one_item(door, "no room", export(3_000, invalid_every=2, padding=200))
    with pytest.raises(RejectsError, match=r"cannot be written .*: make room, or set reports_path") as failed:
        push(item, sandbox, reports_path=small)
    report = failed.value.report
    assert report is not None
    counted = {name: report[name] for name in ("records", "accepted", "invalid", "not_sent")}
    check(report, status="partial", **counted)
    assert report["accepted"] == len(sandbox.profiles()) > 0
    assert report["rejects_path"] is None
    assert items(item["base_path"], reports_path=small), "it is offered again"

    again = push(item, sandbox, run="again")
    check(again, status="complete", records=3_000, accepted=1_500, invalid=1_500)
    assert len(sandbox.profiles()) == 1_500
    assert door.read(again["rejects_path"]).count(b"\n") == 1_501


def test_a_folder_that_is_full_from_the_start_is_named_before_anything_is_sent(
    door: Door, sandbox: SandboxProcess
) -> None:
    small = place(door, "no_room")
    fill(small.rpartition("/")[0])
    try:
        with pytest.raises((ReportError, BrazeSetupError), match=r"is full|cannot be written"):
            push(one_item(door, "full", export(2)), sandbox, reports_path=small)
    finally:
        empty(small.rpartition("/")[0])
    assert sandbox.stats()["requests"] == 0


def fill(url: str) -> None:
    """Write until nothing more is taken: large files first, then small ones."""
    for size in (65_536, 4_096, 1):
        for number in range(200):
            file = locate(url).child(f"filler {size} {number}")
            try:
                file.fs.pipe_file(file.path, b"x" * size)
            except Exception:
                break
        else:
            raise AssertionError("there is room without end")


def empty(url: str) -> None:
    folder = locate(url)
    for name in names_in(folder):
        if name.startswith("filler "):
            remove(folder.child(name))


@pytest.mark.parametrize("below", ["", "/new"])
def test_a_folder_that_is_read_only_is_named_before_anything_is_sent(
    door: Door, sandbox: SandboxProcess, below: str
) -> None:
    read_only = place(door, "read_only").rpartition("/")[0]
    with pytest.raises(BrazeSetupError, match=r"cannot be written"):
        push(one_item(door, "read only", export(2)), sandbox, reports_path=f"{read_only}{below}")
    assert sandbox.stats()["requests"] == 0


def test_errors_for_want_of_room_are_worth_a_retry() -> None:
    assert RejectsError.retryable
    assert ReportError.retryable
    assert issubclass(RejectsError, BrazeError)
