"""Fields of the trigger forms that several DAGs share.

Airflow checks each of them in the form and by REST with the same JSON schema, and shows ``$comment`` when it refuses
a value. Numbers are lines of text here: the browser's own field for numbers takes ``500.000`` for 500, and only says
500 to the server. By REST a number may be a number.

Above: DAGs. Below: Airflow's Variables and connections, which are read when the DAG is parsed: a form shows what was
there then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param, Variable

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.parameters import read_data
from airflow_provider_braze.users_track.transport.clusters import cluster_of

CONNECTION_VARIABLE = "redpoint_braze_conn_id"
CHOICES_VARIABLE = "redpoint_braze_conn_ids"
DEFAULT_CONNECTION = "braze_default"

BRAZE_CONN_ID = (
    f"{{{{ params.connection or var.value.get('{CONNECTION_VARIABLE}', '{DEFAULT_CONNECTION}') }}}}"
)
"""Template of the connection that :func:`connection_param` lets a form choose."""

ONLY_CHANGED_BY_VARIABLE = "{{ var.value.get('redpoint_only_changed', 'false') }}"
"""Template of whether only what changed is sent, for DAGs whose form does not ask."""

ONLY_CHANGED = "{{ params.only_changed or var.value.get('redpoint_only_changed', 'false') }}"
"""The same, where :func:`only_changed_param` lets a form choose."""

MEMORY_PATH = "{{ var.value.get('redpoint_memory_path', '') }}"
"""Template of the folder for the memory of what Braze was told; empty: in the reports folder."""

_FILE_NAME: Mapping[str, Any] = {"pattern": r"^(?!\.{1,2}$)[^/\\]*$", "maxLength": 255}
"""Of one folder or file: a text that cannot leave the folder above it."""

_MOST_DIGITS = 15
_MOST_NAMED = 10


def refuse_unknown_fields(context: Mapping[str, Any]) -> None:
    """Fail a run whose ``conf`` has what is no field of its DAG's form.

    Airflow takes any, and what is misspelt would be ignored: ``dryrun`` for ``dry_run`` would push. It is for the
    ``pre_execute`` of a DAG's first task.

    :raises AirflowFailException: naming them, and the fields that there are.
    """
    known = list(context["dag"].params)
    given = getattr(context.get("dag_run"), "conf", None) or {}
    if unknown := [name for name in given if name not in known]:
        raise AirflowFailException(
            f"The run's conf has {', '.join(map(repr, unknown[:_MOST_NAMED]))}, which is no field of this DAG's form, "
            f"so that nothing was done. There are: {', '.join(known)}."
        )


def connection_param(section: str | None = None) -> Param:
    """Make a field that chooses one of the connections that the Variable ``redpoint_braze_conn_ids`` names.

    Nothing else can be chosen, also by REST. Left empty, it is the connection of the Variable
    ``redpoint_braze_conn_id``, else ``braze_default``. Each is shown with its endpoint and cluster.

    :param section: of the form; None for the first.
    """
    default = str(Variable.get(CONNECTION_VARIABLE, default="") or DEFAULT_CONNECTION)
    named = str(Variable.get(CHOICES_VARIABLE, default="") or "")
    # With commas between them, or as a JSON list.
    listed = read_data(named) if named.lstrip().startswith("[") else None
    given = listed if isinstance(listed, list) else named.split(",")
    choices = list(dict.fromkeys(name for each in given if (name := str(each).strip())))
    return Param(
        None,
        type=["null", "string"],
        enum=[None, *choices],
        values_display={
            "None": f"{_workspace_of(default)} (unless chosen otherwise)",
            **{name: _workspace_of(name) for name in choices},
        },
        title="Connection",
        description=(
            "Which Braze workspace: one of the connections that the Variable redpoint_braze_conn_ids names. "
            "What has been pushed is known for each by itself."
        ),
        **_in(section),
    )


def _workspace_of(conn_id: str) -> str:
    """Say which Braze a connection leads to: its id, the endpoint and the cluster."""
    try:
        endpoint = BrazeHook(conn_id).workspace.endpoint
    except Exception:
        # Not there, not set up, or out of reach: *Test* and the push say why; a form must not cost the DAG.
        return conn_id
    return " · ".join(filter(None, (conn_id, endpoint, cluster_of(endpoint))))


def folder_param(title: str, description: str) -> Param:
    """Make a field for the name of one folder, which may stay empty."""
    return Param(
        None,
        type=["null", "string"],
        title=title,
        description=description,
        **_FILE_NAME,
        **_comment("the name of one folder, without a slash or backslash"),
    )


def file_param(title: str, description: str) -> Param:
    """Make a field for the name of one file, which may stay empty."""
    return Param(
        None,
        type=["null", "string"],
        title=title,
        description=description,
        **_FILE_NAME,
        **_comment("the name of one file, without a slash or backslash"),
    )


def offer_param() -> Param:
    """Make a field for the name of an offer's folder."""
    return folder_param(
        "Offer", "Push only exports of this offer: the name of its folder. Empty: every offer."
    )


def workflow_id_param() -> Param:
    """Make a field for the name of a workflow's folder, which by REST may be a number."""
    return Param(
        None,
        # With examples, Airflow shows one line of text for what may be either.
        type=["null", "string", "integer"],
        examples=["8828"],
        title="Workflow ID",
        description="Push only exports of this Redpoint workflow: the name of its folder. Empty: every one.",
        **_FILE_NAME,
        **_comment("the name of one folder, without a slash or backslash"),
    )


def execution_id_param() -> Param:
    """Make a field for the number in an export's file name."""
    return Param(
        None,
        type=["null", "string", "integer"],
        examples=["5719"],
        pattern=r"^[0-9]*$",
        minimum=0,
        title="Execution ID",
        description=(
            "Push only the export of this execution: the number in its file's name. "
            "One of many, where a workflow recurs. Empty: every one."
        ),
        **_comment("the number in the file's name"),
    )


def max_age_param(days: float = 7) -> Param:
    """Make a field for an age in days, whole ones or with up to two places after the point."""
    return Param(
        days,
        type=["string", "number"],
        examples=["1", "7", "30"],
        # A third place would make 1.000 one day.
        pattern=rf"^[0-9]{{1,{_MOST_DIGITS}}}([.][0-9]{{1,2}})?$",
        minimum=0,
        title="Oldest export, in days",
        description="Exports that were last changed longer ago are left out.",
        **_comment("a number of days such as 7 or 0.5, without separators"),
    )


def minutes_param(title: str, description: str, *, most: int, minutes: int = 0) -> Param:
    """Make a field for whole minutes.

    :param most: no more than this.
    :param minutes: the default.
    """
    return Param(
        minutes,
        type=["string", "number"],
        examples=[str(minutes), str(most)],
        pattern=f"^({'|'.join(map(str, range(most + 1)))})$",
        minimum=0,
        maximum=most,
        title=title,
        description=description,
        **_comment(f"a number of minutes, at most {most}"),
    )


def count_param(
    title: str, description: str, *, default: int | None = None, least: int = 0, section: str | None = None
) -> Param:
    """Make a field for a whole number without separators.

    :param default: None: it may stay empty.
    :param least: no less than this: 0 or 1.
    :param section: of the form; None for the first.
    """
    digits = rf"[0-9]{{1,{_MOST_DIGITS}}}" if least == 0 else rf"0*[1-9][0-9]{{0,{_MOST_DIGITS - 1}}}"
    may_be_empty = default is None
    return Param(
        default,
        type=["null", "string", "integer"] if may_be_empty else ["string", "integer"],
        examples=["1000", "500000"] if may_be_empty else [str(default)],
        pattern=f"^({digits})?$" if may_be_empty else f"^{digits}$",
        minimum=least,
        title=title,
        description=description,
        **_in(section),
        **_comment("a whole number without separators, such as 500000"),
    )


def max_rejected_param(section: str | None = None) -> Param:
    """Make a field for the most failed records: a count, or a share below 1.

    :param section: of the form; None for the first.
    """
    return Param(
        None,
        type=["null", "string", "number"],
        examples=["0", "100", "0.05"],
        pattern=r"^([0-9]+|0?\.[0-9]+)?$",
        minimum=0,
        anyOf=[{"type": ["null", "string", "integer"]}, {"exclusiveMaximum": 1}],
        title="Most failed records",
        description=(
            "A push with more failed records than this fails: a count, or a share below 1 such as 0.05. "
            "Empty: more than 1 % of at least 100 records, or all of them."
        ),
        **_in(section),
        **_comment("a count, or a share below 1 such as 0.05"),
    )


def dry_run_param(section: str | None = None) -> Param:
    """Make a switch for a push that sends nothing.

    :param section: of the form; None for the first.
    """
    return Param(
        False,
        type="boolean",
        title="Dry run",
        description="Read and check everything, send nothing, report the plan.",
        **_in(section),
    )


def only_changed_param(section: str | None = None) -> Param:
    """Make a field that says whether only what changed is sent; empty is what a Variable says.

    :param section: of the form; None for the first.
    """
    return Param(
        None,
        type=["null", "string"],
        enum=[None, "true", "false"],
        values_display={
            "None": "as the Variable redpoint_only_changed says, else everything",
            "true": "only what Braze was not told before",
            "false": "everything",
        },
        title="What to send",
        description="Only what changed saves data points, where nobody else writes the same attributes.",
        **_in(section),
    )


def _comment(text: str) -> dict[str, Any]:
    """Give what Airflow shows when it refuses a value."""
    return {"$comment": text}


def _in(section: str | None) -> dict[str, Any]:
    return {"section": section} if section else {}
