"""The DAGs that the pages show do what the pages say: their tasks are executed, against the sandbox over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from tests.connections import connect
from tests.docs.pages import DOCS, blocks
from tests.sandbox_process import SandboxProcess


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)


def shown(page: str) -> list[DAG]:
    """The DAGs of a page, in their order."""
    dags = []
    for block in blocks(DOCS / page):
        if block.language == "python" and "with DAG(" in block.text:
            namespace: dict[str, Any] = {"__name__": "example"}
            exec(compile(block.text.replace("):\n", ") as shown:\n", 1), page, "exec"), namespace)
            dags.append(namespace["shown"])
    return dags


def test_taskflow(sandbox: SandboxProcess) -> None:
    (dag,) = shown("taskflow.md")

    report = dag.get_task("tiers").execute({})

    assert report["accepted"] == len(sandbox.profiles()) == 1000
    assert {each["custom_attributes"]["loyalty_tier"] for each in sandbox.profiles().values()} == {"gold"}
