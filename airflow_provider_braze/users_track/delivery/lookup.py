"""Whom does Braze know? A look through ``/users/export/ids`` before an append, which alone gives no sign of it.

Above: the loop, with ``confirm``. Below: the client, and what an answer means.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import msgspec

from airflow_provider_braze.exceptions import (
    BrazeRequestError,
    BrazeServerError,
    BrazeSetupError,
    BrazeUnreachableError,
)
from airflow_provider_braze.users_track.batching.merge_window import ProfileObject
from airflow_provider_braze.users_track.delivery.interpret import is_success, message_of, parse, refusal
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.client import Answer, Client, NoAnswerError
from airflow_provider_braze.users_track.transport.limiter import Limiter
from airflow_provider_braze.users_track.transport.workspace import Workspace

EXPORT_IDS = "/users/export/ids"

_KINDS = {"external_id": "external_ids", "user_alias": "user_aliases"}
"""Identifiers that can be looked up 50 at a time; of the others each would cost a request."""

_MOST_ATTEMPTS = 6
_FIRST_BACKOFF = 0.5


@dataclass(slots=True, eq=False)
class Question:
    """One request for at most 50 users.

    :param items: the objects about them.
    :param of: what it belongs to, which goes on once all of its questions are answered.
    :param body: of the request.
    :param attempts: its tries that met trouble.
    :param trouble: what the last of them met, in words for whoever looks on.
    """

    items: Sequence[ProfileObject]
    of: Questions
    body: bytes
    attempts: int = 0
    trouble: str = ""


@dataclass(slots=True, eq=False)
class Questions:
    """Whom of some objects does Braze know?

    :param about: what was taken from the window together.
    :param open: questions without an answer.
    :param absent: objects whose user Braze has no profile of.
    :param unclear: objects of whose user Braze's answer says neither that there is a profile nor that there is none.
    """

    about: Any
    open: int = 0
    absent: list[ProfileObject] = field(default_factory=list)
    unclear: list[ProfileObject] = field(default_factory=list)


class Lookup:
    """Finds the users that Braze does not know, within the endpoint's own limit of 250 requests a minute.

    :param client: sends the requests.
    :param workspace: redacts its key from messages.
    :param ledger: counts the requests.
    :param limiter: paces the requests; whoever calls :meth:`ask` has asked it.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        client: Client,
        workspace: Workspace,
        ledger: Ledger,
        limiter: Limiter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limiter = limiter or Limiter(
            limits.EXPORT_IDS_PER_MINUTE / 60, shards=workspace.shards, clock=clock
        )
        self._ledger, self._client, self._workspace, self._clock = ledger, client, workspace, clock

    def questions(self, items: Sequence[ProfileObject], about: Any) -> list[Question]:
        """Make the requests that tell whom Braze knows.

        :raises BrazeSetupError: users are identified by something that cannot be looked up in bulk.
        """
        together = Questions(about)
        made = [
            self._question(items[start : start + limits.EXPORT_IDS_PER_REQUEST], together)
            for start in range(0, len(items), limits.EXPORT_IDS_PER_REQUEST)
        ]
        together.open = len(made)
        return made

    def _question(self, items: Sequence[ProfileObject], together: Questions) -> Question:
        body: dict[str, Any] = {"fields_to_export": ["external_id", "user_aliases"]}
        for item in items:
            kind = str(item.identity[0])
            if kind not in _KINDS:
                raise BrazeSetupError(
                    f"confirm looks users up by external_id or user_alias, 50 at a time; {kind} would take a "
                    "request each. Leave confirm off, or choose another identifier."
                )
            body.setdefault(_KINDS[kind], []).append(item.content[kind])
        return Question(items, together, msgspec.json.encode(body))

    def ask(self, question: Question) -> None:
        """Send a question once."""
        self._ledger.requests += 1
        self.limiter.take()
        self._client.start(EXPORT_IDS, question.body, question)

    def answered(self, question: Question, result: Answer | NoAnswerError) -> float | None:
        """Take what became of a request.

        :return: when it may be asked again; None once it is answered, which its :class:`Questions` then say.
        :raises BrazeRequestError: Braze refuses the look-up, or does not answer it.
        """
        if isinstance(result, NoAnswerError):
            self.limiter.answered()
            self._ledger.requests -= not result.sent
            return self._after_trouble(question, self._workspace.redact(result.reason), None)
        self.limiter.answered(result.status, result.headers)
        if result.status == 429:
            return self._clock()
        if result.status < 300:
            parsed = parse(result.body)
            if _says_whom_braze_knows(parsed):
                known, absent = known_users(parsed), absent_ids(parsed)
                for item in question.items:
                    if item.identity in known:
                        continue
                    # Braze names the external ids that match nobody; of aliases nobody knows whether it would.
                    told = item.identity[0] == "user_alias" or item.identity[1] in absent
                    (question.of.absent if told else question.of.unclear).append(item)
                question.of.open -= 1
                return None
        elif result.status < 500:
            raise refusal(result.status, message_of(parse(result.body)), self._workspace.redact)
        return self._after_trouble(question, f"Braze answered {result.status}", result.status)

    def _after_trouble(self, question: Question, reason: str, status: int | None) -> float:
        question.attempts += 1
        question.trouble = (
            f"Looking users up, Braze answers {status}" if status else f"Looking users up: {reason}"
        )
        if question.attempts >= _MOST_ATTEMPTS:
            trouble: type[BrazeRequestError] = BrazeServerError if status else BrazeUnreachableError
            raise trouble(f"Looking users up failed: {reason}.", status=status)
        return self._clock() + random.random() * _FIRST_BACKOFF * float(2 ** (question.attempts - 1))


def _says_whom_braze_knows(answer: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether an answer may be believed: what it does not list is called not found, and never sent."""
    return (
        isinstance(answer, dict)
        and isinstance(answer.get("users"), list)
        and not (answer.get("error") or answer.get("errors"))
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


def absent_ids(answer: dict[str, Any]) -> set[str]:
    """Read which external ids an answer of ``/users/export/ids`` says match no profile."""
    listed = answer.get("invalid_user_ids")
    # One that was sent as a number may come back as one.
    return {str(each) for each in listed if type(each) in (str, int)} if isinstance(listed, list) else set()


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
