"""Every kind of trouble between a push and Braze, one after the other: what each record's outcome must be.

``python -m tests.reliability.matrix`` meets each with the real pauses between attempts, and writes what came of it into
docs/reliability.md; the tests do the same with short pauses.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from airflow_provider_braze.users_track.batching import merge_window as batches
from airflow_provider_braze.users_track.delivery import sender
from tests.reliability import (
    compare,
    home,  # noqa: F401 - before what imports Airflow
    pushing,
)
from tests.reliability.landed import BLOCKED_OPTIONS, Landed, land
from tests.sandbox_process import ROOT, SandboxProcess
from tests.users_track.transport.test_client import certificate

RECORDS = 240
BATCH = {"objects_per_request": 20}
LOOK_AHEAD = 100
"""Short, so that a small export has users of whom more than one object is sent."""

ALWAYS = 10**6
SHORT = {"timeout": [1, 0.4]}
"""Seconds to connect, and for an attempt."""


@dataclass(frozen=True)
class Case:
    """One kind of trouble.

    :param name: what happens.
    :param faults: for the sandbox.
    :param outcomes: what becomes of the records that are valid: at least one gets each of these, none another one.
        Those of blocked users are rejected where the others are accepted.
    :param error: name of the exception that ends the push, empty for none.
    :param extras: of the connection.
    :param away: seconds for which connections are refused: with short pauses, and with the real ones.
    :param backoff: the first pause between attempts, in the short form.
    :param host: another host than a sandbox.
    :param tls: the certificate's name, its days, and whether it is trusted.
    :param arrived: whether Braze has taken what is unknown.
    """

    name: str
    faults: list[dict[str, Any]]
    outcomes: frozenset[str]
    error: str = ""
    extras: dict[str, Any] = field(default_factory=dict)
    away: tuple[float, float] | None = None
    backoff: float = 0.01
    host: str = ""
    tls: tuple[str, int, bool] | None = None
    arrived: bool | None = None


@dataclass(frozen=True)
class Met:
    """What came of a case."""

    case: Case
    report: dict[str, Any]
    error: str
    said: str
    seconds: float
    profiles: dict[str, Any]
    wrong: list[str]


def _of(*names: str) -> frozenset[str]:
    return frozenset(names)


LOST = _of("unknown", "not_sent")
"""Of those that were sent nobody knows; a user's second object waits for the answer to the first, and is not sent."""


def cases() -> Iterator[Case]:
    """Every case."""
    yield from _server_errors()
    yield from _limits()
    yield from _connections()
    yield from _answers()
    yield from _refusals()


def _server_errors() -> Iterator[Case]:
    for status in (500, 502, 503, 504):
        for body in ("json", "html", "empty"):
            fault = {"status": status, "body": body}
            yield Case(f"{status} three times, body {body}", [{**fault, "count": 3}], _of("accepted"))
            yield Case(
                f"{status} for good, body {body}",
                [{**fault, "count": ALWAYS}],
                LOST,
                "BrazeServerError",
                arrived=False,
            )
    yield Case(
        "504 for good, though Braze has processed it",
        [{"status": 504, "processed": True, "count": ALWAYS}],
        LOST,
        "BrazeServerError",
        arrived=True,
    )


def _limits() -> Iterator[Case]:
    limited = {"status": 429, "count": 6}
    told = {
        "the reset in epoch seconds": {"rate_headers": "epoch", "retry_after": 1},
        "X-Ratelimit-Retry-After": {"rate_headers": "seconds", "retry_after": 1},
        "the reset in seconds left": {"rate_headers": "none", "headers": {"X-RateLimit-Reset": "1"}},
        "Retry-After": {"rate_headers": "none", "headers": {"Retry-After": "1"}},
        "no header": {"rate_headers": "none"},
        "no header, body html": {"rate_headers": "none", "body": "html"},
    }
    for name, headers in told.items():
        yield Case(f"429 six times, {name}", [{**limited, **headers}], _of("accepted"))


def _connections() -> Iterator[Case]:
    yield Case(
        "nobody listens", [], _of("not_sent"), "BrazeUnreachableError", host="http://127.0.0.1:{closed}"
    )
    yield Case(
        "connections refused for a while in the middle",
        [{"kind": "refuse", "after": 2}],
        _of("accepted"),
        away=(0.1, 3),
        backoff=0.1,
    )
    yield Case(
        "connections refused for good in the middle",
        [{"kind": "refuse", "after": 2}],
        _of("accepted", "unknown", "not_sent"),
        "BrazeUnreachableError",
        away=(2, 45),
        extras={"max_in_flight": 1},
    )
    broken = {
        "closed without an answer": "drop",
        "reset": "reset",
        "closed in the middle of the answer": "cut",
    }
    for name, kind in broken.items():
        for processed in (False, True):
            when = "after" if processed else "before"
            fault = {"kind": kind, "processed": processed}
            yield Case(f"{name}, {when} processing, three times", [{**fault, "count": 3}], _of("accepted"))
            yield Case(
                f"{name}, {when} processing, for good",
                [{**fault, "count": ALWAYS}],
                LOST,
                "BrazeUnreachableError",
                arrived=processed,
            )
    yield from _slow_ones()


def _slow_ones() -> Iterator[Case]:
    yield Case(
        "an answer byte by byte, in time", [{"kind": "slow", "seconds": 0.001, "count": 3}], _of("accepted")
    )
    slow = {
        "byte by byte, too slow": {"kind": "slow", "seconds": 0.1},
        "after the timeout": {"kind": "late", "seconds": 2},
        "never, processed": {"kind": "hang", "processed": True},
        "never, not processed": {"kind": "hang"},
    }
    for name, fault in slow.items():
        yield Case(f"an answer {name}, three times", [{**fault, "count": 3}], _of("accepted"), extras=SHORT)
        yield Case(
            f"an answer {name}, for good",
            [{**fault, "count": ALWAYS}],
            LOST,
            "BrazeUnreachableError",
            extras=SHORT,
            arrived=name != "never, not processed",
        )


def _answers() -> Iterator[Case]:
    one = {"after": 1, "count": 1}
    some = _of("accepted", "unknown")
    yield Case("201 with invalid JSON, once", [{"kind": "invalid_json", **one}], some)
    yield Case("201 with wrong counts", [{"kind": "wrong_counts", "count": 3}], _of("accepted"))
    yield Case("201 with an error without index, once", [{"kind": "errors_without_index", **one}], some)
    yield Case(
        "201 with an error about a record not sent, once", [{"kind": "errors_unknown_row", **one}], some
    )
    yield Case("201 with a page of HTML, once", [{"status": 201, "body": "html", **one}], some)
    yield Case("201 with an empty body, once", [{"status": 201, "body": "empty", **one}], some)
    for processed in (False, True):
        yield Case(
            f"202 queued, {'processed' if processed else 'not processed'}, once",
            [{"kind": "queued", "processed": processed, **one}],
            some,
        )


def _refusals() -> Iterator[Case]:
    errors = {401: "AirflowFailException", 403: "AirflowFailException"}
    for status, error in errors.items():
        fault = {"status": status, "after": 2, "count": ALWAYS}
        yield Case(
            f"{status} in the middle, one request at a time",
            [fault],
            _of("accepted", "not_sent"),
            error,
            extras={"max_in_flight": 1},
        )
        yield Case(f"{status} in the middle, many at a time", [fault], _of("accepted", "not_sent"), error)
    yield Case(
        "a redirect in the middle",
        [{"kind": "redirect", "after": 2, "count": ALWAYS}],
        _of("accepted", "not_sent"),
        "AirflowFailException",
        extras={"max_in_flight": 1},
    )
    yield Case(
        "a name that does not resolve",
        [],
        _of("not_sent"),
        "BrazeUnreachableError",
        host="https://rest.braze.invalid",
    )
    certificates = {
        "an expired TLS certificate": ("127.0.0.1", -1, True),
        "a TLS certificate of another host": ("braze.example", 30, True),
        "a TLS certificate that nobody vouches for": ("127.0.0.1", 30, False),
    }
    for name, tls in certificates.items():
        yield Case(name, [], _of("not_sent"), "BrazeRefusedError", tls=tls)


def meet(case: Case, sandbox: SandboxProcess, base: Path, *, short: bool) -> Met:
    """Push a small export into the trouble, and compare everything that is there afterwards with the model."""
    landed = land(base, RECORDS, random.Random(5), bad=0.1)
    pauses = case.backoff if short else sender._FIRST_BACKOFF
    with (
        mock.patch.object(batches, "LOOK_AHEAD_RECORDS", LOOK_AHEAD),
        mock.patch.object(sender, "_FIRST_BACKOFF", pauses),
    ):
        began = time.monotonic()
        if case.tls:
            report, error, said, profiles = _push_with_tls(case.tls, landed, base)
        else:
            report, error, said, profiles = _push(case, sandbox, landed, short)
        seconds = time.monotonic() - began
    wrong = compare.differences(landed, report, profiles) if report else ["there is no report"]
    seconds = report.get("seconds", seconds) if report else seconds
    return Met(case, report, error, said, seconds, profiles, wrong)


# A process of its own: whom it trusts is read when one starts.
_PUSH = """
import json, os, sys
from tests.jobs import export_push
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.reliability.landed import MAPPING

where = Workspace(endpoint=sys.argv[2], api_key=os.environ["BRAZE_KEY"])
mapping = ExportMapping.of(MAPPING)
try:
    told = export_push(export=sys.argv[1], workspace=where, braze_conn_id="b", run="r", mapping=mapping).execute(), None
except Exception as error:
    told = error.report, error
print(json.dumps({"report": told[0], "error": type(told[1]).__name__, "said": str(told[1])}))
"""

Pushed = tuple[dict[str, Any], str, str, dict[str, Any]]


def _push(case: Case, sandbox: SandboxProcess, landed: Landed, short: bool) -> Pushed:
    sandbox.reset()
    away = {"seconds": case.away[0 if short else 1]} if case.away else {}
    sandbox.faults(*({**fault, **away} for fault in case.faults))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = case.host.format(closed=closed.getsockname()[1]) or sandbox.url
        with mock.patch.dict(
            os.environ, {pushing.CONNECTION: pushing.connection(host, sandbox.key, **BATCH, **case.extras)}
        ):
            report, error = pushing.push(str(landed.path))
    return report or {}, type(error).__name__ if error else "", str(error or ""), _profiles(sandbox)


def _profiles(sandbox: SandboxProcess) -> dict[str, Any]:
    until = time.monotonic() + 60
    while True:
        try:
            return sandbox.profiles()
        except urllib.error.URLError:
            # It refuses connections still.
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _push_with_tls(tls: tuple[str, int, bool], landed: Landed, base: Path) -> Pushed:
    host, days, trusted = tls
    pem, key = certificate(base, host, days)
    with SandboxProcess("--tls-certificate", pem, "--tls-key", key, *BLOCKED_OPTIONS) as sandbox:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "BRAZE_KEY": sandbox.key,
            **({"SSL_CERT_FILE": pem} if trusted else {}),
        }
        command = [sys.executable, "-c", _PUSH, str(landed.path), sandbox.url]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
        )
        told = json.loads(done.stdout.splitlines()[-1])
    # Nobody could have written to a workspace that was never asked.
    return told["report"], told["error"], told["said"], {}


def check(met: Met) -> None:
    """Raise an AssertionError unless the case came out as it must."""
    case, report = met.case, met.report
    assert not met.wrong, met.wrong
    assert met.error == case.error, met.said
    found = {name for name in compare.WRITTEN_DOWN if report[name]} - {"invalid"}
    found |= {"accepted"} if report["accepted"] else set()
    assert found - {"rejected"} == case.outcomes
    assert ("rejected" in found) <= ("accepted" in found)
    assert report["status"] == _status(met)
    marked = (
        list((Path(report["report_path"]).parents[2] / "pushed").rglob("*")) if report["report_path"] else []
    )
    assert bool(marked) == (report["status"] == "complete")
    if case.arrived is not None:
        assert bool(met.profiles) == case.arrived
    if case.error:
        assert report["error"]
    if not case.error and "unknown" not in case.outcomes:
        assert report["failed"] == report["invalid"] + report["rejected"]


def _status(met: Met) -> str:
    if not met.case.error:
        return "complete"
    return "failed" if met.case.outcomes == {"not_sent"} else "partial"


def main() -> None:
    """Meet every case with the real pauses, and write the table."""
    from tests.reliability import document

    results = []
    with SandboxProcess(*BLOCKED_OPTIONS) as sandbox, tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases()):
            with contextlib.redirect_stdout(sys.stderr):
                met = meet(case, sandbox, Path(folder) / str(number), short=False)
            check(met)
            results.append(met)
            print(f"{met.seconds:7.1f} s  {case.name}", flush=True)
    document.write_matrix(results)


if __name__ == "__main__":
    main()
