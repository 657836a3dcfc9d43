"""pycurl's multi interface: libcurl, with a loop of its own."""

from __future__ import annotations

from collections import Counter

import pycurl

from benchmarks.clients import Job
from benchmarks.profiles import TRACK


class Transfer:
    """One handle, used for one request after the other."""

    def __init__(self, job: Job) -> None:
        self.handle = pycurl.Curl()
        self.headers: dict[str, str] = {}
        self.answer = bytearray()
        options = {
            pycurl.URL: job.host + TRACK,
            pycurl.POST: 1,
            pycurl.HTTPHEADER: [f"{name}: {value}" for name, value in job.headers.items()],
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.NOSIGNAL: 1,
            pycurl.NOPROXY: "*",
            pycurl.TIMEOUT: 30,
            pycurl.WRITEFUNCTION: self.answer.extend,
            pycurl.HEADERFUNCTION: self._header,
        }
        for option, value in options.items():
            self.handle.setopt(option, value)
        if job.certificate:
            self.handle.setopt(pycurl.CAINFO, job.certificate)

    def start(self, body: bytes) -> pycurl.Curl:
        """Make the handle ready for the next body."""
        self.headers.clear()
        self.answer.clear()
        self.handle.setopt(pycurl.POSTFIELDS, body)
        return self.handle

    def _header(self, line: bytes) -> None:
        name, _, value = line.decode("latin-1").partition(":")
        self.headers[name.lower()] = value.strip()


def send(job: Job) -> Counter[int]:
    """Post all the bodies."""
    statuses: Counter[int] = Counter()
    multi = pycurl.CurlMulti()
    transfers = {transfer.handle: transfer for transfer in (Transfer(job) for _ in range(job.in_flight))}
    free = list(transfers.values())
    bodies = job.bodies
    exhausted = False
    while True:
        while free and not exhausted:
            body = next(bodies, None)
            if body is None:
                exhausted = True
            else:
                multi.add_handle(free.pop().start(body))
        if exhausted and len(free) == len(transfers):
            return statuses
        multi.perform()
        for transfer in _finished(multi, transfers):
            statuses[transfer.handle.getinfo(pycurl.RESPONSE_CODE)] += 1
            free.append(transfer)
        if not free or exhausted:
            multi.select(1.0)


def _finished(multi: pycurl.CurlMulti, transfers: dict[pycurl.Curl, Transfer]) -> list[Transfer]:
    finished: list[Transfer] = []
    left = 1
    while left:
        left, done, failed = multi.info_read()
        if failed:
            raise RuntimeError(f"pycurl: {failed[0][2]}")
        for handle in done:
            multi.remove_handle(handle)
            finished.append(transfers[handle])
    return finished
