"""Fixtures that every test may use."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

# Before anything imports airflow: a test run leaves no ~/airflow behind, and reads none that is there.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-unit-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

from tests.sandbox_process import SandboxProcess  # noqa: E402

# What passes once passes always: the examples follow from the test's own code, and no clock decides. `make explore`
# looks for new ones; what it finds stays in .hypothesis, is tried first in its next round, and gets a test of its own.
WHATEVER_THE_LOAD = [HealthCheck.too_slow]
settings.register_profile(
    "fixed", derandomize=True, database=None, deadline=None, suppress_health_check=WHATEVER_THE_LOAD
)
settings.register_profile(
    "explore", derandomize=False, deadline=None, suppress_health_check=WHATEVER_THE_LOAD, print_blob=True
)
settings.load_profile("fixed")

LONGEST_IN_A_NAME = 40

_constants_of_loaded_modules = providers._get_local_constants


def _constants() -> providers.Constants:
    """Give no constants of our modules where examples are fixed.

    Hypothesis also draws what stands in the code that happens to be loaded, which depends on what the same process
    tested before: with ``-n 2`` the examples were others in each run. Breaks when it names that function otherwise.
    """
    return providers._local_constants if settings.default.derandomize else _constants_of_loaded_modules()


providers._get_local_constants = _constants


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name tests after no content: an archive holds the time at which it was packed, which differs among workers."""
    return argname if isinstance(val, bytes) and len(val) > LONGEST_IN_A_NAME else None


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> SandboxProcess:
    """A sandbox without profiles, faults and stats; its process is shared by the whole test session."""
    sandbox_process.reset()
    return sandbox_process
