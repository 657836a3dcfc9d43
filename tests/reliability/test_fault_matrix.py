"""Each kind of trouble in its short form: see ``matrix``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability import matrix
from tests.reliability.landed import BLOCKED_OPTIONS
from tests.sandbox_process import SandboxProcess


@pytest.fixture(scope="module")
def workspace() -> Iterator[SandboxProcess]:
    logging.disable(logging.WARNING)
    with SandboxProcess(*BLOCKED_OPTIONS) as process:
        yield process
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("case", matrix.cases(), ids=lambda case: case.name)
def test_every_record_gets_the_outcome_that_is_true(
    case: matrix.Case, workspace: SandboxProcess, tmp_path: Path
) -> None:
    matrix.check(matrix.meet(case, workspace, tmp_path, short=True))
