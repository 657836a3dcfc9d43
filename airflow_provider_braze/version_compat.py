"""What differs between the supported versions of Airflow, each with its reason, in one place."""

from __future__ import annotations

try:
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
except ImportError:
    # Airflow 3.1 defines them in airflow.exceptions only; newer ones warn about that import.
    from airflow.exceptions import AirflowFailException, AirflowSkipException  # type: ignore[no-redef]

__all__ = ["AirflowFailException", "AirflowSkipException"]
