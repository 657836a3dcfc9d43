"""Cloud Data Ingestion: integrations and their syncs (Braze docs: CDI endpoints).

A sync takes no time but so many looks at its status, so that a test never depends on how fast it runs.

Above: the API, and the control routes. Below: requests and answers.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_braze.sandbox.traffic.http_answers import HttpAnswer, refusal
from airflow_provider_braze.sandbox.traffic.sent import Sent

PAGE = 10

STATUSES = ("running", "success", "partial", "error", "config_error")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SHOWN = (
    "job_status",
    "sync_start_time",
    "sync_finish_time",
    "last_timestamp_synced",
    "rows_synced",
    "rows_failed_with_errors",
)
_PLAN = {"job_status", "rows_synced", "rows_failed_with_errors", "running_for", "listed_after", "slipped_in"}
_INTEGRATION = {"syncs", "next", "clock_offset", "oldest_first", "name"}


class BadCdiError(Exception):
    """What was put cannot be read; the text names what is wrong."""


@dataclass(slots=True)
class _Integration:
    """One integration.

    :param syncs: as they are shown, the oldest first; one under way has a ``plan``.
    :param next: what the next syncs come to: see docs/sandbox.md.
    :param clock_offset: seconds by which the workspace's clock is ahead of this machine's.
    :param oldest_first: show the oldest first.
    """

    name: str = ""
    syncs: list[dict[str, Any]] = field(default_factory=list)
    next: list[dict[str, Any]] = field(default_factory=list)
    clock_offset: float = 0
    oldest_first: bool = False

    def now(self) -> str:
        """Return the workspace's time, later than everything before."""
        moment = datetime.fromtimestamp(time.time() + self.clock_offset, UTC)
        latest = max((str(each.get("sync_start_time") or "") for each in self.syncs), default="")
        while (text := f"{moment:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z") <= latest:
            moment += timedelta(milliseconds=1)
        return text

    @property
    def running(self) -> dict[str, Any] | None:
        return next((each for each in self.syncs if each["job_status"] == "running"), None)

    def start(self) -> None:
        plan = self.next.pop(0) if self.next else {}
        if other := plan.get("slipped_in"):
            # Somebody else's, begun and ended since whoever starts this one has looked.
            moment = self.now()
            times = {"sync_start_time": moment, "sync_finish_time": moment, "last_timestamp_synced": moment}
            self.syncs.append({**dict.fromkeys(_SHOWN), "job_status": "success", **times, **other})
        self.syncs.append(
            {**dict.fromkeys(_SHOWN), "job_status": "running", "sync_start_time": self.now(), "plan": plan}
        )

    def looked_at(self) -> None:
        """Count a look at the status, after which a sync may end, or be listed."""
        for each in self.syncs:
            plan = each.get("plan")
            if plan is None:
                continue
            if plan.get("listed_after", 0) > 0:
                plan["listed_after"] -= 1
            elif plan.get("running_for", 1) > 0:
                plan["running_for"] = plan.get("running_for", 1) - 1
            else:
                del each["plan"]
                each |= {
                    "job_status": plan.get("job_status", "success"),
                    "sync_finish_time": self.now(),
                    "last_timestamp_synced": each["sync_start_time"],
                    "rows_synced": plan.get("rows_synced", 0),
                    "rows_failed_with_errors": plan.get("rows_failed_with_errors", 0),
                }

    def listed(self) -> list[dict[str, Any]]:
        found = [
            {name: each.get(name) for name in _SHOWN}
            for each in self.syncs
            if not each.get("plan", {}).get("listed_after")
        ]
        return found if self.oldest_first else found[::-1]


class Cdi:
    """The integrations of a workspace."""

    def __init__(self) -> None:
        self._integrations: dict[str, _Integration] = {}
        self.answers: Mapping[str, Callable[[Sent], HttpAnswer]] = {
            "/cdi/integrations": self._list,
            "/cdi/integrations/{id}/sync": self._sync,
            "/cdi/integrations/{id}/job_sync_status": self._status,
        }

    def clear(self) -> None:
        """Forget everything."""
        self._integrations.clear()

    def replace(self, given: Any) -> None:
        """Take integrations by their id, in place of the old ones."""
        if not isinstance(given, dict) or not all(
            isinstance(each, dict) and each.keys() <= _INTEGRATION for each in given.values()
        ):
            raise BadCdiError(
                f"an object of integrations by their id is needed, each with {sorted(_INTEGRATION)}"
            )
        for identifier, each in given.items():
            if not _UUID.fullmatch(identifier):
                raise BadCdiError(f"{identifier!r} is no integration id")
            for plan in each.get("next", []):
                if not isinstance(plan, dict) or not plan.keys() <= _PLAN:
                    raise BadCdiError(f"a sync to come takes {sorted(_PLAN)}")
            for sync in each.get("syncs", []):
                if not isinstance(sync, dict) or sync.get("job_status") not in STATUSES:
                    raise BadCdiError(f"the job_status of a sync is one of {', '.join(STATUSES)}")
        self._integrations = {
            identifier: _Integration(**{"name": f"Integration {number}", **each})
            for number, (identifier, each) in enumerate(given.items(), start=1)
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the syncs of each integration, the oldest first."""
        return {identifier: each.syncs for identifier, each in self._integrations.items()}

    def _named(self, sent: Sent) -> _Integration | HttpAnswer:
        identifier = sent.path.split("/")[3]
        if not _UUID.fullmatch(identifier):
            return refusal(400, "Invalid integration ID")
        return self._integrations.get(identifier) or refusal(404, "Integration not found")

    def _sync(self, sent: Sent) -> HttpAnswer:
        found = self._named(sent)
        if isinstance(found, HttpAnswer):
            return found
        if found.running is not None:
            return refusal(429, "Another job is in progress")
        found.start()
        return HttpAnswer(202, {"message": "success"})

    def _status(self, sent: Sent) -> HttpAnswer:
        found = self._named(sent)
        if isinstance(found, HttpAnswer):
            return found
        if "cursor" not in sent.query:
            found.looked_at()
        return _page(sent, found.listed())

    def _list(self, sent: Sent) -> HttpAnswer:
        return _page(
            sent,
            [
                {
                    "integration_id": identifier,
                    "integration_name": each.name,
                    "last_job_start_time": each.syncs[-1].get("sync_start_time") if each.syncs else None,
                    "last_job_status": each.syncs[-1].get("job_status") if each.syncs else None,
                }
                for identifier, each in self._integrations.items()
            ],
        )


def _page(sent: Sent, entries: list[Any]) -> HttpAnswer:
    start = _start_of(sent.query.get("cursor"))
    if start is None:
        return refusal(400, "Invalid cursor")
    links = []
    if len(entries) > PAGE:
        if start:
            links.append((max(0, start - PAGE), "prev"))
        if start + PAGE < len(entries):
            links.append((start + PAGE, "next"))
    written = ",".join(f'<{sent.path}?cursor={_cursor(at)}>; rel="{name}"' for at, name in links)
    headers = {"Link": written} if written else {}
    shown = list(itertools.islice(entries, start, start + PAGE))
    return HttpAnswer(200, {"results": shown, "message": "success"}, headers)


def _cursor(start: int) -> str:
    return base64.b64encode(f"skip:{start}".encode()).decode()


def _start_of(cursor: str | None) -> int | None:
    if cursor is None:
        return 0
    try:
        word, _, number = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return int(number) if word == "skip" and number.isdecimal() else None
