"""Campaigns, Canvases and segments: lists as generators over pages, and the details of one (Braze docs: export).

Nothing here changes anything in Braze.

Above: the hook of which these calls are a part. Below: how one call is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from airflow_provider_braze.exceptions import BrazeServerError, BrazeSetupError
from airflow_provider_braze.hooks.call_arguments import given_id
from airflow_provider_braze.hooks.calls import Calls
from airflow_provider_braze.parameters import as_bool
from airflow_provider_braze.users_track.rules import moments

_MOST_BYTES = 64_000_000
"""Of one answer: the details of a Canvas hold the HTML of each of its messages."""


class MessagingCalls(Calls):
    """Lists and details."""

    def list_campaigns(
        self,
        *,
        include_archived: bool = False,
        newest_first: bool = False,
        edited_after: datetime | str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """
        Go through the campaigns of the workspace, page by page as they are asked for.

        :param include_archived: archived ones too.
        :param newest_first: in the order of creation, the newest first (default: the oldest).
        :param edited_after: only those that were edited later: a time (without a zone: UTC), or text such as
            ``2026-03-01T12:00:00``.
        :return: ``{"id", "name", "last_edited", "is_api_campaign", "tags"}`` of each.
        :raises BrazeSetupError: a parameter cannot be used.
        :raises BrazeRequestError: Braze refused, or did not answer after several tries.
        """
        return self._pages("/campaigns/list", "campaigns", include_archived, newest_first, edited_after)

    def list_canvases(
        self,
        *,
        include_archived: bool = False,
        newest_first: bool = False,
        edited_after: datetime | str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Go through the Canvases of the workspace, as :meth:`list_campaigns` does through the campaigns.

        :return: ``{"id", "name", "last_edited", "tags"}`` of each.
        """
        return self._pages("/canvas/list", "canvases", include_archived, newest_first, edited_after)

    def list_segments(self, *, newest_first: bool = False) -> Iterator[dict[str, Any]]:
        """Go through the segments of the workspace, as :meth:`list_campaigns` does; archived ones are never there.

        :return: ``{"id", "name", "analytics_tracking_enabled", "tags"}`` of each.
        """
        return self._pages("/segments/list", "segments", False, newest_first, None)

    def campaign_details(self, campaign_id: str, *, draft: bool = False) -> dict[str, Any]:
        """
        Look one campaign up.

        :param campaign_id: its API identifier, the ``id`` in the list.
        :param draft: with the changes of a draft made after its launch.
        :return: ``name``, ``channels``, ``first_sent``, ``messages`` and more; without Braze's ``message``.
        """
        return self._details("/campaigns/details", "campaign_id", campaign_id, draft)

    def canvas_details(self, canvas_id: str, *, draft: bool = False) -> dict[str, Any]:
        """Look one Canvas up: ``name``, ``variants``, ``steps`` and more; see :meth:`campaign_details`."""
        return self._details("/canvas/details", "canvas_id", canvas_id, draft)

    def segment_details(self, segment_id: str) -> dict[str, Any]:
        """Look one segment up: ``name``, ``description`` of its filters, ``tags`` and more."""
        return self._details("/segments/details", "segment_id", segment_id, False)

    def _pages(
        self,
        endpoint: str,
        name: str,
        include_archived: bool,
        newest_first: bool,
        edited_after: datetime | str | None,
    ) -> Iterator[dict[str, Any]]:
        descending = as_bool("newest_first", newest_first)
        query: dict[str, Any] = {"sort_direction": "desc" if descending else "asc"}
        if as_bool("include_archived", include_archived):
            query["include_archived"] = "true"
        if edited_after is not None:
            query["last_edit.time[gt]"] = _moment(edited_after)
        # What is wrong is said now, and not when somebody asks for the first one.
        return self._entries(endpoint, name, query)

    def _entries(self, endpoint: str, name: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        known: set[Any] = set()
        page = 0
        while True:
            answer = self.read(endpoint, {**query, "page": page}, most_bytes=_MOST_BYTES)
            entries = answer.get(name)
            if not isinstance(entries, list):
                raise BrazeServerError(f"Braze answered without a list of {name}.")
            # One that was made meanwhile shifts all others, so that one stands on two pages; and a host that knows
            # no pages gives the same one for ever.
            new = [each for each in entries if isinstance(each, dict) and each.get("id") not in known]
            if not new:
                return
            known.update(each.get("id") for each in new)
            yield from new
            page += 1

    def _details(self, endpoint: str, name: str, identifier: str, draft: bool) -> dict[str, Any]:
        query = {name: given_id(name, identifier)}
        if as_bool("draft", draft):
            query["post_launch_draft_version"] = "true"
        found = self.read(endpoint, query, most_bytes=_MOST_BYTES)
        return {key: value for key, value in found.items() if key != "message"}


def _moment(given: datetime | str) -> str:
    try:
        moment = moments.of_iso(given) if isinstance(given, str) else given
        if not isinstance(moment, datetime):
            raise TypeError
    except (ValueError, TypeError):
        raise BrazeSetupError(
            f"edited_after must be a time, or text such as 2026-03-01T12:00:00, not {given!r}."
        ) from None
    return f"{(moment.astimezone(UTC) if moment.tzinfo else moment):%Y-%m-%dT%H:%M:%S}"
