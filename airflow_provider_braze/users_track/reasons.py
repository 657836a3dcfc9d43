"""Reasons of failed records: Braze's error types in words, and no personal value in what goes to a report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

LONGEST = 300
"""Characters of a reason that are kept; there is one for each failed record."""

_MASK = "…"

_MEANINGS = {
    "EMAIL_BAD_FORMAT": "The value provided for the 'email' field is not a valid email.",
    "EXTERNAL_USER_ID_TOO_LARGE": "'external_id' must be fewer than 988 bytes",
    "BLACKLISTED_EXTERNAL_USER_ID": "provided external_id is blacklisted and disallowed",
    "BAD_EMAIL_SUBSCRIPTION_STATE": "'email_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
    "BAD_PUSH_SUBSCRIPTION_STATE": "'push_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
    "BAD_SUBSCRIPTION_GROUP_ARRAY": "'subscription_groups' must be an array",
    "BAD_SUBSCRIPTION_GROUP_HASH": "a subscription group needs 'subscription_group_id' and 'subscription_state'",
    "BAD_SUBSCRIPTION_GROUP_ID": "'subscription_group_id' must be a valid UUID",
    "BAD_SUBSCRIPTION_GROUP_STATE": "'subscription_state' must be 'subscribed' or 'unsubscribed'",
    "BAD_LOCATION_UPDATE": "'current_location' must have 'longitude' and 'latitude'",
    "BAD_DEVICE_ID": "'device_id' must have 8 to 255 bytes",
    "BAD_PUSH_TOKEN_APP_ID": "'app_id' of a push token is not valid",
    "BAD_PUSH_TOKEN_IMPORT": "'push_token_import' needs 'push_tokens' and no identifier",
    "BAD_PUSH_TOKEN_STRING": "'token' of a push token must be a string",
    "BAD_PUSH_TOKEN_VALUE": "'push_tokens' must be an array of objects",
    "INVALID_ATTRIBUTE_EMAIL_SUBSCRIPTION_INFO": "'email_subscription_info' cannot be set",
}
"""Documented codes (Braze docs: POST /users/track), with the sentences that workspaces answer in their place."""

_SENTENCES = frozenset(
    sentence.casefold()
    for sentence in (
        *_MEANINGS.values(),
        "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required",
        "'external_id' or 'braze_id' or 'user_alias' is required",
        "You must specify only one of 'external_id', 'user_alias' or 'braze_id'",
        "'quantity' is not valid",
    )
)


def in_words(error_type: str) -> str:
    """Explain a documented code; a sentence is left as Braze wrote it."""
    meaning = _MEANINGS.get(error_type.strip().upper())
    return f"{error_type.strip()}: {meaning}" if meaning else error_type


def without_values(reason: str, content: Any) -> str:
    """Take values out of a reason, which may quote them; Braze's documented sentences quote none.

    :param content: the object that the reason is about, or several.
    """
    if _documented(reason):
        return reason
    for value in sorted(set(_texts(content)), key=len, reverse=True):
        if value.casefold() not in reason.casefold():
            continue
        # A short value such as a country is only taken out where it is quoted: it is part of too many words.
        whole = (
            rf"(?<!\w){re.escape(value)}(?!\w)"
            if len(value) > 2
            else rf"(?<=['\"]){re.escape(value)}(?=['\"])"
        )
        reason = re.sub(whole, _MASK, reason, flags=re.IGNORECASE)
    return reason


def shortened(text: str) -> str:
    """Cut a long text between two words, so that nothing is left of which only a part could be recognised."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(' ')[0]} {_MASK}"


def _documented(reason: str) -> bool:
    return all(
        part.partition(": ")[2].casefold() in _SENTENCES or part.casefold() in _SENTENCES
        for part in reason.split("; ")
    )


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        content = content.values()
    elif isinstance(content, str):
        if content.strip():
            yield content.strip()
        return
    elif content is None or isinstance(content, bool):
        return
    elif not isinstance(content, list | tuple | set):
        yield str(content)
        return
    for value in content:
        yield from _texts(value)
