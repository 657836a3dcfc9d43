"""From the source into the window, until the next batch is whole.

The loop in ``push`` stands above, and has it read in each turn; below it are the source, which maps records, and the
window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from airflow_provider_braze.users_track.batching.merge_window import MergeWindow, SourceItem
from airflow_provider_braze.users_track.ledger.ledger import Ledger

_READ_AT_ONCE = 500
"""Records after which the answers that have come are taken, and what may go is sent."""


class Feed(Protocol):
    """What a source is read from, so that the loop is never blocked by it."""

    def ready(self, wake: Callable[[], None]) -> bool:
        """Whether the source has something to give at once.

        :param wake: where it has not, called from any thread when asking again is worth while.
        """

    def stop(self) -> None:
        """Read nothing further."""


class Intake:
    """Reads a source, as far as it has something and the window has room.

    :param source: yields the objects of valid records, and None for a record that was settled already.
    :param window: takes the objects.
    :param ledger: takes the outcome of those that the window refuses; where it is crowded, nothing is read.
    :param feed: the file behind the source, where it has one.
    :param wake: ends the waiting of the loop; given to the feed.
    """

    def __init__(
        self,
        source: Iterator[SourceItem],
        window: MergeWindow,
        ledger: Ledger,
        feed: Feed | None,
        wake: Callable[[], None],
    ) -> None:
        self.source, self.exhausted = source, False
        self._window, self._ledger = window, ledger
        self._feed, self._wake = feed, wake

    @property
    def whole(self) -> bool:
        """Whether a batch can be taken without ending anybody's look-ahead early."""
        return self._window.full or (self.exhausted and not self._window.empty)

    def read(self) -> bool:
        """Read until the next batch is whole, but not for long; whether there was anything to read.

        What the source raises ends the reading for good.
        """
        window, feed = self._window, self._feed
        # Records, not bytes: a file that has nothing but invalid ones would never fill the window.
        last = window.read + _READ_AT_ONCE
        read = False
        try:
            while not (self.exhausted or window.full or self._ledger.crowded or window.read >= last):
                # Asked before each read, which would block: the loop has answers to take meanwhile.
                if feed is not None and not feed.ready(self._wake):
                    break
                read = True
                try:
                    found = next(self.source)
                except StopIteration:
                    self.exhausted = True
                    window.finish()
                    break
                for item, reason in window.take_in(found):
                    self._ledger.settle(item, "invalid", reason)
        except Exception:
            self.exhausted = True
            raise
        return read

    def stop(self) -> None:
        """Read nothing further, ahead of the source either."""
        if self._feed is not None:
            self._feed.stop()
