"""What the tests of the memory share."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_braze.memory.persistence import place
from tests.memory.remembering import Desk


@pytest.fixture(params=["disk", "share"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Both kinds of places; a share is any folder whose file system is not one of this machine's."""
    if request.param == "share":
        monkeypatch.setattr(place, "_OF_THIS_MACHINE", frozenset())
    return Desk(tmp_path / "reports")
