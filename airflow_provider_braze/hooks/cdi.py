"""Cloud Data Ingestion: integrations, their syncs, and how to start one (Braze docs: CDI endpoints).

Braze takes 20 starts and 100 looks a minute; both are kept for all that this process asks of a workspace. Of what other
processes ask nothing is known but what Braze says: that nothing is left, or that it refuses, and until when. All that
this process asks then waits.

Above: the hook of which these calls are a part. Below: how one call is made, and how a list of syncs is read.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_braze.cdi.syncs import PastSyncs, Sync
from airflow_provider_braze.exceptions import (
    BrazeRateLimitError,
    BrazeRefusedError,
    BrazeServerError,
    BrazeSetupError,
    BrazeSyncInProgressError,
)
from airflow_provider_braze.hooks.calls import LONGEST_PAUSE, Calls, again_where_it_helps
from airflow_provider_braze.parameters import is_unset
from airflow_provider_braze.users_track.transport.limiter import Limiter

PER_MINUTE = {"list": 50, "sync": 20, "job_sync_status": 100}
"""Requests a minute (Braze docs: API limits)."""

_INTEGRATIONS = "/cdi/integrations"
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
        return (each for page in self._pages_by_link(_INTEGRATIONS, "list") for each in page)

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
        :raises BrazeRateLimitError: the limit is used up; ``retry_after`` says for how long.
        """
        self._limited("sync", f"{_path(integration_id)}/sync", b"", "POST")

    def newest_cdi_syncs(self, integration_id: str, before: PastSyncs | None = None) -> list[Sync]:
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
            query = {} if cursor is None else {"cursor": cursor}
            answer, headers = again_where_it_helps(partial(self._limited, limit, endpoint, query, "GET"))
            results = answer.get("results")
            if not isinstance(results, list):
                raise BrazeServerError("Braze answered without a list of results.")
            yield results
            cursor = next_cursor(headers.get("Link") or "")
            if cursor is None or cursor in known:
                return
            known.add(cursor)

    def _limited(
        self, name: str, endpoint: str, data: Mapping[str, Any] | bytes, method: str
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """Call once, as soon as the limit allows; the call counts from here until it was answered."""
        with _asked:
            key = (self.workspace.endpoint, name)
            limiter = _limiters.setdefault(key, Limiter(PER_MINUTE[name] / 60))
        while not _taken(limiter):
            time.sleep(0.05)
        status: int | None = None
        headers: Mapping[str, str] = {}
        try:
            answer, headers = self.answer_with_headers(endpoint, data, method)
            status = 200
        except BrazeRefusedError as error:
            if error.status == 404 and endpoint.startswith(f"{_INTEGRATIONS}/"):
                raise _unknown(endpoint, error) from error
            raise
        except BrazeSyncInProgressError:
            # Its 429 is no matter of rate.
            raise
        except BrazeRateLimitError as error:
            status = 429
            if error.retry_after is not None:
                headers = {"Retry-After": str(error.retry_after)}
            raise
        finally:
            with _asked:
                limiter.answered(status, headers)
        return answer, headers


def _taken(limiter: Limiter) -> bool:
    """Take a place, if there is one.

    :raises BrazeRateLimitError: Braze orders to wait for longer than a call may take.
    """
    with _asked:
        if (ordered := limiter.paused_for) > LONGEST_PAUSE:
            raise BrazeRateLimitError("Braze's rate limit is used up.", status=429, retry_after=ordered)
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
    text = value.strip() if isinstance(value, str) and not is_unset(value) else ""
    if not _ID.fullmatch(text):
        raise BrazeSetupError(
            f"integration_id must be the id of a CDI integration, such as 00000000-0000-0000-0000-000000000000, "
            f"not {value!r}."
        )
    return text


def _path(integration_id: Any) -> str:
    return f"{_INTEGRATIONS}/{check_id(integration_id)}"


def _unknown(endpoint: str, error: BrazeRefusedError) -> BrazeRefusedError:
    identifier = endpoint.removeprefix(f"{_INTEGRATIONS}/").split("/", 1)[0]
    return BrazeRefusedError(
        f"Braze knows no CDI integration {identifier} in this workspace (404): look at the id beside the integration "
        "in Braze, or in BrazeHook().list_cdi_integrations().",
        status=error.status,
        errors=error.errors,
    )
