"""HTTP clients side by side, with the very same bodies.

Each module has ``send(job)``, which posts all the bodies with so many requests in flight, reads status, headers and
body of each answer, and counts the statuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

NAMES = ("pycurl", "aiohttp", "pyreqwest")


@dataclass(frozen=True)
class Job:
    """What a client has to do.

    :param host: ``http://127.0.0.1:40123``
    :param samples: bodies, posted again and again.
    :param requests: how many to post.
    :param in_flight: how many at once.
    :param certificate: PEM file of the sink's certificate, for https.
    """

    host: str
    samples: list[bytes]
    requests: int
    in_flight: int
    certificate: str | None = None
    key: str = "benchmark-key"

    @property
    def bodies(self) -> Iterator[bytes]:
        """The bodies to post."""
        return islice(cycle(self.samples), self.requests)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
