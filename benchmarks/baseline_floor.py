"""Baseline: the floor. ``csv.reader``, a mapping written out for these very columns, msgspec, one raw socket.

Nothing is checked, merged, accounted for or retried; what Python needs at the least.

    python -m benchmarks.baseline_floor EXPORT --host http://127.0.0.1:40123
"""

from __future__ import annotations

import csv
import socket
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks import generate
from benchmarks.baseline import Tally, main
from benchmarks.profiles import NESTED, OBJECTS_PER_REQUEST, STANDARD, TRACK

_OFFERS = {"add": [generate.OFFER]}


def profile(row: list[str]) -> dict[str, Any]:
    """Map a row of the generator's columns."""
    contact, execution, external_id, *standard, output = row[:12]
    found: dict[str, Any] = {"external_id": external_id, "_update_existing_only": False}
    for name, cell in zip(STANDARD, standard, strict=True):
        if cell:
            found[name] = cell
    nested = {name: cell for name, cell in zip(NESTED, row[12:], strict=True) if cell}
    if nested:
        found["rpi_cdp_attributes"] = nested
        found["_merge_objects"] = True
    found["rpi_offers"] = _OFFERS
    found["rpi_contact_ids"] = {"add": [contact]}
    found["rpi_channel_exec_ids"] = {"add": [execution]}
    if output:
        found["rpi_audience_outputs"] = {"add": [output]}
    return found


def bodies(path: str) -> Iterator[tuple[int, bytes]]:
    """Read the bodies of all requests, each with its number of objects."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        objects = map(profile, rows)
        while batch := list(islice(objects, OBJECTS_PER_REQUEST)):
            yield len(batch), msgspec.json.encode({"attributes": batch})


def send(path: str, host: str, key: str, tally: Tally) -> None:
    """Push an export over one connection."""
    address = urlsplit(host)
    head = (
        f"POST {TRACK} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {key}\r\nContent-Length: "
    )
    with socket.create_connection((address.hostname, address.port)) as connection:
        for objects, body in bodies(path):
            connection.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body)
            answer = connection.recv(4096)
            tally.add(objects, int(answer[9:12]))


if __name__ == "__main__":
    main(send)
