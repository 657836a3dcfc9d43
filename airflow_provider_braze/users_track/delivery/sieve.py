"""Between the window and the requests, where only what changed is sent: what needs not be sent is left out here.

Of what is taken from the window, most may be unchanged, so several batches are compared together. One of which nothing
is left out goes as it was taken; what is left of the others goes into common requests. A user's objects of one batch
stay in one request. The window has its users back when all of a batch has its outcome.

Above: the loop in ``push``, and the plan. Below: the window; the memory itself stands above, and is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.users_track.batching.batch import Batch, Part, size
from airflow_provider_braze.users_track.batching.merge_window import MergeWindow, ProfileObject
from airflow_provider_braze.users_track.batching.record_block import BlockSlice
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.rules.data_points import Billed

TAKEN_TOGETHER = 6000
"""Objects that are compared at once, in one transaction of each file of the memory."""

_OF_ONE_TAKING = 500
"""Objects that are given back to the window together: so many are few against those that it holds."""


class ComparedObjects(Protocol):
    """What becomes of some objects."""

    changed: list[ProfileObject]
    """Those that are to be sent, in their order, without what needs not be."""

    unchanged: list[ProfileObject]
    """Those of which nothing is left."""


class ComparedPart(Protocol):
    """What becomes of a part of which something is left out."""

    items: list[ProfileObject]
    """Single objects of which nothing is left."""

    unchanged: list[Billed]
    """What those of a block cost of which nothing is left."""

    reduced_by: list[Billed]
    """What is left out of the others of a block."""

    changed: list[Part]
    """Those that are to be sent, in their order, without what needs not be."""


class Changes(Protocol):
    """The memory, as the delivery sees it."""

    def sift(self, parts: Sequence[Part]) -> Sequence[ComparedPart | None]:
        """Take out of what was taken what Braze was told before; what is to be sent is forgotten when this returns.

        :return: of each part what becomes of it; None of one that is to be sent as it is then.
        """

    def reduce(self, items: Sequence[ProfileObject], *, confirmed: bool = False) -> ComparedObjects:
        """Take out of objects what Braze was told before; what is to be sent is forgotten when this returns.

        :param confirmed: Braze is known to have a profile of each user.
        """

    def accepted(self, several: Sequence[Any]) -> None:
        """Remember what Braze has accepted.

        :param several: what the objects carry for it (``told``); None of one of which nothing is remembered.
        """

    def absent(self, items: Sequence[ProfileObject]) -> None:
        """Forget users whom Braze does not know."""


@dataclass(slots=True, eq=False)
class Taking:
    """A batch that was taken from the window, and of which something is left out.

    :param parts: as they were taken.
    :param open: objects of it that have no outcome yet.
    """

    parts: Sequence[Part]
    open: int


Taken = tuple[Part, Taking]

Share = tuple[Taking, int]
"""So many objects of a taking."""


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
        self._objects = 0
        window.objects_per_request = max(TAKEN_TOGETHER, most())

    @property
    def empty(self) -> bool:
        """Whether nothing that was taken waits for a request."""
        return not self._waiting

    def take(self, may_take: Callable[[], bool]) -> tuple[Batch, list[Share]] | None:
        """Give the next batch and what it belongs to, or None while more has to be read or answered first.

        :param may_take: whether the window may be asked now.
        :raises BrazeError: the memory can neither be written nor set aside; what it was asked about waits.
        """
        exhausted = False
        while self._objects < self._most() and not exhausted:
            if not may_take():
                return None
            exhausted = not self._sift()
        if not self._waiting:
            return None
        chosen = self._choose()
        return Batch([part for part, _ in chosen]), [(taking, size(part)) for part, taking in chosen]

    def _take_together(self) -> list[Taking]:
        taken: list[Taking] = []
        objects = 0
        # Only the first may end a look-ahead early, as any that is taken from a window that is full.
        while objects < TAKEN_TOGETHER and (self._window.has_ready or not taken):
            batch = self._window.take(max(_OF_ONE_TAKING, self._most()))
            if batch is None:
                break
            taken.append(Taking(batch.parts, sum(map(size, batch.parts))))
            objects += taken[-1].open
        return taken

    def _sift(self) -> bool:
        """Take from the window, and leave out what needs not be sent; False where the window has nothing to give."""
        taken = self._take_together()
        try:
            sifted = iter(self._changes.sift([part for taking in taken for part in taking.parts]))
        except BrazeError:
            for taking in taken:
                self._wait(taking.parts, taking)
            raise
        for taking in taken:
            self._leave_out(taking, [next(sifted) for _ in taking.parts])
        return bool(taken)

    def _wait(self, parts: Sequence[Part], taking: Taking) -> None:
        self._waiting += [(part, taking) for part in parts]
        self._objects += sum(map(size, parts))

    def _leave_out(self, taking: Taking, found: Sequence[ComparedPart | None]) -> None:
        """Settle what of a taking is unchanged, and let the rest of it wait for a request with others."""
        settled = 0
        for part, each in zip(taking.parts, found, strict=True):
            if each is None:
                self._wait([part], taking)
                continue
            for item in each.items:
                self._ledger.settle(item, "unchanged")
            if isinstance(part, BlockSlice):
                self._ledger.leave_out(part.block.segment, each.unchanged, each.reduced_by)
            settled += len(each.items) + len(each.unchanged)
            self._wait(each.changed, taking)
        self._settled(taking, settled)

    def _choose(self) -> list[Taken]:
        """Choose what goes into the next request: it may be a part of what was taken together."""
        most, room = self._most(), self._window.room
        chosen: list[Taken] = []
        while self._waiting and most > 0:
            first, taking = self._waiting[0]
            run = [first] if isinstance(first, BlockSlice) else self._run_of(first)
            rest: BlockSlice | None = None
            if isinstance(first, BlockSlice):
                now, rest = first.parted(most, room)
                run = [] if now is None else [now]
            objects, bytes_ = sum(map(size, run)), sum(map(_bytes, run))
            if not run or (chosen and (bytes_ > room or objects > most)):
                break
            for part in run:
                chosen.append((part, self._waiting.popleft()[1]))
            if rest is not None:
                self._waiting.appendleft((rest, taking))
            most, room = most - objects, room - bytes_
            self._objects -= objects
        return chosen

    def _run_of(self, first: ProfileObject) -> list[Part]:
        """Give the first objects that wait, as long as they are of one user: Braze processes them in their order."""
        run: list[Part] = []
        for part, _ in self._waiting:
            if isinstance(part, BlockSlice) or part.identity != first.identity:
                break
            run.append(part)
        return run

    def ended(self, shares: Iterable[Share]) -> None:
        """Say that some objects have their outcome."""
        for taking, objects in shares:
            self._settled(taking, objects)

    def _settled(self, taking: Taking, count: int) -> None:
        taking.open -= count
        if not taking.open and taking.parts:
            self._window.release(taking.parts)
            taking.parts = ()

    def drain(self) -> list[ProfileObject]:
        """Take out what waits and will not be sent."""
        left = Batch([part for part, _ in self._waiting]).items
        self._waiting.clear()
        self._objects = 0
        return left


def _bytes(part: Part) -> int:
    """Count the bytes that a part takes of a request, with a comma behind it."""
    return (part.size if isinstance(part, BlockSlice) else len(part.body)) + 1
