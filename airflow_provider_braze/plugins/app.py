"""The web app of the Braze tab, mounted into Airflow's API server.

Above: the plugin. Below: what the database holds, cards, tables, and the pages.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from airflow_provider_braze.airflow_compat.api_server import (
    HAS_STORE,
    MAY_READ,
    SIGNED_IN,
    create_session,
    readable,
)
from airflow_provider_braze.plugins.all_pushes.history import MOST, NOTHING_TO_SAY, dags_that_push, history
from airflow_provider_braze.plugins.all_pushes.line import UNDER_WAY
from airflow_provider_braze.plugins.all_pushes.overview import SPANS, AskedOfAll, overview
from airflow_provider_braze.plugins.cards.again import again
from airflow_provider_braze.plugins.cards.cards import UNFINISHED, Card, PushTask, card_of, summaries
from airflow_provider_braze.plugins.cards.table import Table, TableQuery
from airflow_provider_braze.plugins.one_run.lists import one_by_one
from airflow_provider_braze.plugins.one_run.others import Other, others_of
from airflow_provider_braze.plugins.one_run.runs import has_run, nothing_found, pushes_of
from airflow_provider_braze.plugins.pages import render
from airflow_provider_braze.plugins.rendering.addresses import pages, quoted, root_path
from airflow_provider_braze.pushes.rejects_by_id import id_of
from airflow_provider_braze.rejects import preview as rejects

_NOT_BEGUN = ("skipped", "upstream_failed")

_SECONDS = 3
"""Between two refreshes of a page while pushes are under way."""

_SECONDS_OF_ALL = 20
"""Between two refreshes of the page of all pushes, which reads thousands of reports."""

NO_SUCH_RUN = "There is no such run."
NO_PUSH_IN_RUN = "No task of this run pushes anything to Braze."
NO_PUSH_IN_TASK = "This task does not push to Braze. The run's own Braze tab shows all of its pushes."
NO_REJECTS = "This push left no rejects that could be pushed again."
NOT_SIGNED_IN = "Your session has ended. Sign in to Airflow again, then reload this page."
NOT_ALLOWED = "You may not see what this DAG pushed: reading its tasks and XComs takes Airflow's permission."

app = FastAPI(title="Braze tab", docs_url=None, redoc_url=None, openapi_url=None)


def asked(
    state: str = "",
    channel: str = "",
    offer: str = "",
    text: str = "",
    sort: str = "",
    card: str = "",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> TableQuery:
    """Read what the address asks of the table."""
    return TableQuery(state, channel, offer, text, sort, card, page)


def asked_of_all(
    of_table: Annotated[TableQuery, Depends(asked)],
    dag: str = "",
    workspace: str = "",
    kind: str = "",
    day: str = "",
    days: str = "",
) -> AskedOfAll:
    """Read what the address asks of the page of all pushes."""
    number = int(days) if days.isdecimal() and days.isascii() and len(days) < 4 else 0
    return AskedOfAll(**asdict(of_table), dag=dag, workspace=workspace, kind=kind, day=day, days=number)


@app.get("/pushes")
def show_all(
    request: Request, user: Annotated[Any, SIGNED_IN], of_all: Annotated[AskedOfAll, Depends(asked_of_all)]
) -> HTMLResponse:
    """Show the pushes of all DAGs that the user may read, newest first."""
    with create_session(scoped=False) as session:
        pushing = dags_that_push(session)
    return _all_pushes(readable(pushing, request, user), of_all, of_dag=False)


@app.get("/dags/{dag_id}", dependencies=MAY_READ)
def show_dag(dag_id: str, of_all: Annotated[AskedOfAll, Depends(asked_of_all)]) -> HTMLResponse:
    """Show the pushes of one DAG, newest first."""
    return _all_pushes([dag_id], replace(of_all, dag=""), of_dag=True)


@app.get("/dags/{dag_id}/runs/{run_id}", dependencies=MAY_READ)
def show_run(dag_id: str, run_id: str, of_table: Annotated[TableQuery, Depends(asked)]) -> HTMLResponse:
    """Show every push of a run."""
    others = _others(dag_id, run_id)
    pushes = _pushes(dag_id, run_id)
    return _page(pushes, of_table, others, where=(dag_id, run_id), in_run=True, empty=NO_PUSH_IN_RUN)


@app.get("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/{map_index}", dependencies=MAY_READ)
def show_task(
    dag_id: str, run_id: str, task_id: str, map_index: str, of_table: Annotated[TableQuery, Depends(asked)]
) -> HTMLResponse:
    """Show the push of one task instance, each export of its list, or all that a mapped task was expanded to."""
    index = _map_index(map_index)
    tasks = _pushes(dag_id, run_id, (task_id, index))
    # Who looked at a mapped task before it was expanded has its page without a map index.
    mapped = index < 0 and not tasks
    if mapped:
        tasks = _pushes(dag_id, run_id, (task_id, None))
    others = [] if tasks else _others(dag_id, run_id, (task_id, index))
    return _page(tasks, of_table, others, where=(dag_id, run_id), in_run=mapped, empty=NO_PUSH_IN_TASK)


@app.get("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/{map_index}/rejects.csv", dependencies=MAY_READ)
def download_rejects(
    dag_id: str, run_id: str, task_id: str, map_index: str, export: Annotated[int, Query(ge=0)] = 0
) -> StreamingResponse:
    """Give the rejects file, where an administrator allows it.

    :param export: number of the export in the list that the task pushed, from 1 on; 0 where it pushed one alone.
    """
    card = _card((dag_id, run_id), (task_id, _map_index(map_index)), export)
    path = card.rejects_path if card else ""
    report = _own_report((dag_id, run_id), card.task, path) if card and path and rejects.in_ui() else None
    if report is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, rejects.SWITCHED_OFF if path else NO_SUCH_RUN)
    try:
        content = rejects.chunks(path)
    except rejects.UnreadableError:
        raise HTTPException(HTTPStatus.NOT_FOUND, rejects.UNREADABLE) from None
    return StreamingResponse(
        content,
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{rejects.download_name(report)}"',
            **_headers(),
        },
    )


@app.get("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/{map_index}/again", dependencies=MAY_READ)
def show_again(
    dag_id: str, run_id: str, task_id: str, map_index: str, export: Annotated[int, Query(ge=0)] = 0
) -> HTMLResponse:
    """Show the page from which the rejects of a push are pushed again. It starts nothing itself.

    :param export: as for the rejects file.
    """
    where = (dag_id, run_id)
    card = _card(where, (task_id, _map_index(map_index)), export)
    push_id = id_of(card.rejects_path) if card else ""
    if card is None or not push_id:
        raise HTTPException(HTTPStatus.NOT_FOUND, NO_REJECTS)
    return _html(
        "again.html",
        card=card,
        again=again(push_id, where, card.task),
        back=_links(where, card)["run"],
        dag_id=rejects.PUSH_AGAIN_DAG,
        dag=f"{root_path()}/dags/{rejects.PUSH_AGAIN_DAG}",
        api=f"{root_path()}/api/v2/dags/{rejects.PUSH_AGAIN_DAG}",
        live=False,
    )


@app.exception_handler(StarletteHTTPException)
async def show_refusal(request: Request, error: StarletteHTTPException) -> HTMLResponse:  # noqa: ARG001
    """Say in the tab why there is nothing to see."""
    said = {HTTPStatus.UNAUTHORIZED: NOT_SIGNED_IN, HTTPStatus.FORBIDDEN: NOT_ALLOWED}
    sentence = said.get(HTTPStatus(error.status_code), str(error.detail))
    return _html("sentence.html", error.status_code, sentence=sentence, live=False)


def _pushes(dag_id: str, run_id: str, place: tuple[str, int | None] | None = None) -> list[PushTask]:
    with create_session(scoped=False) as session:
        if not has_run(session, dag_id, run_id):
            raise HTTPException(HTTPStatus.NOT_FOUND, NO_SUCH_RUN)
        tasks = pushes_of(session, dag_id, run_id, place)
        if any(task.state not in _NOT_BEGUN for task in tasks):
            return tasks
        said = nothing_found(session, dag_id, run_id, place[0] if place and not tasks else None)
    # The sensor's own tab: there is nothing else to see.
    if said and not tasks:
        raise HTTPException(HTTPStatus.OK, said)
    return [replace(task, said=said) for task in tasks]


def _card(where: tuple[str, str], place: tuple[str, int], export: int) -> Card | None:
    """Make the card of one push of a task; None where there is no such push."""
    found = [task for task in one_by_one(_pushes(*where, place)) if task.number == export]
    return card_of(found[0], has_store=HAS_STORE) if found else None


def _others(dag_id: str, run_id: str, place: tuple[str, int | None] | None = None) -> list[Other]:
    with create_session(scoped=False) as session:
        return others_of(session, dag_id, run_id, place)


def _map_index(text: str) -> int:
    """Read a map index; a task that is not mapped leaves Airflow's placeholder in the address."""
    return int(text) if text.isdecimal() and text.isascii() else -1


def _page(
    tasks: Sequence[PushTask],
    of_table: TableQuery,
    others: Sequence[Other],
    *,
    where: tuple[str, str],
    in_run: bool,
    empty: str,
) -> HTMLResponse:
    pushes = one_by_one(tasks)
    table = Table.of(pushes, of_table)
    cards = [card_of(push, has_store=HAS_STORE) for push in table.shown(pushes)]
    for card in cards:
        card.name = table.names.get(card.anchor, card.name)
    return _html(
        "run.html",
        cards=[(card, _links(where, card), _rejects(where, card)) for card in cards],
        others=[(other, _task_page(where, other)) for other in others],
        live=any(task.state in UNFINISHED for task in tasks) or any(other.live for other in others),
        in_run=in_run,
        sums=summaries(pushes),
        table=table if len(pushes) > 1 else None,
        empty=empty,
        said=next((task.said for task in tasks if task.said), ""),
    )


def _all_pushes(dag_ids: Iterable[str], of_all: AskedOfAll, *, of_dag: bool) -> HTMLResponse:
    now = datetime.now(UTC)
    first, last = of_all.between(now)
    midnight = time(tzinfo=UTC)
    with create_session(scoped=False) as session:
        found = history(
            session,
            dag_ids,
            # A list that began the day before has exports of this day.
            datetime.combine(first - timedelta(days=1), midnight),
            datetime.combine(last + timedelta(days=1), midnight),
            idle=of_all.state in NOTHING_TO_SAY,
        )
    page = overview(found, of_all, now)
    return _html(
        "pushes.html",
        page=page,
        live=page.live,
        every=_SECONDS_OF_ALL,
        of_dag=of_dag,
        spans=SPANS,
        most=MOST,
        under_way=UNDER_WAY,
    )


def _links(where: tuple[str, str], card: Card) -> dict[str, str]:
    dag_id, run_id = (quoted(part) for part in where)
    task_id, map_index = quoted(card.task.task_id), card.task.map_index
    index = map_index if map_index >= 0 else "-"
    export = f"?export={card.task.number}" if card.task.number else ""
    return {
        "again": f"{pages()}/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/{index}/again{export}",
        "id": id_of(card.rejects_path),
        "run": f"{pages()}/dags/{dag_id}/runs/{run_id}?card={quoted(card.anchor)}#{quoted(card.anchor)}",
        "task": _task_page(where, card.task),
        "rejects": f"{pages()}/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/{index}/rejects.csv{export}",
    }


def _task_page(where: tuple[str, str], task: PushTask | Other) -> str:
    """Give the address of a task instance in Airflow."""
    dag_id, run_id = (quoted(part) for part in where)
    mapped = f"/mapped/{task.map_index}" if task.map_index >= 0 else ""
    return f"{root_path()}/dags/{dag_id}/runs/{run_id}/tasks/{quoted(task.task_id)}{mapped}"


def _own_report(where: tuple[str, str], task: PushTask, path: str) -> Mapping[str, Any] | None:
    return rejects.report_of(path, *where, task.task_id, task.map_index)


def _rejects(where: tuple[str, str], card: Card) -> rejects.Preview | str:
    """Give the preview of a card's rejects, or the sentence that stands for it."""
    if not card.rejects_path:
        return ""
    if not rejects.in_ui():
        return rejects.SWITCHED_OFF
    try:
        if (report := _own_report(where, card.task, card.rejects_path)) is not None:
            return rejects.preview(card.rejects_path, report)
    except rejects.UnreadableError:
        pass
    return rejects.UNREADABLE


def _headers(nonce: str = "") -> dict[str, str]:
    own = f"'nonce-{nonce}'" if nonce else "'none'"
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src {own}; script-src {own}; connect-src 'self'; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _html(template: str, status: int = HTTPStatus.OK, **given: Any) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    page = render(template, nonce=nonce, **{"every": _SECONDS, **given})
    # Half a character, wherever it comes from, must not cost the page.
    return HTMLResponse(page.encode("utf-8", "backslashreplace"), status, _headers(nonce))
