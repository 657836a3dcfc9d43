"""Random exports pushed in shards: together they are the push without them, in what Braze holds and in every count."""

from __future__ import annotations

import itertools
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.users_track.batching import merge_window as batches
from tests.connections import connect
from tests.reports import OUTCOMES
from tests.test_whole_push_property import OFFER, Export, _held, _key, _seed, exports, push

SUMMED = ("records", *OUTCOMES, "failed", "objects", "data_points", "execution_id_mismatches")
SUMMED_BY_NAME = ("reasons", "data_points_by_attribute", "omitted_values", "trimmed", "normalised")
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def workspace(sandbox_process):
    logging.disable(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        yield sandbox_process, patch
    logging.disable(logging.NOTSET)


def held(sandbox: Any, kind: str) -> dict[str, Any]:
    """What the profiles hold; of an address that two have, whose subscription is whose depends on their order."""
    profiles = sandbox.all_profiles()
    addresses = Counter(profile.get("email") for profile in profiles)
    found = {}
    for profile in profiles:
        found[_key(profile, kind)] = shown = _held(profile)
        if addresses[profile.get("email")] > 1:
            shown["standard"].pop("email_subscribe", None)
    return found


def counted(reports: list[dict[str, Any]]) -> dict[str, Any]:
    sums: dict[str, Any] = {name: sum(report[name] for report in reports) for name in SUMMED}
    for name in SUMMED_BY_NAME:
        total: Counter[str] = Counter()
        for report in reports:
            total.update(report[name])
        sums[name] = dict(+total)
    return sums


def sent_users(sandbox: Any) -> set[str]:
    """Who was sent: of addresses alone the case tells nobody apart."""
    return {
        json.dumps(
            [
                *(each.get(name) for name in ("external_id", "user_alias", "phone")),
                str(each.get("email")).casefold(),
            ]
        )
        for request in sandbox.requests()
        for each in request["body"]["attributes"]
    }


def failed(report: dict[str, Any]) -> list[str]:
    path = report["rejects_path"]
    return Path(path).read_text(encoding="utf-8").splitlines()[1:] if path else []


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(export=exports(), of=st.integers(2, 4), last=st.booleans())
def test_all_shards_together_are_the_push(workspace, tmp_path_factory, export: Export, of: int, last: bool):
    sandbox, patch = workspace
    kind = export.options["identifier_kind"]
    connect(patch, sandbox, objects_per_request=export.per_request)
    patch.setattr(batches, "LOOK_AHEAD_RECORDS", export.look_ahead)
    base = tmp_path_factory.getbasetemp() / f"shards{next(NUMBERS)}"
    file = base / "Any Channel" / OFFER / "1" / "RPI_Export_7.txt"
    file.parent.mkdir(parents=True)
    file.write_bytes(export.content)

    def fresh() -> None:
        sandbox.reset()
        sandbox.put_profiles([_seed(cell, kind) for cell in export.seeds])

    def push_shard(shard: str | None, reports: str) -> dict[str, Any]:
        return push(export, file, reports_path=str(base / reports), shard=shard)

    fresh()
    whole = push_shard(None, "whole")
    wanted = held(sandbox, kind)
    fresh()
    shards, users = [], []
    order = range(of, 0, -1) if last else range(1, of + 1)
    for number in order:
        assert not [*(base / "shards" / "pushed").glob("*/*")]
        sandbox.reset_stats()
        shards.append(push_shard(f"{number}/{of}", "shards"))
        users.append(sent_users(sandbox))
    assert counted(shards) == counted([whole])
    assert held(sandbox, kind) == wanted
    assert sum(map(len, users)) == len(set().union(*users))
    assert sorted(line for report in shards for line in failed(report)) == sorted(failed(whole))
    assert [report["shard"] for report in shards] == [f"{number}/{of}" for number in order]
    # Whole or refused, as the push without shards is.
    for kept in ("pushed", "refused"):
        assert [path.name for path in (base / "shards" / kept).glob("*/*")] == [
            path.name for path in (base / "whole" / kept).glob("*/*")
        ]
    assert not [*(base / "shards" / "shards").glob("*/*")]
