"""Why Braze refuses one object: its documented codes, and the sentences that live workspaces answer.

Braze docs (users/track) print the codes; recordings of live answers show sentences instead. A sandbox can speak
either. Where no live sentence is on record, the sentence is ours.

Above: all checks. Below: nothing.
"""

from __future__ import annotations

IDENTIFIER_REQUIRED = "IDENTIFIER_REQUIRED"
ONE_IDENTIFIER_ONLY = "ONE_IDENTIFIER_ONLY"

SENTENCES = {
    IDENTIFIER_REQUIRED: "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required",
    ONE_IDENTIFIER_ONLY: "You must specify only one of 'external_id', 'user_alias' or 'braze_id'",
    "EMAIL_BAD_FORMAT": "The value provided for the 'email' field is not a valid email.",
    "EXTERNAL_USER_ID_TOO_LARGE": "'external_id' must be fewer than 988 bytes",
    "BLACKLISTED_EXTERNAL_USER_ID": "provided external_id is blacklisted and disallowed",
    "BAD_EMAIL_SUBSCRIPTION_STATE": "'email_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
    "BAD_PUSH_SUBSCRIPTION_STATE": "'push_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
    "BAD_SUBSCRIPTION_GROUP_ARRAY": "'subscription_groups' must be an array",
    "BAD_SUBSCRIPTION_GROUP_HASH": "'subscription_groups' must hold 'subscription_group_id' and 'subscription_state'",
    "BAD_SUBSCRIPTION_GROUP_ID": "'subscription_group_id' must be a valid UUID",
    "BAD_SUBSCRIPTION_GROUP_STATE": "'subscription_state' must be 'subscribed' or 'unsubscribed'",
    "BAD_LOCATION_UPDATE": "'current_location' must hold 'longitude' and 'latitude'",
    "BAD_DEVICE_ID": "'device_id' must be between 8 and 255 bytes",
    "BAD_PUSH_TOKEN_APP_ID": "'app_id' of a push token is not valid",
    "BAD_PUSH_TOKEN_IMPORT": "'push_token_import' needs 'push_tokens' and takes no 'external_id' or 'braze_id'",
    "BAD_PUSH_TOKEN_STRING": "'token' of a push token must be a string",
    "BAD_PUSH_TOKEN_VALUE": "'push_tokens' must be an array of objects",
    "INVALID_ATTRIBUTE_EMAIL_SUBSCRIPTION_INFO": "'email_subscription_info' cannot be set",
}

WITHOUT_CODE = frozenset({IDENTIFIER_REQUIRED, ONE_IDENTIFIER_ONLY})
"""Refusals for which Braze documents no code: they are always a sentence."""

NOT_AN_OBJECT = "Each member of the array must be an object"


def spoken(reason: str, *, as_code: bool = False) -> str:
    """Return how the answer names a refusal; a text that is no code is already a sentence."""
    if as_code and reason not in WITHOUT_CODE:
        return reason
    return SENTENCES.get(reason, reason)
