"""How many records went out in more than one try: exactly, or at most so many where a try was killed.

A killed try has sent more than its last checkpoint says. So each checkpoint also promises how many records count as
sent before the next one is kept, and no request goes out beyond that: ``pushes/resuming/allowance.py`` asks for more
in time.

Above: the ledger. Below: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class SentAgain:
    """Counts what earlier tries have sent, too.

    :param counted: records that were sent again, as far as earlier tries, or the merging of this one, know of them.
    :param beyond: records that the last try had sent behind its settled beginning, at most; None: nothing bounds them.
    :param before: records that counted as sent when this try began.
    :param most: records of this try of which some may have been sent before; None: all of them.
    :param never: nothing is sent again, whatever happens.
    :param until: what this try promises: no more records count as sent before a later checkpoint is kept; None:
        nothing.
    """

    counted: int = 0
    beyond: int | None = 0
    before: int = 0
    most: int | None = None
    never: bool = False
    until: int | None = None

    def lets(self, sent: int) -> bool:
        """Whether so many records may count as sent."""
        return self.until is None or sent <= self.until

    def total(self, sent: int) -> int:
        """Count the records that were sent again.

        :param sent: those that count as sent by now.
        """
        bounds = (sent - self.before, self.beyond, self.most)
        return self.counted + max(0, min(bound for bound in bounds if bound is not None))

    def is_short(self, sent: int) -> bool:
        """Whether this try has not come to all that the last one had sent, so that nobody knows how much it was."""
        return self.beyond is not None and 0 < sent - self.before < self.beyond

    def promised(self, sent: int, until: int | None) -> dict[str, Any]:
        """Write what a later try has to know, as JSON.

        :param until: records that count as sent before a later checkpoint is kept, at most; None: any number.
        """
        most = sent if until is None else until
        # What this try has not come to, the next one sends again in its place.
        again = max(0, most - self.before) if self.beyond is None else self.beyond
        return {
            "sent_again": self.counted + again,
            "sent_until": until,
            "sent_before_is_known": self.beyond is not None,
        }

    def resume(self, checkpoint: Mapping[str, Any], settled: int) -> bool:
        """Go on from what :meth:`promised` wrote; older versions promised nothing.

        :param settled: records of the settled beginning that count as sent.
        :return: whether the count is known exactly.
        """
        if self.never:
            return True
        until: int | None = checkpoint.get("sent_until")
        self.counted, self.before = checkpoint["sent_again"], settled
        if until is None or not checkpoint["sent_before_is_known"]:
            self.beyond = None
            return False
        self.beyond = max(0, until - settled)
        return bool(until == checkpoint["sent"])
