"""Stands in for Airflow's asset state store in tests that run a trigger without a triggerer."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class Store:
    """Airflow's asset state store, as much of it as a trigger sees: JSON values, no None, no list of keys."""

    def __init__(self, broken: Exception | None = None) -> None:
        self.values: dict[str, str] = {}
        self.broken = broken

    async def aget(self, key: str, default: Any = None) -> Any:
        await self._ask()
        return json.loads(self.values[key]) if key in self.values else default

    async def aset(self, key: str, value: Any) -> None:
        await self._ask()
        assert value is not None
        self.values[key] = json.dumps(value)

    async def adelete(self, key: str) -> None:
        await self._ask()
        self.values.pop(key, None)

    async def _ask(self) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise self.broken
