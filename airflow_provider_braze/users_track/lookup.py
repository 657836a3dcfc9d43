"""Whom does Braze know? A look through ``/users/export/ids`` before an append, which alone gives no sign of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, TypeGuard

import msgspec

from airflow_provider_braze.exceptions import (
    BrazeRequestError,
    BrazeServerError,
    BrazeSetupError,
    BrazeUnreachableError,
)
from airflow_provider_braze.users_track import limits
from airflow_provider_braze.users_track.account import Account
from airflow_provider_braze.users_track.batches import Outgoing
from airflow_provider_braze.users_track.client import Answer, Client, NoAnswerError
from airflow_provider_braze.users_track.limiter import Limiter
from airflow_provider_braze.users_track.verdict import is_success, message_of, parse, refusal
from airflow_provider_braze.users_track.workspace import Workspace

EXPORT_IDS = "/users/export/ids"

_KINDS = {"external_id": "external_ids", "user_alias": "user_aliases"}
"""Identifiers that can be looked up 50 at a time; of the others each would cost a request."""

_MOST_ATTEMPTS = 6
_FIRST_BACKOFF = 0.5


class Lookup:
    """Finds the users that Braze does not know, within the endpoint's own limit of 250 requests a minute.

    :param client: sends the requests.
    :param workspace: redacts its key from messages.
    :param account: counts the requests.
    :param limiter: paces the requests.
    """

    def __init__(
        self, client: Client, workspace: Workspace, account: Account, limiter: Limiter | None = None
    ) -> None:
        self.limiter = limiter or Limiter(limits.EXPORT_IDS_PER_MINUTE / 60)
        self._account = account
        self._client = client
        self._workspace = workspace

    async def unknown_to_braze(self, items: Sequence[Outgoing]) -> list[Outgoing]:
        """Give the objects whose user has no profile.

        :raises BrazeSetupError: users are identified by something that cannot be looked up in bulk.
        :raises BrazeRequestError: Braze refuses the look-up, or does not answer it.
        :raises LimiterClosedError: the push stopped meanwhile.
        """
        chunks = [
            items[start : start + limits.EXPORT_IDS_PER_REQUEST]
            for start in range(0, len(items), limits.EXPORT_IDS_PER_REQUEST)
        ]
        found = await asyncio.gather(*(self._absent(chunk) for chunk in chunks))
        return [item for absent in found for item in absent]

    async def _absent(self, items: Sequence[Outgoing]) -> list[Outgoing]:
        body: dict[str, Any] = {"fields_to_export": ["external_id", "user_aliases"]}
        for item in items:
            kind = str(item.identity[0])
            if kind not in _KINDS:
                raise BrazeSetupError(
                    f"confirm looks users up by external_id or user_alias, 50 at a time; {kind} would take a "
                    "request each. Leave confirm off, or choose another identifier."
                )
            body.setdefault(_KINDS[kind], []).append(item.content[kind])
        known = known_users(await self._ask(msgspec.json.encode(body)))
        return [item for item in items if item.identity not in known]

    async def _ask(self, body: bytes) -> dict[str, Any]:
        reason, status = "", None
        for attempt in range(_MOST_ATTEMPTS):
            answer = await self._attempt(body)
            if isinstance(answer, Answer):
                if answer.status < 300:
                    parsed = parse(answer.body)
                    if _says_whom_braze_knows(parsed):
                        return parsed
                elif answer.status < 500:
                    message = message_of(parse(answer.body))
                    raise refusal(answer.status, message, self._workspace.redact)
                reason, status = f"Braze answered {answer.status}", answer.status
            else:
                reason = self._workspace.redact(answer)
            await asyncio.sleep(random.random() * _FIRST_BACKOFF * 2**attempt)
        trouble: type[BrazeRequestError] = BrazeServerError if status else BrazeUnreachableError
        raise trouble(f"Looking users up failed: {reason}.", status=status)

    async def _attempt(self, body: bytes) -> Answer | str:
        """Ask once, after any number of 429s; the reason where no answer came."""
        while True:
            await self.limiter.acquire()
            self._account.requests += 1
            try:
                answer = await self._client.post(EXPORT_IDS, body)
            except NoAnswerError as error:
                self.limiter.answered()
                self._account.requests -= not error.sent
                return error.reason
            except BaseException:
                self.limiter.answered()
                raise
            self.limiter.answered(answer.status, answer.headers)
            if answer.status != 429:
                return answer


def _says_whom_braze_knows(answer: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether an answer may be believed: what it does not list is called not found, and never sent."""
    return (
        isinstance(answer, dict)
        and isinstance(answer.get("users"), list)
        and not answer.get("error")
        and (answer.get("message") is None or is_success(answer))
    )


def known_users(answer: dict[str, Any]) -> set[tuple[str | None, ...]]:
    """Read which identities an answer of ``/users/export/ids`` shows a profile of."""
    found: set[tuple[str | None, ...]] = set()
    for user in _objects(answer.get("users")):
        if isinstance(external_id := user.get("external_id"), str):
            found.add(("external_id", external_id))
        for alias in _objects(user.get("user_aliases")):
            name, label = alias.get("alias_name"), alias.get("alias_label")
            if isinstance(name, str) and isinstance(label, str):
                found.add(("user_alias", name, label))
    return found


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
