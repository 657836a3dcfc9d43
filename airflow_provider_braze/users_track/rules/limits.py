"""Braze's documented limits, each in this one place with its source.

Above: everything that goes to Braze. Below: nothing.
"""

from __future__ import annotations

OBJECTS_PER_REQUEST = 75
"""Attributes, events and purchases together in one request (Braze docs: API limits, POST /users/track)."""

BYTES_PER_REQUEST = 4_000_000
"""Largest request body (Braze docs: API limits say 4 MB; the smaller reading of MB is the safe one)."""

REQUESTS_PER_SECOND = 1000.0
"""A third of the burst limit of 3,000 requests per 3 s (Braze docs: API limits)."""

BULK_OBJECTS_PER_REQUEST = 1000
"""The same of POST /users/track/bulk (Braze docs: its page; an account's policy may be lower)."""

BULK_BYTES_PER_REQUEST = 2_000_000
"""Largest body there (Braze docs: API limits say 2 MB)."""

BULK_REQUESTS_PER_SECOND = 50.0
"""Its base limit (Braze docs: its page; newer contracts differ)."""

WINDOW_SECONDS = 3.0
"""The burst limit is counted per 3 s, not per second (Braze docs: API limits)."""

EXTERNAL_ID_BYTES = 987
"""Longest external_id in UTF-8 (Braze docs: POST /users/track, EXTERNAL_USER_ID_TOO_LARGE)."""

ALIAS_BYTES = 236
"""Longest alias_name and alias_label in UTF-8 (Braze docs: user alias object)."""

DEVICE_ID_BYTES = 255
"""Longest device_id of a push token in UTF-8 (Braze docs: POST /users/track, BAD_DEVICE_ID)."""

STRING_CHARACTERS = 255
"""Longest string attribute; a longer one is silently not stored (Braze docs: custom attribute data types)."""

KEY_CHARACTERS = 255
"""Longest attribute key (Braze docs: nested custom attributes; assumed for top-level keys too)."""

ARRAY_ITEMS = 500
"""Most items of an array of single values; more drop the oldest (Braze docs: custom attribute data types)."""

NESTED_BYTES = 100_000
"""Largest array or object attribute as JSON: 100 KB (Braze docs: nested custom attributes, arrays of objects)."""

EXPORT_IDS_PER_REQUEST = 50
"""Ids in one /users/export/ids request (Braze docs: export users by identifier)."""

EXPORT_IDS_PER_MINUTE = 250
"""/users/export/ids requests a minute without the raised limit (Braze docs: API limits)."""
