"""Random exports pushed with only_changed, in shards or not: the workspace ends as one that is told everything.

Of some pushes the answers get lost, so that their task fails and is tried again.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.exceptions import BrazeServerError
from airflow_provider_braze.users_track.batching import merge_window as batches
from airflow_provider_braze.users_track.delivery import sender
from tests.connections import connect
from tests.test_shards_property import held
from tests.test_whole_push_property import OFFER, Export, _seed, exports, push

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def workspace(sandbox_process):
    logging.disable(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender, "_FIRST_BACKOFF", 0.001)
        yield sandbox_process, patch
    logging.disable(logging.NOTSET)


@dataclass(frozen=True)
class Step:
    """A push of one of the exports.

    :param which: of them.
    :param of: in how many shards.
    :param given: what else is asked of it.
    :param lost: how many requests go through before Braze is out of reach for good; None: it never is.
    """

    which: int
    of: int
    given: dict[str, Any]
    lost: int | None


STEPS = st.lists(
    st.builds(
        Step,
        st.integers(0, 1),
        st.sampled_from([1, 1, 2, 3]),
        st.sampled_from(
            [
                *[{"only_changed": True}] * 4,
                {},
                {"only_changed": True, "memory": "ignore"},
                {"only_changed": True, "refresh_after": 0},
                {"only_changed": True, "always_send": ["First Name", "Zip Code"]},
            ]
        ),
        st.sampled_from([None, None, None, 0, 1]),
    ),
    min_size=2,
    max_size=4,
)
KINDS = st.sampled_from(["external_id", "external_id", "external_id", "user_alias", "email", "phone"])
TWO = KINDS.flatmap(lambda kind: st.tuples(exports(st.just(kind)), exports(st.just(kind))))


def comparable(profiles: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not promised: the order of tags, for one that is added again goes to the end of its array; and
    tags that are replaced, of which as many are united as records were folded into one.
    """
    for profile in profiles.values():
        custom = profile["custom"]
        custom.pop("segments", None)
        custom.update(
            {name: sorted(value, key=repr) for name, value in custom.items() if isinstance(value, list)}
        )
    return profiles


def pushed(
    sandbox: Any,
    patch: pytest.MonkeyPatch,
    base: Path,
    series: tuple[tuple[Export, Export], list[Step]],
    *,
    is_twin: bool,
) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    two, steps = series
    kind = two[0].options["identifier_kind"]
    sandbox.reset()
    sandbox.put_profiles([_seed(cell, kind) for cell in two[0].seeds])
    found = []
    for number, step in enumerate(steps):
        export = two[step.which]
        connect(patch, sandbox, objects_per_request=export.per_request)
        patch.setattr(batches, "LOOK_AHEAD_RECORDS", export.look_ahead)
        file = base / f"step{number}" / "Any Channel" / OFFER / "1" / f"RPI_Export_{step.which}.txt"
        file.parent.mkdir(parents=True)
        file.write_bytes(export.content)
        given: dict[str, Any] = {} if is_twin else step.given
        shards = [f"{k}/{step.of}" for k in range(1, step.of + 1)] if not is_twin else [None]

        def push_shard(
            shard: str | None, *, given: Any = given, export: Export = export, file: Path = file
        ) -> dict[str, Any]:
            return push(export, file, reports_path=str(base / "reports"), shard=shard, **given)

        reports = []
        for shard in shards:
            whole = None
            if step.lost is not None and not is_twin:
                whole = failing(sandbox, step.lost, lambda shard=shard, push=push_shard: push(shard))
            # One that went through has left its mark, and is not pushed again by another run.
            reports.append(whole if whole and step.of > 1 else push_shard(shard))
        found.append((comparable(held(sandbox, kind)), counted(reports)))
    return found


def counted(reports: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What a push counts, whatever of it was left out; what is merged decides what it costs.

    :return: None where the last answers of one were lost, too few to stop it.
    """
    if any(report["unknown"] for report in reports):
        return None
    brought = ("accepted", "merged", "unchanged")
    merged = sum(report["merged"] for report in reports)
    found = {name: sum(report[name] for report in reports) for name in ("records", "invalid", "failed")}
    points: Counter[str] = Counter()
    for report in reports:
        points.update(report["data_points_by_attribute"])
        points.update(report.get("data_points_saved_by_attribute", {}))
    return {
        **found,
        "brought": sum(report[name] for report in reports for name in brought),
        "merged": merged,
        "points": dict(+points),
    }


def failing(sandbox: Any, after: int, push: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Have a push fail in the middle: what arrives last is processed, and its answer is lost.

    :return: the report of one that needs no more requests than get through.
    """
    sandbox.fault(status=500, processed=True, after=after, count=1000)
    try:
        return push()
    except BrazeServerError:
        return None
    finally:
        sandbox.clear_faults()


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(two=TWO, steps=STEPS)
def test_only_changed_ends_as_everything(
    workspace, tmp_path_factory, two: tuple[Export, Export], steps: list[Step]
):
    sandbox, patch = workspace
    base = tmp_path_factory.getbasetemp() / f"changed{next(NUMBERS)}"
    changed, twin = (
        pushed(sandbox, patch, base / name, (two, steps), is_twin=name == "twin")
        for name in ("changed", "twin")
    )
    for (holds, counts), (twin_holds, twin_counts) in zip(changed, twin, strict=True):
        assert holds == twin_holds
        if counts is None or twin_counts is None:
            continue
        if counts.pop("merged") != twin_counts.pop("merged"):
            # Whom nothing is left of waits for nobody, so what is merged with it is not the same.
            counts.pop("points")
            twin_counts.pop("points")
        assert counts == twin_counts
