"""The objects of rows of an author's own, one for each row, sent as given.

Above: the push of rows. Below: the rows as given, or the rejects file of some.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from airflow_provider_braze.pushes.resuming.write_ahead_log import (
    FREE,
    MERGED,
    UNKNOWN,
    RowReference,
    RowsLedger,
    WriteAheadLog,
)
from airflow_provider_braze.pushes.rows.given_rows import GivenRow
from airflow_provider_braze.pushes.rows.row_identity import identity_of, why_nobody
from airflow_provider_braze.pushes.rows.row_values import BadRowError, as_json
from airflow_provider_braze.pushes.sources import export_source
from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.pushes.sources.rejects_parent import ROWS_COLUMNS
from airflow_provider_braze.pushes.sources.shards import Shard
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.rejects.reader import RejectsReader
from airflow_provider_braze.users_track.batching.batch import why_never_sent
from airflow_provider_braze.users_track.batching.merge_window import ARRAYS, ProfileObject, Single
from airflow_provider_braze.users_track.batching.profile_object import Identity
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.records import ALREADY_SETTLED, RecordReference

AHEAD = 5000
"""Rows that one checkpoint announces: after a kill, as many more may be unknown; each costs a write of the store."""

_NO_ROW = "not a row of attributes, events or purchases as JSON"

Announce = Callable[[Callable[[], None]], bool]
"""Writes down that rows may be sent; whether that is done. What it is given is called when asking again tells more."""

_UNCOUNTED = RecordReference(-1, (), ALREADY_SETTLED)


def rejected_rows(rejects: ExportItem, dialect: Dialect) -> Iterator[GivenRow]:
    """Read the rejects file of an earlier push of rows; a spreadsheet may have saved it in an encoding of its own."""
    with export_source.open_buffered(rejects.file()) as file:
        reader = RejectsReader(file, name=rejects.where.name, delimiter=rejects.delimiter, dialect=dialect)
        for (index, cells, problem), outcome in reader.with_outcomes():
            array, text = cells if len(cells) == len(ROWS_COLUMNS) else ("", "")
            content, unsendable = _content_of(text)
            if problem is None:
                problem = unsendable if array in ARRAYS else _NO_ROW
            yield GivenRow(index, array, content, tuple(cells), outcome, problem)


def own_rows(rows: Iterator[GivenRow], shard: Shard) -> Iterator[GivenRow]:
    """Give the rows of a shard; those that name nobody are of the first one."""
    passed_over = 0
    for row in rows:
        identity = identity_of(row.content) if isinstance(row.content, Mapping) else None
        if shard.takes(identity):
            yield row._replace(passed_over=passed_over) if passed_over else row
            passed_over = 0
        else:
            passed_over += 1


def counted_users(rows: Iterator[GivenRow]) -> frozenset[Identity]:
    """Find the users with increments: to set one of their values again could undo one."""
    return frozenset(
        identity
        for row in rows
        if row.array == "attributes" and _counts_each_time(row) and (identity := identity_of(row.content))
    )


class RowsSource:
    """Makes objects of rows, once.

    Events and purchases may be sent but once, and so may all attributes of users with increments.

    :param rows: the rows.
    :param counted: users with increments, where a later try may go on.
    :param mode: ``upsert`` or ``append`` sets ``_update_existing_only``; ``auto`` leaves it as given.
    :param retry_events: send what counts each time again, though it may have arrived.
    :param log: what is known of rows that may be sent but once.
    :param announce: keeps a checkpoint before such rows are sent; None: nothing is kept of them.
    :param partner: partner name that goes into every request.
    """

    def __init__(
        self,
        rows: Iterator[GivenRow],
        *,
        mode: str,
        counted: frozenset[Identity] = frozenset(),
        retry_events: bool = False,
        log: WriteAheadLog | None = None,
        announce: Announce | None = None,
        partner: str | None = None,
    ) -> None:
        self.read = 0
        self.passed = 0.0
        """Rows that were read or passed over; in the end, all that there can be."""
        self._to_announce = False
        self._rows, self._mode, self._retry_events = rows, mode, retry_events
        self._counted = counted
        self._log = log or WriteAheadLog()
        self._partner = partner
        self._announce = None if retry_events else announce
        self._settled = 0
        self._next: GivenRow | None = None

    def objects(self, ledger: Ledger) -> Iterator[Single]:
        """Give the object of each row that can be sent; any other is settled at once, and gives None.

        What an earlier try has settled is passed over. Only the last attributes of it are given once more, because
        later rows may have to be folded into them.
        """
        self._settled = ledger.settled.records
        # Whether the first row has to be announced is asked before it is taken.
        self._look_ahead()
        return self._objects(ledger)

    def _objects(self, ledger: Ledger) -> Iterator[Single]:
        while (row := self._take()) is not None:
            ordinal = self.read
            self.read += 1
            self.passed = row.line + 1
            self._look_ahead()
            if row.passed_over:
                yield row.passed_over
            if ordinal < self._settled:
                yield (
                    self._replayed(row) if ordinal >= self._settled - export_source.REPLAYED_RECORDS else None
                )
            else:
                yield self._object(ledger, ordinal, row)
            if ordinal % AHEAD == 0:
                self._log.forget(ledger.settled.records)
        self.passed = math.inf

    def ready(self, wake: Callable[[], None]) -> bool:
        """Whether the next row may be taken: it is not before the log of what must not be sent twice names it.

        :param wake: called from another thread when asking again is worth while.
        """
        if not self._to_announce or self._announce is None:
            return True
        self._log.announce(self.read + AHEAD)
        if not self._announce(wake):
            return False
        self._look_ahead()
        return True

    def stop(self) -> None:
        """Announce nothing further."""
        self._to_announce, self._announce = False, None

    def _take(self) -> GivenRow | None:
        row, self._next = self._next, None
        return row or next(self._rows, None)

    def _look_ahead(self) -> None:
        """See whether the next row has to be announced before it is taken."""
        self._to_announce = False
        if self._announce is None or self.read < max(self._settled, self._log.announced):
            return
        if self._next is None:
            self._next = next(self._rows, None)
        self._to_announce = self._next is not None and self._may_go_but_once(self._next)

    def _may_go_but_once(self, row: GivenRow) -> bool:
        if row.array != "attributes":
            return True
        return isinstance(row.content, Mapping) and identity_of(row.content) in self._counted

    def _replayed(self, row: GivenRow) -> ProfileObject | None:
        """Give settled attributes once more, as later rows may have to be folded into them.

        Rows that may be sent but once are never folded into settled ones: the log knows what became of those that were.
        """
        if row.array != "attributes" or row.problem or not isinstance(row.content, Mapping):
            return None
        identity = identity_of(row.content)
        if identity is None or identity in self._counted:
            return None
        return ProfileObject(row.array, identity, self._content(row.content), [_UNCOUNTED])

    def _object(self, ledger: Ledger, ordinal: int, row: GivenRow) -> ProfileObject | None:
        reference = RecordReference.of(row.line, row.cells, ledger.begin())
        content = row.content
        problem = row.problem or why_nobody(row.array, content)
        if problem is not None:
            ledger.refuse(reference, "", problem)
            return None
        # One that names nobody is about nobody else.
        identity = identity_of(content) or ("push_token_import", str(ordinal))
        item = ProfileObject(row.array, identity, self._content(content), [reference])
        if self._may_go_but_once(row):
            return self._object_sent_once(ledger, ordinal, row, item)
        if row.outcome == UNKNOWN and not self._retry_events and _counts_each_time(row):
            self._settle(ledger, item, UNKNOWN)
            return None
        _may_go_again(ledger)
        return item

    def _object_sent_once(
        self, ledger: Ledger, ordinal: int, row: GivenRow, item: ProfileObject
    ) -> ProfileObject | None:
        """Give the object when it is to be sent now; else give it what earlier tries have made of it."""
        (reference,) = item.references
        item.references = [
            RowReference(reference.line, reference.packed, reference.segment, reference.cut, ordinal)
        ]
        before = self._log.take(ordinal)
        if self._retry_events:
            _may_go_again(ledger)
            before = FREE if before == UNKNOWN else before
        if before == FREE:
            if row.outcome == UNKNOWN and not self._retry_events:
                self._settle(ledger, item, UNKNOWN)
                return None
            return item
        self._settle(ledger, item, before)
        return None

    def _settle(self, ledger: Ledger, item: ProfileObject, outcome: str) -> None:
        """Settle an object that went out before and does not now.

        One that can never be sent was not sent before either.
        """
        if (reason := why_never_sent(item, self._partner)) is not None:
            ledger.settle(item, "invalid", reason)
            return
        ledger.sent += 1
        if outcome == MERGED:
            # With what it was merged is not known any more: some of its attributes may be counted there too.
            ledger.count_data_points(item, item.references[0].segment)
            ledger.upper_bounds.add("data_points")
        ledger.settle(item, outcome, export_source.MAY_HAVE_ARRIVED if outcome == UNKNOWN else "")

    def _content(self, content: Mapping[str, Any]) -> dict[str, Any]:
        sent = dict(content)
        if self._mode != "auto":
            sent["_update_existing_only"] = self._mode == "append"
        return sent


def _may_go_again(ledger: Ledger) -> None:
    if isinstance(ledger, RowsLedger):
        ledger.may_go_again()


def _counts_each_time(row: GivenRow) -> bool:
    if row.array != "attributes":
        return True
    return isinstance(row.content, Mapping) and any(map(_is_counted, row.content.values()))


def _is_counted(value: Any) -> bool:
    return isinstance(value, dict) and not ProfileObject("attributes", (), {"": value}, []).repeatable


def _content_of(text: str) -> tuple[dict[str, Any] | None, str | None]:
    """Read a row back, and say why it cannot be sent."""
    try:
        return as_json(json.loads(text, parse_float=Decimal)), None
    except BadRowError as bad:
        return None, str(bad)
    except (ValueError, RecursionError):
        return None, _NO_ROW
