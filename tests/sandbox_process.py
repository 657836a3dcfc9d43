"""The sandbox as a real child process, for tests and scripts: what the package ships for the tests of DAGs."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_braze.sandbox.testing import READY, SandboxProcess

__all__ = ["READY", "ROOT", "SandboxProcess"]

ROOT = Path(__file__).resolve().parent.parent
