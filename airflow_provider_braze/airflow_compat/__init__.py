"""What differs between the supported versions of Airflow, each with its reason, in one place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

try:
    from airflow.sdk.exceptions import (
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )
except ImportError:
    # Airflow 3.1 defines them in airflow.exceptions only; newer ones warn about that import.
    from airflow.exceptions import (  # type: ignore[attr-defined,no-redef]
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )

__all__ = [
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "arguments_for",
]


def arguments_for(
    function: Callable[..., Any], by_position: Collection[Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """Give those of the known values that a function's signature names, as ``@task`` does."""
    try:
        from airflow.sdk.bases.decorator import determine_kwargs
    except ImportError:
        # There in Airflow 3.1; newer ones warn about that import.
        from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]
    return dict(determine_kwargs(function, by_position, known))
