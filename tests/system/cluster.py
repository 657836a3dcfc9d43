"""A real Airflow whose tasks run on two Celery workers, with Redis between them and the scheduler."""

from __future__ import annotations

import contextlib
from typing import Any

import psutil

from tests.system.postgres import Postgres
from tests.system.real_airflow import RealAirflow
from tests.system.redis import Redis

WORKERS = ("worker-1", "worker-2")
SLOTS = 1
"""Tasks that a worker takes at once; it never takes more than it runs, so that two workers share what is there."""


class Cluster(RealAirflow):
    """Scheduler, triggerer, DAG processor, API server and two workers; each can be killed, the servers restarted."""

    def __init__(self, **given: Any) -> None:
        self.redis = Redis()
        settings = given.pop("settings", {})
        super().__init__(
            settings={
                "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
                "AIRFLOW__CORE__PARALLELISM": "16",
                "AIRFLOW__CELERY__BROKER_URL": self.redis.url,
                "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
                "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
                # Where all share one machine that is busy, a slow answer is no loss.
                "AIRFLOW__CELERY__OPERATION_TIMEOUT": "30",
                **settings,
            },
            **given,
        )

    @property
    def postgres(self) -> Postgres:
        """The server that it keeps its state in."""
        assert self._postgres is not None
        return self._postgres

    def start(self) -> None:
        """Start the broker and what every Airflow has; the workers once all else is healthy."""
        self.redis.start()
        self._environment["AIRFLOW__CELERY__RESULT_BACKEND"] = f"db+{self.postgres.url}"
        super().start()
        for name in WORKERS:
            self._commands[name] = (
                *("celery", "worker", "--skip-serve-logs", "--without-mingle", "--without-gossip"),
                *("--celery-hostname", f"{name}@cluster", "--pid", str(self.home / f"{name}.pid")),
            )
            self.spawn(name)
        for name in WORKERS:
            self.wait_for(lambda name=name: "ready." in self.component_log(name), f"{name} ready", 240)

    def stop(self, *, keep_home: bool = False) -> None:
        """End everything."""
        super().stop(keep_home=keep_home)
        self.redis.stop()

    def pushing(self, worker: str, port: int) -> list[psutil.Process]:
        """Find the tasks of a worker that talk to a port."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.processes[worker].pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if any(made.raddr and made.raddr.port == port for made in process.net_connections("tcp")):
                        found.append(process)
        return found

    def restart_servers(self) -> None:
        """End the broker and the database, and start them again; then whatever did not live through it."""
        self.redis.end()
        self.postgres.end()
        self.redis.start()
        self.postgres.serve()
        self.bring_back()

    def bring_back(self) -> None:
        """Start what has ended, as whatever runs Airflow's components does."""
        for name in [name for name, process in self.processes.items() if process.poll() is not None]:
            (self.home / f"{name}.pid").unlink(missing_ok=True)
            self.spawn(name)
