"""A delivery whose users are looked up first: what Braze does not know has its outcome then, the others go on.

Above: the loop in ``push``. Below: the look-up itself, and the memory, as the delivery sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_braze.exceptions import BrazeError, describe
from airflow_provider_braze.users_track.batching.batch import Batch
from airflow_provider_braze.users_track.delivery.lookup import Lookup, Question, Questions
from airflow_provider_braze.users_track.delivery.schedule import Lane, Schedule
from airflow_provider_braze.users_track.delivery.sender import Delivery
from airflow_provider_braze.users_track.delivery.sieve import Changes, reduced
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.transport.client import Answer, NoAnswerError

UNCLEAR = "looked up, but Braze's answer says neither that it has a profile of this user nor that it has none"


@dataclass(slots=True)
class Confirming:
    """Looks up the users of deliveries.

    :param lookup: asks Braze.
    :param ledger: takes the outcome of those whom Braze does not know.
    :param schedule: has questions asked again.
    :param changes: the memory, where only what changed is sent.
    :param lane: of the questions.
    :param most: gives the most objects of a request.
    :param go_on: takes a delivery, with what is left of it.
    :param end: takes one that has its outcome.
    :param stop: ends the push.
    """

    lookup: Lookup
    ledger: Ledger
    schedule: Schedule
    changes: Changes | None
    lane: Lane
    most: Callable[[], int]
    go_on: Callable[[Delivery], None]
    end: Callable[[Delivery], None]
    stop: Callable[[BaseException], None]

    def begin(self, delivery: Delivery) -> None:
        """Ask about the users of a delivery."""
        try:
            self.lane.ready += self.lookup.questions(delivery.batch.items, delivery)
        except BrazeError as error:
            self._give_up(delivery, error)

    def answered(self, question: Question, result: Answer | NoAnswerError) -> None:
        """Take an answer; with the last one, bring the users that Braze knows to their outcome."""
        together, delivery = question.of, question.of.about
        try:
            at = self.lookup.answered(question, result)
            delivery.trouble, delivery.attempts = (
                question.trouble if at is not None else "",
                question.attempts,
            )
            if at is not None:
                self.schedule.again(at, self.lane, question)
            elif not together.open:
                self._take_known(delivery, together)
        except BrazeError as error:
            self._give_up(delivery, error)

    def _take_known(self, delivery: Delivery, answered: Questions) -> None:
        if self.changes is not None:
            self.changes.absent(answered.absent)
        for item in answered.absent:
            self.ledger.settle(item, "not_found", "Braze has no profile of this user")
        # Neither sent nor called not found: both would claim what nobody has said.
        self.ledger.leave(answered.unclear, lost=False, reason=UNCLEAR, final=True)
        known = [item for item in delivery.batch.items if item.references]
        if self.changes is not None:
            known = reduced(self.changes, self.ledger, known, confirmed=True)
        some = self.most()
        delivery.batches = [Batch(known[start : start + some]) for start in range(0, len(known), some)][::-1]
        self.go_on(delivery)

    def _give_up(self, delivery: Delivery, error: BrazeError) -> None:
        self.ledger.leave(delivery.batch.items, lost=False, reason=f"not looked up: {describe(error)}")
        self.end(delivery)
        self.stop(error)
