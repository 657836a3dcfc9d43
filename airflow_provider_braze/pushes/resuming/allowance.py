"""How many records may go out before the next checkpoint is kept: what bounds the records sent again after a kill.

Each checkpoint promises a number of sent records that its try does not exceed before a later one is in the store. The
promise is for some seconds at the push's pace, and the next one is asked for when half of it is used up, so that a push
hardly waits for the store. Where the store fails, the push breaks the promise rather than wait: an empty file in the
try's folder says so first. Before its first checkpoint each try may send the least.

Above: the checkpoints. Below: the ledger, and the folder of the try.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.plain import remove, write_whole
from airflow_provider_braze.storage.reports.reports_folder import in_reports_folder
from airflow_provider_braze.users_track.ledger.ledger import Ledger

BROKEN = "rejects.csv.promise-broken.part"
"""Name of the file that says so; whatever tidies the parts of a rejects file tidies it, too."""

LEAST = 2000
"""Records of the smallest promise, and of the one that holds before the first checkpoint of a try."""

_SECONDS = 4.0
"""Seconds of sending that a promise is for."""

_SHORTEST = 0.5
"""Seconds over which the pace is measured at least."""


class Allowance:
    """The promises of one try; without :meth:`begin` there are none, and everything may go.

    :param ledger: counts what is sent, and writes the promise into its checkpoints.
    :param ask: has a checkpoint with the next promise kept; its result is whether it is.
    :param folder: the try's own, where there is one.
    """

    def __init__(self, ledger: Ledger, ask: Callable[[], Future[bool]], folder: Location | None) -> None:
        self._ledger, self._ask, self._folder = ledger, ask, folder
        self._asked: Future[bool] | None = None
        self._wake: Callable[[], None] = _nobody
        self._needed = 0
        self._since, self._sent = time.monotonic(), ledger.sent
        self._given_up = False

    def begin(self) -> None:
        """Send no more than the least before the first checkpoint of this try is kept: nothing has to say so."""
        if not self._ledger.sent_again.never:
            self._ledger.sent_again.until = self._ledger.sent + LEAST

    def next_until(self) -> int | None:
        """Give the promise of the checkpoint that is now taken; None where there is none any more."""
        if self._given_up:
            return None
        now, sent = time.monotonic(), self._ledger.sent
        pace = max(0, sent - self._sent) / max(_SHORTEST, now - self._since)
        self._since, self._sent = now, sent
        # At least twice what is wanted: at half of it the next promise is asked for.
        return sent + max(LEAST, 2 * self._needed, int(pace * _SECONDS))

    def lets(self, records: int, wake: Callable[[], None]) -> bool:
        """Whether so many records more may count as sent.

        :param wake: called from another thread when asking again tells more.
        """
        promised, sent = self._ledger.sent_again, self._ledger.sent
        if promised.until is None:
            return True
        half = self._sent + (promised.until - self._sent) // 2
        self._wake, self._needed = wake, records
        if sent + records > half and self._may_ask():
            self._asked = self._ask()
            self._asked.add_done_callback(lambda _: self._wake())
        return promised.lets(sent + records)

    def _may_ask(self) -> bool:
        """Whether a next promise may be asked for: never again after one that failed, which will not go better."""
        return self._asked is None or (self._asked.done() and self._asked.result())

    def extend(self, until: int | None) -> None:
        """Say that the checkpoint with this promise is kept."""
        if not self._given_up:
            self._ledger.sent_again.until = until

    def give_up(self) -> None:
        """Promise nothing any more: say so where a later try looks, before more is sent than was promised."""
        if self._given_up or self._ledger.sent_again.until is None:
            return
        if self._folder is not None:
            write_whole(self._folder.child(BROKEN), b"")
        self._given_up = True
        self._ledger.sent_again.until = None

    def tidy(self) -> None:
        """Delete what says that the promise was broken: no later try goes on from here."""
        if self._given_up and self._folder is not None:
            # One that is left over is only untidy.
            with contextlib.suppress(Exception):
                remove(self._folder.child(BROKEN))


def _nobody() -> None:
    """Nobody waits yet."""


def is_broken(attempt_folders: Iterable[str], counts: Mapping[str, Any]) -> bool:
    """Whether a killed try has sent more than its last checkpoint promises.

    :param attempt_folders: the folders of all tries so far.
    :param counts: of that checkpoint.
    """
    if counts.get("sent_until") in (None, counts["sent"]):
        # It promises nothing, or the try came to an end of its own.
        return False
    return any(in_reports_folder(folder, 2).child(BROKEN).exists() for folder in attempt_folders)


def of_a_try_without_checkpoint(folder: Location) -> int | None:
    """Give the most records that a try has sent which was killed before it had kept anything; None: any number.

    :param folder: the try's own.
    """
    return None if folder.child(BROKEN).exists() else LEAST
