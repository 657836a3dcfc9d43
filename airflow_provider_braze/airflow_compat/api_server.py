"""What of Airflow is not public and the Braze tab needs: its database's tables, and its checks of permissions.

Only the API server may import it: a worker has no database, and a DAG's parsing has no time. Airflow names both as
internal, so each name below says what breaks it; nothing else of this package imports ``airflow.models``,
``airflow.api_fastapi`` or ``airflow.utils.session``.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

# Breaks when Airflow gives signing in or asking for permission another shape: the tab then cannot be imported, shows
# nothing to anybody, and tests/plugins/test_server.py fails.
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag

# Breaks when a column that is read is renamed (all are in plugins/one_run/runs.py and
# plugins/all_pushes/history.py): the tab answers 500.
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance

# Breaks when the API server may not read Variables any more: the page that pushes rejects again then answers 500.
from airflow.models.variable import Variable
from airflow.models.xcom import XComModel

# Breaks when Airflow lets its API server's plugins read the database in another way only.
from airflow.utils.session import create_session
from fastapi import Depends, HTTPException, Request

try:
    from airflow.models.task_state_store import TaskStateStoreModel
except ImportError:
    # Airflow has the task state store from 3.3 on. Breaks when it is renamed: a running push then shows no progress.
    TaskStateStoreModel = None  # type: ignore[assignment,misc]

__all__ = [
    "HAS_STORE",
    "MAY_READ",
    "SIGNED_IN",
    "DagRun",
    "TaskInstance",
    "TaskStateStoreModel",
    "Variable",
    "XComModel",
    "create_session",
    "readable",
]

HAS_STORE = TaskStateStoreModel is not None
"""Whether this Airflow has a task state store."""

# What the tab shows is in XCom and the task state store: whoever may read these through Airflow's API may read it here.
_ENTITIES = (DagAccessEntity.XCOM, DagAccessEntity.TASK_INSTANCE)

MAY_READ = [Depends(requires_access_dag("GET", entity)) for entity in _ENTITIES]
"""Dependencies of a route on ``dag_id``: whoever may not read what is shown there is answered 401 or 403."""

SIGNED_IN = Depends(get_user)
"""Gives the user who asks; nobody is answered 401."""


def readable(dag_ids: Iterable[str], request: Request, user: Any) -> set[str]:
    """Choose the DAGs whose pushes a user may read, each by the very checks that ``MAY_READ`` makes."""
    return {dag_id for dag_id in dag_ids if all(_may(dag_id, entity, request, user) for entity in _ENTITIES)}


def _may(dag_id: str, entity: DagAccessEntity, request: Request, user: Any) -> bool:
    try:
        requires_access_dag("GET", entity, dag_id)(request, user)
    except HTTPException as refusal:
        if refusal.status_code == HTTPStatus.FORBIDDEN:
            return False
        raise
    return True
