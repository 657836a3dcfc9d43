"""Braze's endpoints that the sandbox has: method and path, the permission, and whose limit each shares.

From Braze's pages on each endpoint and on API limits.

Above: the API and the command line. Below: nothing.
"""

from __future__ import annotations

from typing import NamedTuple

TRACK = "/users/track"
BULK = "/users/track/bulk"
EXPORT = "/users/export/ids"


class Endpoint(NamedTuple):
    """What holds for one endpoint before anything in a request is looked at.

    :param permission: that a key needs.
    :param limit: name of the limit that it shares with others.
    :param has_body: whether it takes a JSON object.
    """

    permission: str
    limit: str = "hourly"
    has_body: bool = True


Route = tuple[str, str]
"""Method and path."""

ENDPOINTS: dict[Route, Endpoint] = {
    ("POST", TRACK): Endpoint("users.track", "track"),
    ("POST", BULK): Endpoint("users.track.bulk", "bulk"),
    ("POST", EXPORT): Endpoint("users.export.ids", "export"),
    ("POST", "/users/delete"): Endpoint("users.delete", "users"),
    ("POST", "/users/identify"): Endpoint("users.identify", "users"),
    ("POST", "/users/alias/new"): Endpoint("users.alias.new", "users"),
    ("POST", "/users/alias/update"): Endpoint("users.alias.update", "users"),
    ("POST", "/users/merge"): Endpoint("users.merge", "users"),
    ("POST", "/v2/subscription/status/set"): Endpoint("subscription.status.set", "subscription"),
    ("GET", "/cdi/integrations"): Endpoint("cdi.integration_list", "cdi_list", has_body=False),
    ("POST", "/cdi/integrations/{id}/sync"): Endpoint("cdi.integration_sync", "cdi_sync", has_body=False),
    ("GET", "/cdi/integrations/{id}/job_sync_status"): Endpoint(
        "cdi.integration_job_status", "cdi_status", has_body=False
    ),
    ("GET", "/campaigns/list"): Endpoint("campaigns.list", has_body=False),
    ("GET", "/campaigns/details"): Endpoint("campaigns.details", has_body=False),
    ("GET", "/canvas/list"): Endpoint("canvas.list", has_body=False),
    ("GET", "/canvas/details"): Endpoint("canvas.details", has_body=False),
    ("GET", "/segments/list"): Endpoint("segments.list", has_body=False),
    ("GET", "/segments/details"): Endpoint("segments.details", has_body=False),
}

PER_MINUTE = {
    "bulk": 3_000,
    "users": 20_000,
    "subscription": 5_000,
    "cdi_list": 50,
    "cdi_sync": 20,
    "cdi_status": 100,
}
"""Requests a minute by the name of the limit; what is not here has a part of 250,000 an hour."""

PERMISSIONS = frozenset(endpoint.permission for endpoint in ENDPOINTS.values())


def route_of(method: str, path: str) -> Route:
    """Return the key of a request in ``ENDPOINTS``, whether there is such an endpoint or not."""
    parts = path.split("/")
    if parts[1:3] == ["cdi", "integrations"] and len(parts) == 5:
        path = "/".join([*parts[:3], "{id}", parts[4]])
    return method, path
