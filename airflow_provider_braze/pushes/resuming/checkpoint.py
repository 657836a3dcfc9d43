"""What a later try goes on from: how far Braze has acknowledged everything, and the counts up to there.

Each attempt stands above; below are the ledger and the rejects file, of which it keeps what belongs together.

What always holds: whatever a checkpoint in the store counts is on disk, and no more records go out than it promises,
unless a file in the folder of the try says so first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from airflow_provider_braze.exceptions import BrazeLongWaitError, RejectsError, ReportError, describe
from airflow_provider_braze.pushes.resuming.allowance import Allowance
from airflow_provider_braze.pushes.resuming.resume_state import ResumeState
from airflow_provider_braze.rejects.writer import RejectsFile, RejectsInReport
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.reports.reports_folder import in_reports_folder
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.transport.limiter import Limiter

CHECKPOINT_KEY = "braze_checkpoint"
"""Key of Airflow's task state store (3.3+) under which an unfinished push keeps its checkpoint."""

WENT_THROUGH = "went_through"
"""What a push that may be sent but once has kept in the end, in place of a checkpoint."""

EVERY = 2.0
"""Seconds between two checkpoints; the first is kept as soon as there is anything to keep."""

SAVED_WITHIN = 2.0
"""Seconds in which a checkpoint should be in its store; after that the push goes on without its promise."""

_LOOK_AGAIN = 0.005
"""Seconds between two looks whether the store has a checkpoint."""

Save = Callable[[dict[str, Any] | None], object]
"""Saves a checkpoint, or forgets the last one (None); it must not block for long."""


class Checkpoints:
    """Takes the checkpoints of one push. They are written by a thread, one after the other; the push waits for none.

    :param bound_to: see :func:`binding`.
    :param ledger: its counts.
    :param rejects: its rejects file, of which every checkpoint ends a part.
    :param resume_state: what it goes on from.
    :param save: saves them.
    :param is_saved: whether what was given to ``save`` is in its store; None: it could not be brought there.
    :param announced: what of the write-ahead log goes into each of them.
    :param before: called before each is taken: what it says is settled is remembered by then.
    :param token: of the push, which each later try keeps.
    :param killed: folders of the tries just before that were killed before they had kept anything.
    """

    def __init__(
        self,
        bound_to: str,
        ledger: Ledger,
        rejects: RejectsFile | RejectsInReport,
        *,
        resume_state: ResumeState | None = None,
        save: Save | None = None,
        is_saved: Callable[[], bool | None] = lambda: True,
        announced: Callable[[], Mapping[str, Any]] | None = None,
        before: Callable[[], None] = lambda: None,
        token: str = "",
        killed: Sequence[Location] = (),
    ) -> None:
        self.started_at = (
            resume_state.started_at if resume_state else datetime.now(UTC).isoformat(timespec="seconds")
        )
        self._bound_to, self._ledger, self._rejects = bound_to, ledger, rejects
        self._resume_state, self._save = resume_state, save
        self._is_saved, self._announced, self._before = is_saved, announced, before
        self._token, self._killed = token, killed
        # One thread: parts and checkpoints are written in the order in which they were taken.
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[bool] | None = None
        self._ahead: Future[bool] | None = None
        # What kept one from being written, and nobody has heard yet: the push may end before anybody asks.
        self._failed: BaseException | None = None
        self._began = time.monotonic()
        self._saved_at = float("-inf")
        self._saved_records = ledger.settled.records
        self._limiter: Limiter | None = None
        self._is_over = False
        self.allowance = Allowance(ledger, self._extend, rejects.folder)

    def _extend(self) -> Future[bool]:
        return self._begin(SAVED_WITHIN)

    def watch(self, limiter: Limiter) -> None:
        """Begin, and count what the limit costs, too."""
        self._limiter = limiter
        if self._save is not None:
            self.allowance.begin()

    @property
    def keeping(self) -> bool:
        """Whether there is a store for them."""
        return self._save is not None

    @property
    def seconds(self) -> float:
        """How long the push took, with its earlier tries."""
        earlier = self._resume_state.seconds if self._resume_state else 0.0
        return round(time.monotonic() - self._began + earlier, 3)

    @property
    def waits(self) -> dict[str, Any]:
        """What the limit cost, with the earlier tries."""
        refusals, waited = (
            (self._resume_state.rate_limited, self._resume_state.waited_seconds)
            if self._resume_state
            else (0, 0.0)
        )
        paced = self._resume_state.paced_seconds if self._resume_state else 0.0
        if self._limiter:
            paced += self._limiter.paced_seconds
            refusals += self._limiter.refusals
            waited += self._limiter.paused_seconds
        return {
            "rate_limited": refusals,
            "waited_seconds": round(waited, 3),
            "paced_seconds": round(paced, 3),
        }

    def tick(self) -> None:
        """Keep a checkpoint when it is time, and there is more to keep than the last time.

        :raises BaseException: what kept the last one from being saved.
        """
        # Before anything else: a push that waits for the next promise settles nothing, and would never hear of it.
        if (failed := self._what_failed()) is not None:
            raise failed
        settled = self._ledger.settled.records
        if self._save is None or settled == self._saved_records or time.monotonic() - self._saved_at < EVERY:
            return
        # Never two under way: behind a slow store they would pile up, each older than what is sent by then.
        if self._writing is None or self._writing.done():
            self._extend()

    def ahead(self, seconds: float, wake: Callable[[], None]) -> bool | None:
        """Keep a checkpoint, and see to it that it is in its store before anything further happens.

        :param seconds: how long that may take.
        :param wake: called from another thread when asking again tells more.
        :return: whether it was in time; None while that is not known.
        """
        if self._ahead is None:
            self._ahead = self._begin(seconds)
            self._ahead.add_done_callback(lambda _: wake())
        if not self._ahead.done():
            return None
        in_time, self._ahead = self._ahead.result(), None
        return in_time

    def _begin(self, seconds: float) -> Future[bool]:
        """Take a checkpoint of now, and have it written."""
        # Taken here, on the push's own thread, which alone counts: the other thread only writes it.
        self._saved_at, self._saved_records = time.monotonic(), self._ledger.settled.records
        until = self.allowance.next_until()
        self._writing = self._writer.submit(self._write, self._take(until), until, seconds)
        return self._writing

    def _write(self, checkpoint: dict[str, Any], until: int | None, seconds: float) -> bool:
        """Write a checkpoint, on the thread for that; whether it is in its store after so many seconds.

        Where it is not, either nothing is promised any more, or the push is about to end.
        """
        try:
            # On an object store, the end of a part is an upload. What names a part must not be there before it is.
            self._rejects.finish_parts()
            if self._save is not None:
                self._save(checkpoint)
            # Given to the store is not in it: a kill in between must find the older promise still kept.
            if not self._arrives(seconds):
                return False
        except RejectsError as error:
            self._ledger.trouble = error
            return False
        except BaseException as error:
            self._failed = error
            if isinstance(error, Exception):
                # The push goes on without it.
                self._give_up()
            return False
        # Last: from here on records go out that only this checkpoint promises.
        self.allowance.extend(until)
        return True

    def _arrives(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not (is_saved := self._is_saved()):
            if self._is_over:
                return False
            if is_saved is None or time.monotonic() > end:
                self._give_up()
                return False
            time.sleep(_LOOK_AGAIN)
        return True

    def _give_up(self) -> None:
        try:
            self.allowance.give_up()
        except Exception as error:
            self._ledger.trouble = ReportError(
                f"Neither Airflow's task state store nor the reports folder can be written: {describe(error)}."
            )

    def _what_failed(self) -> BaseException | None:
        failed, self._failed = self._failed, None
        return failed

    def finish(self, error: BaseException | None) -> BaseException | None:
        """Wait for the last one to be written; what ends the push: the error, or else what that one has met.

        A checkpoint that could not be saved is only noted: the push is over. Rejects that could not are lost.
        """
        # Nobody waits for the store any more, but for the part of the rejects file that is being ended.
        self._is_over = True
        self._writer.shutdown()
        failed = self._what_failed()
        if error is not None:
            return error
        if isinstance(failed, Exception):
            self._ledger.note(f"The last checkpoint could not be saved: {describe(failed)}.")
            failed = None
        return failed or self._ledger.trouble

    def tidy(self) -> None:
        """Delete what earlier tries have left behind and nothing goes on from any more."""
        self.allowance.tidy()
        folders = self._resume_state.attempt_folders if self._resume_state else ()
        if earlier := [*self._killed, *(in_reports_folder(folder, 2) for folder in folders)]:
            self._rejects.tidy(earlier)

    def end(self, error: BaseException | None, *, only_once: bool = False) -> bool:
        """Keep the last checkpoint of a push that was stopped, and forget those of one that went through.

        :param error: what :meth:`finish` gave.
        :param only_once: what it has sent must not be sent again: nothing is forgotten, for :meth:`went_through` is to
            follow.
        :return: whether a later try may go on from here.
        """
        if error is None and not only_once:
            self._keep_last(None)
            return False
        waiting = isinstance(error, BrazeLongWaitError)
        try:
            checkpoint = self._take(self._ledger.sent, waiting=waiting)
            self._rejects.finish_parts()
        except RejectsError:
            return False
        if isinstance(error, BrazeLongWaitError):
            error.checkpoint = checkpoint
        kept = self._save is not None
        if self._ledger.settled.records or self._writing is not None:
            # Who goes on from this one, because the wait was broken off, has not waited for Braze until then.
            kept = self._keep_last({**checkpoint, "waiting_since": None})
        return kept or waiting

    def went_through(self, report: Mapping[str, Any], max_tries: int | None) -> None:
        """Keep the report of a push that went through in place of its last checkpoint: a retry sends nothing again.

        :param max_tries: of the task, by which a later try knows whether it was cleared since.
        """
        kept = {"bound_to": self._bound_to, "max_tries": max_tries, "report": report}
        if not self._keep_last({WENT_THROUGH: kept}):
            return
        end = time.monotonic() + SAVED_WITHIN
        while (is_saved := self._is_saved()) is False and time.monotonic() < end:
            time.sleep(_LOOK_AGAIN)
        # Until then a retry goes on from the last checkpoint, and needs the parts that it names.
        if is_saved:
            self.tidy()
            if self._rejects.folder is not None:
                self._rejects.tidy([self._rejects.folder])

    def _keep_last(self, checkpoint: dict[str, Any] | None) -> bool:
        """Save it, or forget the last one (None); whether that could be done: the push is over either way."""
        if self._save is None:
            return False
        try:
            self._save(checkpoint)
        except Exception as error:
            done = "forgotten" if checkpoint is None else "saved"
            self._ledger.note(f"The last checkpoint could not be {done}: {describe(error)}.")
            return False
        return True

    def _take(self, sent_until: int | None, *, waiting: bool = False) -> dict[str, Any]:
        """Write the checkpoint of this moment as JSON.

        :param sent_until: records that count as sent before the next one is kept, at most; None: nobody knows.
        :param waiting: from now on it waits for Braze.
        """
        # In this order: what the memory has learned and the rejects file holds by now is what the ledger counts below.
        self._before()
        self._rejects.cut()
        rejects = self._rejects.checkpoint()
        if self._resume_state and self._resume_state.attempt_folders:
            rejects["homes"] = [*self._resume_state.attempt_folders, *rejects.get("homes", ())]
        if self._announced is not None:
            rejects["handed"] = self._announced()
        return {
            "bound_to": self._bound_to,
            "token": self._token,
            "account": self._ledger.checkpoint(sent_until),
            "started_at": self.started_at,
            "seconds": self.seconds,
            "waiting_since": time.time() if waiting else None,
            **self.waits,
            **rejects,
        }
