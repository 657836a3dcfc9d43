"""The error of a parameter that is wrong as written: beside ``parameters``, which a terminal reads without Airflow.

Above: operators and sensors, as they are made. Below: only the errors.
"""

from __future__ import annotations

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeSetupError


class WrongParameterError(BrazeSetupError, AirflowFailException):
    """A parameter is wrong, as the author wrote it: the DAG cannot be imported.

    A mapped task meets its parameters only when it runs: as Airflow's own exception, this fails it without a retry.
    """
