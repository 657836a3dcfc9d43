"""Fixtures for pytest, found by its entry point ``pytest11``: ``braze_sandbox`` starts a sandbox for a DAG's tests.

Above: pytest. Below: the sandbox as a process.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_braze.sandbox.testing import SandboxProcess, connected


@pytest.fixture(scope="session")
def braze_sandbox_process() -> Iterator[SandboxProcess]:
    """One sandbox for the whole test session, started by the first test that needs it."""
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def braze_sandbox(braze_sandbox_process: SandboxProcess) -> Iterator[SandboxProcess]:
    """A sandbox without profiles, faults and stats, with the connection ``braze_default`` pointing to it."""
    braze_sandbox_process.reset()
    with connected(braze_sandbox_process):
        yield braze_sandbox_process
