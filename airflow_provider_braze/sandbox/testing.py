"""The sandbox for the tests of DAGs: a real child process, an Airflow connection to it, and what it holds afterwards.

It needs nothing but the standard library; the fixtures for pytest are in :mod:`.pytest_plugin`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess  # nosec B404 - the child is this very package
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

READY = "Braze sandbox listening on "

_PACKAGES = Path(__file__).resolve().parents[2]
"""Where the child finds this very package."""

# Loopback must never go through a proxy that the machine is set up with.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SandboxProcess:
    """Run ``python -m airflow_provider_braze.sandbox`` while the ``with`` block lasts, on a free port of 127.0.0.1.

    :param arguments: further command line arguments, such as ``"--rate", "3000/3"`` (docs/sandbox.md).
    :param key: the REST API key that the sandbox takes; it has every permission.
    :raises RuntimeError: the sandbox did not start.

    ``url`` is where it listens. ``track_only_key`` and ``export_only_key`` are two more keys, each with a single
    permission, for tests of 403.
    """

    def __init__(self, *arguments: str, key: str = "sandbox-key-0000-1111") -> None:
        self.key = key
        self.track_only_key = f"{key}-track-only"
        self.export_only_key = f"{key}-export-only"
        self.arguments = arguments
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        command = [
            sys.executable,
            "-m",
            "airflow_provider_braze.sandbox",
            "--port",
            "0",
            "--api-key",
            self.key,
        ]
        # A test run that is killed closes nothing, but its end of the pipe.
        command += ["--until-stdin-ends"]
        command += ["--limited-key", f"{self.track_only_key}:users.track"]
        command += ["--limited-key", f"{self.export_only_key}:users.export.ids"]
        path = os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path}
        self._process = subprocess.Popen(  # nosec B603 - a list, and no shell
            [*command, *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line.startswith(READY):
            self.close()
            raise RuntimeError(f"the sandbox did not start; it said {line!r}")
        self.url = line.removeprefix(READY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the sandbox."""
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return int(self.url.rpartition(":")[2])

    def close(self) -> int | None:
        """End the process, by its id, and return its exit status."""
        if self._process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            status = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
        return status

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call a control route, for example ``control("GET", "/sandbox/stats")``, and return its JSON."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        with _opener.open(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def stats(self) -> dict[str, Any]:
        """``requests``, ``objects``, ``by_status``, ``profiles``, ``overlapping_users`` ... (docs/sandbox.md)."""
        stats: dict[str, Any] = self.control("GET", "/sandbox/stats")
        return stats

    def reset_stats(self) -> None:
        """Start the counters from zero, and forget the kept requests."""
        self.control("DELETE", "/sandbox/stats")

    def all_profiles(self) -> list[dict[str, Any]]:
        """Every profile, as ``/users/export/ids`` would show it, plus its subscription groups and events."""
        profiles: list[dict[str, Any]] = self.control("GET", "/sandbox/profiles")
        return profiles

    def profiles(self) -> dict[str, dict[str, Any]]:
        """The profiles that have an ``external_id``, by it."""
        return {p["external_id"]: p for p in self.all_profiles() if "external_id" in p}

    def profile(self, external_id: str) -> dict[str, Any] | None:
        """One user's profile; None when there is none."""
        return self.profiles().get(external_id)

    def put_profiles(self, *profiles: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Seed profiles, given one by one or as a list, in the form that ``all_profiles`` returns them."""
        flat: list[Any] = []
        for entry in profiles:
            flat.extend([entry] if isinstance(entry, Mapping) else entry)
        self.control("PUT", "/sandbox/profiles", flat)

    def clear_profiles(self) -> None:
        """Forget every profile."""
        self.control("DELETE", "/sandbox/profiles")

    def put_messaging(self, **lists: Sequence[Mapping[str, Any]]) -> None:
        """Let there be ``campaigns``, ``canvases`` and ``segments``, oldest first, each with its ``id`` and details."""
        self.control("PUT", "/sandbox/messaging", lists)

    def put_cdi(self, **integrations: Mapping[str, Any]) -> None:
        """Let there be CDI integrations, each by its id with what docs/sandbox.md says."""
        self.control("PUT", "/sandbox/cdi", integrations)

    def syncs(self, integration_id: str) -> list[dict[str, Any]]:
        """The syncs of an integration, oldest first."""
        syncs: list[dict[str, Any]] = self.control("GET", "/sandbox/cdi")[integration_id]
        return syncs

    def fault(self, **fault: Any) -> None:
        """Make the next ``count`` requests fail: ``fault(status=500, count=3)``, ``fault(kind="hang")``."""
        self.control("PUT", "/sandbox/faults", fault)

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """Several faults, one after the other."""
        self.control("PUT", "/sandbox/faults", list(faults))

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self.control("DELETE", "/sandbox/faults")

    def requests(self) -> list[dict[str, Any]]:
        """The last requests (20 unless ``--keep-requests`` says otherwise), oldest first, without their keys."""
        requests: list[dict[str, Any]] = self.control("GET", "/sandbox/requests")
        return requests

    def reset(self) -> None:
        """Forget profiles, campaigns and their like, integrations, faults, stats and requests."""
        self.clear_faults()
        self.control("DELETE", "/sandbox/messaging")
        self.control("DELETE", "/sandbox/cdi")
        self.clear_profiles()
        self.reset_stats()

    def connection(self, **extras: Any) -> str:
        """An Airflow connection to it as JSON, for ``AIRFLOW_CONN_<ID>``.

        :param extras: of the connection, such as ``max_in_flight=2`` (docs/connection.md).
        """
        given = {"conn_type": "braze", "host": self.url, "password": self.key, "extra": extras}
        return json.dumps(given)


@contextlib.contextmanager
def connected(sandbox: SandboxProcess, conn_id: str = "braze_default", **extras: Any) -> Iterator[None]:
    """Let a connection point to a sandbox while the ``with`` block lasts, by its environment variable.

    :param conn_id: id of the connection; one of this id in Airflow's database is hidden meanwhile.
    :param extras: extras of the connection.
    """
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    before = os.environ.get(name)
    os.environ[name] = sandbox.connection(**extras)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


@contextlib.contextmanager
def running_sandbox(
    *arguments: str, conn_id: str = "braze_default", **extras: Any
) -> Iterator[SandboxProcess]:
    """Run a sandbox, with an Airflow connection to it, while the ``with`` block lasts.

    :param arguments: of the sandbox's command line, such as ``"--rate", "3000/3"``.
    :param conn_id: id of the connection.
    :param extras: extras of the connection, such as ``objects_per_request=50``.
    :raises RuntimeError: the sandbox did not start.
    """
    with SandboxProcess(*arguments) as sandbox, connected(sandbox, conn_id, **extras):
        yield sandbox
