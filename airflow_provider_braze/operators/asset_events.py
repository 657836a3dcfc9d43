"""What the assets in a task's outlets are told of its push.

Above: the operators. Below: the words for outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from airflow_provider_braze.users_track.ledger.outcomes import OUTCOMES

if TYPE_CHECKING:
    from airflow.sdk import Context

_TOLD_TO_ASSETS = (
    "status",
    "mode",
    "records",
    *OUTCOMES,
    "failed",
    "data_points",
    "only_changed",
    "values_saved",
    "data_points_saved",
    "data_points_saved_by_attribute",
    "data_points_saved_since",
    "dry_run",
    "export",
    "fingerprint",
    "shard",
    "report_path",
    "rejects_path",
)

_ONLY_AT_TIMES = frozenset(
    {
        "only_changed",
        "values_saved",
        "data_points_saved",
        "data_points_saved_by_attribute",
        "data_points_saved_since",
        "shard",
    }
)


def tell_assets(outlets: Iterable[Any], context: Context, report: Mapping[str, Any]) -> None:
    """Give each asset one event with the counts of a push, or the sums of a list and what became of each export."""
    events = context.get("outlet_events")
    exports: Any = [
        {name: each[name] for name in ("path", "status", "report_path")} for each in report.get("exports", ())
    ]
    extra: dict[str, Any] = {
        name: report.get(name)
        for name in _TOLD_TO_ASSETS
        if report.get(name) is not None or name not in _ONLY_AT_TIMES
    }
    for asset in outlets:
        if events is not None and isinstance(asset, Asset):
            events[asset].extra = {**extra, "exports": exports} if "exports" in report else extra
