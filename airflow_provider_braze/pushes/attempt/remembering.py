"""The memory of what Braze was told, in one try of a push: found before anything is sent, opened when it begins.

Above: a push. Below: the memory.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_provider_braze.memory import opening
from airflow_provider_braze.memory.memory import Memory, Wish
from airflow_provider_braze.memory.persistence import place
from airflow_provider_braze.memory.persistence.opened import Closable, close_all
from airflow_provider_braze.memory.previewing import Previews
from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.mapping.export_mapping import DEFAULT_TAGS, ExportMapping
from airflow_provider_braze.users_track.rules.names import key_of, squash
from airflow_provider_braze.users_track.rules.standard_fields import standard_name

_LOOK_EVERY = 30.0
"""Seconds between two looks at a network share whether another push has begun a memory there."""


class Remembering:
    """
    Opens and closes the memory for one try.

    :param job: says what the push asks of it, whose memory it has to be, and which users come.
    :param folder: of the memory; None where there is none, and none can come while the push runs.
    :param name: names the push, the same in each of its tries.
    :param say: takes a warning.
    """

    def __init__(self, job: Job, folder: Location | None, name: str, say: Callable[[str], None]) -> None:
        self._wish, self._workspace, self._buckets = job.memory, job.workspace, job.shard.buckets
        self._previews = job.previews
        self._folder, self._name, self._say = folder, name, say
        self._memory: Memory | None = None
        self._beside: Sequence[Closable] = ()
        self._looked_at = float("-inf")
        self._sends = False
        self._since: dict[str, Any] = {}

    @contextlib.contextmanager
    def preview(self) -> Iterator[Memory | None]:
        """Give the memory to look at, for a plan."""
        previews = self._previews or Previews()
        memory = None
        if self._folder is not None:
            memory = previews.memory(self._folder, self._wish, self._workspace, self._name)
        try:
            yield memory
        finally:
            if memory is not None:
                # What was priced is known to what is priced next.
                memory.close()
            if previews is not self._previews:
                previews.close()

    def open(self, ledger: Ledger) -> Memory | None:
        """Open it; None where nothing is to be left out, and nothing to be forgotten.

        :raises BrazeError: it can neither be used nor set aside.
        """
        if self._folder is None:
            return None
        self._sends = True
        found = opening.open_memory(
            self._folder, self._wish, self._workspace, self._name, self._say, self._buckets
        )
        if isinstance(found, Memory):
            self._memory, ledger.remember = found, found.accepted
        elif found is not None:
            self._beside = [found]
        return self._memory

    def look(self) -> None:
        """Look whether another push has begun a memory on a share meanwhile, which does not know of this one."""
        if not self._sends or self._folder is None or self._memory is not None or self._beside:
            return
        now = time.monotonic()
        if now - self._looked_at < _LOOK_EVERY:
            return
        self._looked_at = now
        if place.exists(self._folder):
            self._beside = place.disbelieve(self._folder, self._say)

    def flush(self) -> None:
        """Write what Braze has accepted, before a checkpoint says that it is settled."""
        if self._memory is not None:
            self._memory.flush()

    def end(self, ledger: Ledger, about: Mapping[str, Any], *, resumable: bool) -> None:
        """Close it at the end of a try.

        :param about: what the memory says of its last push.
        :param resumable: a later try may go on, and counts what this one has saved, too.
        """
        if self._memory is not None:
            saved = {} if resumable or not self._wish.only_changed else dict(ledger.total.saved)
            self._memory.end({} if resumable else dict(about), saved)
            self._since = self._memory.since()

    def close(self) -> None:
        """Let the next push have it."""
        try:
            if self._memory is None and not self._beside:
                self._looked_at = float("-inf")
                self.look()
        except ConnectionError as error:
            # What the push did is still to be reported.
            self._say(
                f"Whether another push has begun to remember what Braze was told cannot be told ({error}): if one has, "
                "it does not know of this push, and should be forgotten."
            )
        finally:
            memory, beside = self._memory, self._beside
            self._memory, self._beside, self._folder = None, (), None
            close_all([*filter(None, [memory]), *beside])

    def report(self, ledger: Ledger) -> dict[str, Any]:
        """Write what a report says of it; nothing where the push did not ask for it."""
        if not self._wish.only_changed:
            return {}
        counts = ledger.total
        return {
            "only_changed": True,
            "values_saved": counts.values_saved,
            "data_points_saved": sum(counts.saved.values()),
            "data_points_saved_by_attribute": dict(counts.saved.most_common()),
            **self._since,
        }


def with_targets(wish: Wish, mapping: ExportMapping) -> Wish:
    """Add to the columns that are always sent what a mapping makes of them.

    What only may be made of one is added, too: then at most too much is sent.
    """
    asked = frozenset(map(squash, wish.always_send))
    if not asked:
        return wish
    tags = {**DEFAULT_TAGS, **mapping.tags}
    declared = {**mapping.rename, **{name: tag.attribute for name, tag in tags.items()}}
    targets = {target for column, target in declared.items() if squash(column) in asked}
    targets.update(map(key_of, wish.always_send))
    targets.update(filter(None, map(standard_name, wish.always_send)))
    return replace(wish, always_send=wish.always_send | targets)
