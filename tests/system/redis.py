"""A Redis for one Airflow's Celery: Debian's package, on 127.0.0.1, with data that are thrown away."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.ports import free_port
from tests.waiting import until

_SERVER, _CLIENT = "/usr/bin/redis-server", "/usr/bin/redis-cli"
IS_INSTALLED = Path(_SERVER).exists()


class Redis:
    """Start, stop and restart one server; what it was given outlives a restart."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="redis-"))
        self.port = free_port()
        self._password = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What Airflow takes as ``[celery] broker_url``."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = self.home / "redis.conf"
        settings.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {self.home}\nrequirepass {self._password}\nappendonly yes\n"
            'appendfsync everysec\nsave ""\n'
        )
        settings.chmod(0o600)
        self._process = subprocess.Popen(
            [_SERVER, settings],
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A Ctrl-C in the terminal must reach it last, after the Airflow that uses it has ended.
            start_new_session=True,
        )
        until(self._answers, 120)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Redis did not start ({self._process.returncode})")
        asked = subprocess.run(
            [_CLIENT, "-h", "127.0.0.1", "-p", str(self.port), "ping"],
            env={"REDISCLI_AUTH": self._password},
            capture_output=True,
            text=True,
            check=False,
        )
        return asked.stdout.strip() == "PONG"

    def end(self) -> None:
        """End the server; its data stay."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None

    def stop(self) -> None:
        """End the server and remove its data."""
        self.end()
        shutil.rmtree(self.home, ignore_errors=True)
