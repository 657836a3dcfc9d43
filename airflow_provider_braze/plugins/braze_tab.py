"""The plugin that puts the tab *Braze* on every DAG, run and task instance, and the page of all pushes.

Above: Airflow, by the package's entry point. Below: the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_braze.plugins.rendering.addresses import PREFIX, pages

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


def _icon(colour: str) -> str:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{colour}" '
        'stroke-width="2" stroke-linecap="round" stroke-linejoin="round">'
        '<path d="M4 20V10M10 20V4M16 20v-7M22 20H2"/><path d="m18 7 2-2 2 2M20 5v5"/></svg>'
    )
    return f"data:image/svg+xml,{quote(svg)}"


class LazyApp:
    """The tab's web app, imported at the first request: plugins are loaded by workers and the scheduler, too."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        from airflow_provider_braze.plugins.app import app

        await app(scope, receive, send)


def _view(destination: str, url_route: str, path: str, name: str = "Braze") -> dict[str, Any]:
    return {
        "name": name,
        "destination": destination,
        "url_route": url_route,
        "href": f"{pages()}{path}",
        "icon": _icon("#3f3f46"),
        "icon_dark_mode": _icon("#e4e4e7"),
    }


class BrazeTabPlugin(AirflowPlugin):
    """Shows what each push of a run did, and how far a running one has come."""

    name = "airflow_provider_braze"
    # Airflow declares these as attributes of an instance, and reads them once.
    fastapi_apps = [{"app": LazyApp(), "url_prefix": PREFIX, "name": "Braze"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        # An entry of its own in the navigation; Airflow 3.1 and 3.2 put it below Plugins where there are several.
        {**_view("nav", "braze_pushes", "/pushes", "All pushes"), "nav_top_level": True},
        _view("dag", "braze_dag", "/dags/{DAG_ID}"),
        _view("dag_run", "braze", "/dags/{DAG_ID}/runs/{RUN_ID}"),
        # Airflow leaves {MAP_INDEX} as it stands where a task is not mapped.
        _view("task_instance", "braze_task", "/dags/{DAG_ID}/runs/{RUN_ID}/tasks/{TASK_ID}/{MAP_INDEX}"),
    ]
