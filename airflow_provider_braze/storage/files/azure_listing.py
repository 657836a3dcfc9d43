"""One listing of a folder in Azure's store, with one request a page.

Its client asks for all that begins as the folder is called, and then once more for each such prefix: two requests for a
folder, and with workflow ids one for each that begins alike, so that a look at thousands of folders takes minutes.

Above: the listing of channels' folders. Below: the location.
"""

from __future__ import annotations

from typing import Any

from fsspec.asyn import sync

from airflow_provider_braze.storage.files.location import Location


def listed(folder: Location) -> list[dict[str, Any]]:
    """List a folder on any storage, as fsspec does with details; on Azure's by its client's own means.

    What is used of ``adlfs`` is not public: where it is not there, the folder is listed as any other.
    """
    fs = folder.fs
    client, details = getattr(fs, "service_client", None), getattr(fs, "_details", None)
    if client is None or details is None:
        return list(fs.ls(folder.path, detail=True))
    container, _, name = folder.path.strip("/").partition("/")

    async def found() -> list[dict[str, Any]]:
        async with client.get_container_client(container=container) as blobs:
            names = blobs.walk_blobs(include=["metadata"], name_starts_with=f"{name}/")
            return list(await details([each async for each in names], target_path=f"{container}/{name}"))

    entries: list[dict[str, Any]] = sync(fs.loop, found)
    return entries
