"""Campaigns, Canvases and segments, as ``/campaigns/list`` and its like show them (Braze docs: export endpoints).

Above: the API, and the control routes. Below: requests and answers.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_braze.sandbox.traffic.http_answers import HttpAnswer, refusal
from airflow_provider_braze.sandbox.traffic.sent import Sent

PAGE = 100
"""Entries of a page."""

KINDS = ("campaigns", "canvases", "segments")

_IN_LISTS = {
    "campaigns": ("id", "last_edited", "name", "is_api_campaign", "tags"),
    "canvases": ("id", "last_edited", "name", "tags"),
    "segments": ("id", "name", "analytics_tracking_enabled", "tags"),
}
_ID_NAMES = {"campaigns": "campaign_id", "canvases": "canvas_id", "segments": "segment_id"}
_KIND_OF = {"campaigns": "campaigns", "canvas": "canvases", "segments": "segments"}


class BadMessagingError(Exception):
    """What was put cannot be read; the text names what is wrong."""


class Messaging:
    """What a workspace has besides profiles, in the order of its creation."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._entries: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}

    def replace(self, given: Any) -> None:
        """Take lists of objects with an ``id`` and whatever their details shall show, in place of the old ones."""
        if not isinstance(given, dict) or not given.keys() <= set(KINDS):
            raise BadMessagingError(f"an object with lists by the names {', '.join(KINDS)} is needed")
        for kind, entries in given.items():
            if not isinstance(entries, list) or not all(
                isinstance(each, dict) and isinstance(each.get("id"), str) for each in entries
            ):
                raise BadMessagingError(f"{kind} must be an array of objects with an 'id'")
        self._entries |= given

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return everything."""
        return self._entries

    def answer(self, sent: Sent) -> HttpAnswer:
        """Answer a GET of a list or of details."""
        _, section, verb = sent.path.split("/")
        kind = _KIND_OF[section]
        return self._list(kind, sent) if verb == "list" else self._details(kind, sent)

    def _list(self, kind: str, sent: Sent) -> HttpAnswer:
        page, direction = sent.query.get("page", "0"), sent.query.get("sort_direction", "asc")
        if not page.isdecimal() or direction not in ("asc", "desc"):
            return refusal(400, "Invalid parameters")
        found = self._entries[kind]
        if kind != "segments":
            if sent.query.get("include_archived", "false").lower() != "true":
                found = [each for each in found if not each.get("archived")]
            if since := sent.query.get("last_edit.time[gt]"):
                found = [each for each in found if str(each.get("last_edited", "")) > since]
        if direction == "desc":
            found = found[::-1]
        start = int(page) * PAGE
        names = _IN_LISTS[kind]
        shown = [{name: each[name] for name in names if name in each} for each in found[start : start + PAGE]]
        return HttpAnswer(200, {kind: shown, "message": "success"})

    def _details(self, kind: str, sent: Sent) -> HttpAnswer:
        wanted = sent.query.get(_ID_NAMES[kind])
        for each in self._entries[kind]:
            if each["id"] == wanted:
                rest = {name: value for name, value in each.items() if name != "id"}
                return HttpAnswer(200, {**rest, "message": "success"})
        # Of a campaign that is sent by API this text is documented; for details, no page says anything.
        singular = {"campaigns": "Campaign", "canvases": "Canvas", "segments": "Segment"}[kind]
        return refusal(400, f"Invalid {singular} ID")
