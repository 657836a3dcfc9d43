from __future__ import annotations

from tests.sandbox_process import SandboxProcess


def test_it_is_ready_when_it_says_so_and_ends_with_status_zero():
    process = SandboxProcess()
    with process:
        assert process.stats()["requests"] == 0
        assert process.close() == 0
