"""An auth manager that hides one DAG's data from all but admins, as Airflow's larger ones can."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

HIDDEN_DAG = "of_another_team"


class HidingAuthManager(SimpleAuthManager):
    """Lets viewers see that the hidden DAG is there, and nothing of its XComs."""

    def is_authorized_dag(self, **asked: Any) -> bool:  # type: ignore[override]
        details, entity, user = asked.get("details"), asked.get("access_entity"), asked["user"]
        if details is not None and details.id == HIDDEN_DAG and entity is DagAccessEntity.XCOM:
            return str(getattr(user, "role", "")).lower() == "admin"
        return bool(super().is_authorized_dag(**asked))
