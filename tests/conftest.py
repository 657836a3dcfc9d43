"""Fixtures that every test may use."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Before anything imports airflow: a test run leaves no ~/airflow behind, and reads none that is there.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-unit-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

from tests.sandbox_process import SandboxProcess  # noqa: E402

# pytest --hypothesis-profile=long: an hour instead of seconds.
settings.register_profile("long", max_examples=5000)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> SandboxProcess:
    """A sandbox without profiles, faults and stats; its process is shared by the whole test session."""
    sandbox_process.reset()
    return sandbox_process
