"""Fields of the trigger forms that several DAGs share.

Above: DAGs. Below: Airflow's Variables, which are read when the DAG is parsed: a form shows what was there then.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, Variable

CONNECTION_VARIABLE = "redpoint_braze_conn_id"
CHOICES_VARIABLE = "redpoint_braze_conn_ids"
DEFAULT_CONNECTION = "braze_default"


def connection_param(section: str | None = None) -> Param:
    """Make a field that chooses one of the connections that the Variable ``redpoint_braze_conn_ids`` names.

    Nothing else can be chosen, also by REST. Left empty, it is the connection of the Variable
    ``redpoint_braze_conn_id``, else ``braze_default``.

    :param section: of the form; None for the first.
    """
    default = str(Variable.get(CONNECTION_VARIABLE, default=DEFAULT_CONNECTION))
    named = str(Variable.get(CHOICES_VARIABLE, default="") or "")
    choices = list(dict.fromkeys(name for each in named.split(",") if (name := each.strip())))
    where: dict[str, Any] = {"section": section} if section else {}
    return Param(
        None,
        type=["null", "string"],
        enum=[None, *choices],
        values_display={"None": f"{default} (unless chosen otherwise)", **{name: name for name in choices}},
        title="Connection",
        description=(
            "Which Braze workspace: one of the connections that the Variable redpoint_braze_conn_ids names. "
            "What has been pushed is known for each by itself."
        ),
        **where,
    )
