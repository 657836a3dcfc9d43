"""Events and purchases: which are refused, and what of them is kept (Braze docs: event object, purchase object).

Above: the store. Below: dates, codes of currencies, and what an attribute may hold.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_braze.sandbox.checks import dates
from airflow_provider_braze.sandbox.checks.custom_attributes import MAX_BYTES
from airflow_provider_braze.sandbox.checks.iso_codes import CURRENCIES
from airflow_provider_braze.sandbox.checks.profile_fields import MAX_STRING

RESERVED_PROPERTIES = ("time", "event_name")
MAX_QUANTITY = 100


def event_refusals(item: dict[str, Any]) -> list[str]:
    """Return every reason for which an event is refused, identifiers left aside."""
    reasons = [] if _is_name(item.get("name")) else ["'name' is required"]
    return reasons + _common_refusals(item)


def purchase_refusals(item: dict[str, Any]) -> list[str]:
    """Return every reason for which a purchase is refused, identifiers left aside."""
    reasons = [] if _is_product(item.get("product_id")) else ["'product_id' is required"]
    currency = item.get("currency")
    if not isinstance(currency, str) or currency not in CURRENCIES:
        reasons.append("'currency' is not valid")
    price = item.get("price")
    if not isinstance(price, int | float) or isinstance(price, bool):
        reasons.append("'price' is not valid")
    quantity = item.get("quantity", 1)
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MAX_QUANTITY:
        reasons.append("'quantity' is not valid")
    return reasons + _common_refusals(item)


def event_kept(item: dict[str, Any], now: float) -> dict[str, Any] | None:
    """Return an event as the profile keeps it, or None when its properties are over the size limit."""
    return _kept(item, ("name", "app_id"), now)


def purchase_kept(item: dict[str, Any], now: float) -> dict[str, Any] | None:
    """Return a purchase as the profile keeps it, or None when its properties are over the size limit."""
    # Recorded: a number was taken. That it is kept as text, as an external_id is, is our choice.
    return _kept(
        {"quantity": 1, **item, "product_id": str(item["product_id"])},
        ("product_id", "currency", "price", "quantity", "app_id"),
        now,
    )


def _kept(item: dict[str, Any], names: tuple[str, ...], now: float) -> dict[str, Any] | None:
    properties = _properties(item.get("properties"))
    if len(msgspec.json.encode(properties)) > MAX_BYTES:
        return None
    kept = {name: item[name] for name in names if item.get(name) is not None}
    kept["time"] = _time(item["time"], now)
    if properties:
        kept["properties"] = properties
    return kept


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_STRING


def _is_product(value: Any) -> bool:
    return _is_name(value) or (isinstance(value, int) and not isinstance(value, bool))


def _common_refusals(item: dict[str, Any]) -> list[str]:
    reasons = []
    time = item.get("time")
    if time is None:
        reasons.append("'time' is required")
    elif not isinstance(time, str) or dates.parse_time(time) is None:
        reasons.append("'time' is not valid")
    properties = item.get("properties")
    if properties is not None and not isinstance(properties, dict):
        reasons.append("'properties' must be an object")
    elif properties:
        reasons.extend(
            f"'{name}' is a reserved property name" for name in RESERVED_PROPERTIES if name in properties
        )
    return reasons


def _time(text: str, now: float) -> str:
    moment = dates.parse_time(text)
    latest = datetime.fromtimestamp(now, UTC)
    # A refusal has already dealt with a text that is no time.
    return dates.spelled(latest if moment is None else min(moment, latest))


def _properties(sent: dict[str, Any] | None) -> dict[str, Any]:
    """Return the properties that are kept: a bad name or an over-long text costs that property only."""
    kept = {}
    for name, value in (sent or {}).items():
        if not 0 < len(name) <= MAX_STRING or name.startswith("$"):
            continue
        if isinstance(value, str) and len(value) > MAX_STRING:
            continue
        kept[name] = (dates.as_stored(value) or value) if isinstance(value, str) else value
    return kept
