"""An export of which some shards have gone through, and what that means to whoever pushes it next.

Nothing is lost and nothing is sent twice unsaid: with another number of shards a user may be in another one, so that
is refused; and a shard that went through is not repeated because another run is offered the export again.

Above: the push of an export. Below: the marks of its shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_braze.exceptions import HalfPushedError, ReportError
from airflow_provider_braze.pushes.sources.shards import Shard
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.shard_marks import Part, Parts, ShardMarks


def part_of(shard: Shard) -> Part:
    """Give a shard as its mark names it."""
    return Part(shard.of, shard.number)


@dataclass(frozen=True, slots=True)
class HalfPushed:
    """The shards of one export, as a push of it finds them.

    :param marks: where they are told.
    :param fingerprint: of the export.
    :param shard: which one is pushed now.
    :param parts: those that have gone through.
    :param earlier: the mark of this very one, where another task has brought it through.
    """

    marks: ShardMarks
    fingerprint: str
    shard: Shard
    parts: Parts
    earlier: Marker | None

    @classmethod
    def find(cls, marks: ShardMarks, fingerprint: str, shard: Shard, identity: PushIdentity) -> HalfPushed:
        """Look what there is.

        :param identity: who pushes: its own mark is none of another task, and to clear a task pushes again.
        :raises ReportError: it cannot be read.
        """
        own = part_of(shard)
        try:
            parts = marks.of(fingerprint)
            if own in parts.found:
                earlier = marks.read(fingerprint, own)
            elif not shard.is_everything:
                # The others may have been quicker, and have seen the export through that this run was offered half.
                earlier = marks.seen_through_by(fingerprint, own, identity)
            else:
                earlier = None
        except OSError as error:
            raise ReportError(
                f"{marks.root.url} cannot be read ({type(error).__name__}), so it cannot be told which shards of the "
                "export went through before."
            ) from error
        if earlier is not None and (earlier.brought is False or _is_own(earlier, identity)):
            earlier = None
        return cls(marks, fingerprint, shard, parts, earlier)

    @property
    def why_refused(self) -> str | None:
        """Say why the export must not be pushed with this number of shards; None where it may be."""
        other = self.parts.other_than(self.shard.of)
        if other is None:
            return None
        done = sorted(f"{part.number}/{part.of}" for part in self.parts.found if part.of == other)
        asked = "without shards" if self.shard.is_everything else f"as shard {self.shard}"
        return (
            f"Of {other} shards, {', '.join(done)} went through before, and the export is now to be pushed {asked}: a "
            f"user may then be in another part. Set the number of shards back to {other} until this export is whole; "
            f"or delete the files {self.fingerprint}-* in {self.marks.root.url} to have all of it pushed again."
        )

    def check(self) -> None:
        """Refuse another number of shards.

        :raises HalfPushedError: saying what to do.
        """
        if (why := self.why_refused) is not None:
            raise HalfPushedError(why)

    @property
    def is_left(self) -> bool:
        """Whether there is a mark of this shard, whoever left it."""
        return self.marks.read(self.fingerprint, part_of(self.shard)) is not None

    @property
    def told(self) -> str:
        """Say who brought this shard through before."""
        earlier = self.earlier or Marker()
        run = earlier.identity.run_id if earlier.identity else None
        where = f" Its report: {earlier.report}." if earlier.report else ""
        return (
            f"Shard {self.shard} of this export went through before{f', in the run {run}' if run else ''}: it is not "
            f"pushed again because others were still to come.{where}"
        )

    def leave(self, marker: Marker, report: Mapping[str, Any]) -> None:
        """Say that this shard has gone through."""
        brought = any(report[name] for name in ("accepted", "not_found", "unchanged"))
        mark = replace(marker, brought=brought if brought or report["failed"] else None)
        self.marks.leave(self.fingerprint, part_of(self.shard), mark)


def _is_own(mark: Marker, identity: PushIdentity) -> bool:
    return mark.identity is not None and mark.identity.is_of(
        identity.dag_id, identity.run_id, identity.task_id, identity.map_index
    )
