"""What an Airflow connection says about a server.

Above: each protocol. Below: Airflow's connections.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError

_NO = frozenset({"false", "no", "off", "0"})
_YES = frozenset({"true", "yes", "on", "1"})


def connection_of(conn_id: str | None, scheme: str) -> Any:
    """Read a connection.

    :raises BrazeSetupError: none is named, or there is none of that name.
    """
    # Imported here: nothing of Airflow is needed until a connection is.
    from airflow.sdk import BaseHook

    from airflow_provider_braze.airflow_compat import AirflowNotFoundException

    if not conn_id:
        raise BrazeSetupError(
            f"{scheme}:// needs an Airflow connection: write {scheme}://<connection id>@<host>/<folder>."
        )
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise BrazeSetupError(
            f"There is no connection {conn_id!r}, which {scheme}://{conn_id}@ names."
        ) from error
    if not connection.host:
        raise BrazeSetupError(f"The connection {conn_id!r} has no host.")
    return connection


def silence_of(conn_id: str) -> float | None:
    """Read how many seconds an object store may say nothing; None where its connection does not tell, or is not there.

    :raises BrazeSetupError: the extra ``timeout`` is no number of seconds.
    """
    from airflow.sdk import BaseHook

    from airflow_provider_braze.airflow_compat import AirflowNotFoundException

    try:
        extra = BaseHook.get_connection(conn_id).extra_dejson
    except AirflowNotFoundException:  # Amazon's hook then takes what the machine has
        return None
    return seconds(extra, "timeout", 0.0) or None


def flag(extra: dict[str, Any], name: str, default: bool) -> bool:
    """Read a yes or no of a connection's extras, which from a URI is text.

    :raises BrazeSetupError: it is neither.
    """
    value = extra.get(name)
    text = str(value).strip().lower()
    if value is None or not text:
        return default
    if text not in _YES | _NO:
        raise BrazeSetupError(f"The connection's extra {name!r} must be true or false, not {value!r}.")
    return text in _YES


def seconds(extra: dict[str, Any], name: str, default: float) -> float:
    """Read a number of seconds of a connection's extras.

    :raises BrazeSetupError: it is none.
    """
    value = extra.get(name)
    if value in (None, ""):
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise BrazeSetupError(f"The connection's extra {name!r} must be seconds above 0, not {value!r}.")
    return number
