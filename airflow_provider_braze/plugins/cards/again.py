"""What is filled in on the page from which the rejects of a push are pushed again.

The page itself starts nothing: its script asks Airflow's own API to start the shipped DAG, as the person who presses
the button. Above: the web app. Below: Airflow's Variables, and the reports folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_braze.airflow_compat.api_server import Variable
from airflow_provider_braze.forms import CONNECTION_VARIABLE
from airflow_provider_braze.plugins.cards.card import PushTask, text
from airflow_provider_braze.pushes.rejects_by_id import names_beside
from airflow_provider_braze.redpoint.discovery.search import read_parameter
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.reports_folder import REJECTS_NAME

BASE_PATH_VARIABLE = "redpoint_base_path"
"""Where the DAG looks for the reports folder."""


@dataclass(frozen=True, slots=True)
class Again:
    """What the page fills in.

    :param push_id: id of the push below the reports folder.
    :param connection: through which it went; None where that is what the DAG takes by itself.
    :param names: of the rejects files beside the report, the one that was changed last first; empty where the API
        server cannot see them.
    """

    push_id: str
    connection: str | None
    names: Sequence[str] = field(default_factory=list)

    @property
    def conf(self) -> str:
        """The part of the run's ``conf`` that nobody chooses, as JSON."""
        return json.dumps({"rejects": self.push_id, "connection": self.connection})

    @property
    def is_mended(self) -> bool:
        """Whether a file lies there that the push did not write."""
        return any(name != REJECTS_NAME for name in self.names)


def again(push_id: str, where: tuple[str, str], task: PushTask) -> Again:
    """Find out what can be filled in for a push."""
    named = text(task.report or {}, "braze_conn_id")
    default = read_parameter("braze_conn_id", Variable.get(CONNECTION_VARIABLE, default_var=None))
    return Again(push_id, None if named in ("", default) else named, _names(push_id, where, task))


def _names(push_id: str, where: tuple[str, str], task: PushTask) -> Sequence[str]:
    """List the files beside the report, as the DAG finds them.

    The id comes from an XCom, which people may edit: what lies in the folder of another task's push is not told.
    """
    base_path = Variable.get(BASE_PATH_VARIABLE, default_var=None)
    if not base_path:
        return []
    try:
        names, report = names_beside(base_path, push_id)
    except Exception:
        # Storages and the providers that serve them raise what they like; the task will say what it cannot find.
        return []
    return names if PushIdentity.of(report).is_of(*where, task.task_id, task.map_index) else []
