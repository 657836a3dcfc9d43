"""What the pages say of a wrong value is what somebody reads who gives that value."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.cdi import BrazeCdiSyncOperator
from airflow_provider_braze.operators.users import BrazeUsersOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor
from tests.docs.pages import DOCS

MADE_WITH: dict[str, tuple[Any, dict[str, Any]]] = {
    "operator.md": (BrazeUserTrackOperator, {"export": "/mnt/rpi/Braze Append/Spring/8828/RPI_Export_1.txt"}),
    "sensor.md": (RedpointExportSensor, {"base_path": "/mnt/rpi"}),
    "users.md": (BrazeUsersOperator, {"action": "delete", "rows": ["P0001"], "expect_at_most": 1}),
    "cdi.md": (BrazeCdiSyncOperator, {"integration_id": "11111111-2222-3333-4444-555555555555"}),
}

_SAID = re.compile(r"`((\w+) must be [^`]*?, not ('[^']*'|[\d.-]+)(?:\.|: [^`]*))`")


def _said() -> list[Any]:
    found = []
    for page in MADE_WITH:
        for said, name, value in _SAID.findall((DOCS / page).read_text("utf-8")):
            found.append(pytest.param(page, name, value, said, id=f"{page}, {name}={value}"))
    return found


@pytest.mark.parametrize(("page", "name", "value", "said"), _said())
def test_a_wrong_value_is_refused_with_what_the_page_says(
    page: str, name: str, value: str, said: str
) -> None:
    cls, given = MADE_WITH[page]

    with pytest.raises(BrazeSetupError) as raised:
        cls(task_id="task", **{**given, name: ast.literal_eval(value)})

    assert said.rstrip(".") in str(raised.value)


def test_most_parameters_show_a_wrong_value() -> None:
    """The messages are found at all."""
    assert len(_said()) >= 18
