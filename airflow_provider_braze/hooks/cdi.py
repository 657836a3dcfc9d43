"""Cloud Data Ingestion: integrations, their syncs, and how to start one (Braze docs: CDI endpoints).

Braze takes 20 starts and 100 looks a minute; both are kept for all that this process asks of a workspace.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_braze.cdi.syncs import Before, Sync
from airflow_provider_braze.exceptions import BrazeServerError, BrazeSetupError
from airflow_provider_braze.hooks.calls import Calls
from airflow_provider_braze.users_track.transport.limiter import Limiter

PER_MINUTE = {"list": 50, "sync": 20, "job_sync_status": 100}
"""Requests a minute (Braze docs: API limits)."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_NEXT = re.compile(r"<([^<>]*)>\s*;[^<]*?\brel=\"?next\b")

_limiters: dict[tuple[str, str], Limiter] = {}
_asked = threading.Lock()


class CdiCalls(Calls):
    """Integrations and syncs."""

    def list_cdi_integrations(self) -> Iterator[dict[str, Any]]:
        """
        Go through the workspace's integrations, ten a page, as they are asked for.

        :return: ``{"integration_id", "integration_name", "integration_type", "last_job_status", ...}`` of each.
        """
        return (each for page in self._pages_by_link("/cdi/integrations", "list") for each in page)

    def list_cdi_syncs(self, integration_id: str) -> Iterator[dict[str, Any]]:
        """
        Go through the past syncs of an integration, and the one under way, in Braze's order, ten a page.

        :param integration_id: the integration's id.
        :return: ``{"job_status", "sync_start_time", "sync_finish_time", "last_timestamp_synced", "rows_synced",
            "rows_failed_with_errors"}`` of each; the status is ``running``, ``success``, ``partial``, ``error`` or
            ``config_error``.
        :raises BrazeSetupError: the id can be none.
        :raises BrazeRefusedError: Braze knows no such integration.
        """
        pages = self._pages_by_link(f"{_path(integration_id)}/job_sync_status", "job_sync_status")
        return (each for page in pages for each in page)

    def start_cdi_sync(self, integration_id: str) -> None:
        """
        Start a sync, once. The answer has no id: ``BrazeCdiSyncOperator`` finds the run that it starts.

        :param integration_id: the integration's id.
        :raises BrazeSyncInProgressError: another job of the integration is in progress.
        """
        endpoint = f"{_path(integration_id)}/sync"
        with self._within_the_limit("sync"):
            self.answer_to(endpoint, b"")

    def newest_cdi_syncs(self, integration_id: str, before: Before | None = None) -> list[Sync]:
        """
        Read as many pages as it takes to know the newest syncs, whichever way Braze sorts them.

        :param integration_id: the integration's id.
        :param before: read back to what was listed then.
        """
        found: list[Sync] = []
        pages = self._pages_by_link(f"{_path(integration_id)}/job_sync_status", "job_sync_status")
        for page in pages:
            read = [sync for entry in page if (sync := Sync.of(entry)) is not None]
            found += read
            newest_first = len(read) > 1 and read[0].began > read[-1].began
            if newest_first and (before is None or before.newest is None or before.is_reached_by(read)):
                break
        return found

    def _pages_by_link(self, endpoint: str, limit: str) -> Iterator[list[Any]]:
        cursor: str | None = None
        known: set[str] = set()
        while True:
            with self._within_the_limit(limit):
                answer, links = self.read_with_links(endpoint, {} if cursor is None else {"cursor": cursor})
            results = answer.get("results")
            if not isinstance(results, list):
                raise BrazeServerError("Braze answered without a list of results.")
            yield results
            cursor = next_cursor(links)
            if cursor is None or cursor in known:
                return
            known.add(cursor)

    @contextmanager
    def _within_the_limit(self, name: str) -> Iterator[None]:
        """Wait until the limit allows a call, which counts from here until it was answered."""
        with _asked:
            key = (self.workspace.endpoint, name)
            limiter = _limiters.setdefault(key, Limiter(PER_MINUTE[name] / 60))
        while not _taken(limiter):
            time.sleep(0.05)
        try:
            yield
        finally:
            with _asked:
                limiter.answered()


def _taken(limiter: Limiter) -> bool:
    with _asked:
        wait = limiter.ready_in()
        if wait is None or wait > 0:
            return False
        limiter.take()
        return True


def next_cursor(links: str) -> str | None:
    """Read the cursor of the next page from a ``Link`` header; None on the last page.

    Only the cursor counts: Braze's own example spells the path wrongly.
    """
    found = _NEXT.search(links)
    for pair in urlsplit(found[1]).query.split("&") if found else ():
        name, _, value = pair.partition("=")
        if name == "cursor" and value:
            return unquote(value)
    return None


def check_id(value: Any) -> str:
    """Read an integration's id.

    :raises BrazeSetupError: it can be none.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not _ID.fullmatch(text):
        raise BrazeSetupError(
            f"integration_id must be the id of a CDI integration, such as 00000000-0000-0000-0000-000000000000, "
            f"not {value!r}."
        )
    return text


def _path(integration_id: Any) -> str:
    return f"/cdi/integrations/{check_id(integration_id)}"
