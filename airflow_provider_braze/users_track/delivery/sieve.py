"""Between the window and the requests, where only what changed is sent: what needs not be sent is left out here.

Of what is taken from the window together, most may be unchanged, so much is taken at once, and what is left of several
takings goes into one request. A user's objects of one taking stay in one request. The window has its users back when
all of a taking has its outcome.

Above: the loop in ``push``, and the plan. Below: the window; the memory itself stands above, and is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.users_track.batching.batch import Batch, Part
from airflow_provider_braze.users_track.batching.merge_window import MergeWindow, ProfileObject
from airflow_provider_braze.users_track.ledger.ledger import Ledger

TAKEN_TOGETHER = 1500
"""Objects that are compared at once, in one transaction of the memory."""


class Reduced(Protocol):
    """What becomes of some objects."""

    changed: list[ProfileObject]
    """Those that are to be sent, in their order, without what needs not be."""

    unchanged: list[ProfileObject]
    """Those of which nothing is left."""


class Changes(Protocol):
    """The memory, as the delivery sees it."""

    def reduce(self, items: Sequence[ProfileObject], *, confirmed: bool = False) -> Reduced:
        """Take out of objects what Braze was told before; what is to be sent is forgotten when this returns.

        :param confirmed: Braze is known to have a profile of each user.
        """

    def absent(self, items: Sequence[ProfileObject]) -> None:
        """Forget users whom Braze does not know."""


@dataclass(slots=True, eq=False)
class Taking:
    """What was taken from the window together.

    :param parts: as they were taken.
    :param open: objects of it that have no outcome yet.
    """

    parts: Sequence[Part]
    open: int


Taken = tuple[ProfileObject, Taking]


def reduced(
    changes: Changes, ledger: Ledger, items: Sequence[ProfileObject], *, confirmed: bool
) -> list[ProfileObject]:
    """Give what of some objects is to be sent; those of which nothing is left have their outcome then."""
    found = changes.reduce(items, confirmed=confirmed)
    for item in found.unchanged:
        ledger.settle(item, "unchanged")
    return found.changed


class Sieve:
    """
    Takes from a window what is to be sent.

    :param window: it may give much at once.
    :param changes: the memory.
    :param ledger: takes the outcome of what is unchanged.
    :param most: gives the most objects of a request.
    """

    def __init__(
        self, window: MergeWindow, changes: Changes, ledger: Ledger, most: Callable[[], int]
    ) -> None:
        self._window, self._changes, self._ledger, self._most = window, changes, ledger, most
        self._waiting: deque[Taken] = deque()
        window.objects_per_request = max(TAKEN_TOGETHER, most())

    @property
    def empty(self) -> bool:
        """Whether nothing that was taken waits for a request."""
        return not self._waiting

    def take(self, may_take: Callable[[], bool]) -> tuple[Batch, list[Taking]] | None:
        """Give the next batch and what it belongs to, or None while more has to be read or answered first.

        :param may_take: whether the window may be asked now.
        :raises BrazeError: the memory can neither be written nor set aside; what it was asked about waits.
        """
        exhausted = False
        while len(self._waiting) < self._most() and not exhausted:
            if not may_take():
                return None
            exhausted = not self._sift()
        if not self._waiting:
            return None
        chosen = self._choose()
        return Batch([item for item, _ in chosen]), [taking for _, taking in chosen]

    def _sift(self) -> bool:
        """Take from the window, and leave out what needs not be sent; False where the window has nothing to give."""
        batch = self._window.take()
        if batch is None:
            return False
        items = batch.items
        taking = Taking(batch.parts, len(items))
        try:
            changed = reduced(self._changes, self._ledger, items, confirmed=False)
        except BrazeError:
            self._waiting += [(item, taking) for item in items]
            raise
        self._waiting += [(item, taking) for item in changed]
        self._settled(taking, len(items) - len(changed))
        return True

    def _choose(self) -> list[Taken]:
        most, room = self._most(), self._window.room
        chosen: list[Taken] = []
        while self._waiting and most > 0:
            run = self._run_of(self._waiting[0][0])
            size = sum(len(each.body) + 1 for each, _ in run)
            if chosen and (size > room or len(run) > most):
                break
            for _ in run:
                chosen.append(self._waiting.popleft())
            most, room = most - len(run), room - size
        return chosen

    def _run_of(self, first: ProfileObject) -> list[Taken]:
        """Give the first objects that wait, as long as they are of one user: Braze processes them in their order."""
        run: list[Taken] = []
        for each in self._waiting:
            if each[0].identity != first.identity:
                break
            run.append(each)
        return run

    def ended(self, takings: Iterable[Taking]) -> None:
        """Say that some objects have their outcome."""
        for taking in takings:
            self._settled(taking, 1)

    def _settled(self, taking: Taking, count: int) -> None:
        taking.open -= count
        if not taking.open and taking.parts:
            self._window.release(taking.parts)
            taking.parts = ()

    def drain(self) -> list[ProfileObject]:
        """Take out what waits and will not be sent."""
        left = [item for item, _ in self._waiting]
        self._waiting.clear()
        return left
