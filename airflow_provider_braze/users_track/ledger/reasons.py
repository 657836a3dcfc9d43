"""Reasons of failed records: Braze's error types in words, and no personal value in what goes to a report.

What Braze says may quote what was sent, in any writing: as it was, escaped for HTML, percent-encoded, cut off. No list
of writings is ever whole, so it is read the other way round: sentences and words that Braze is known to say are shown,
and whatever else stands in a text is masked.

Above: the ledger, and what an answer means. Below: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

LONGEST = 300
"""Characters of a reason that are kept; there is one for each failed record."""

LONGEST_READ = 4 * LONGEST
"""Characters of what Braze says of one object that are looked at: an answer may hold millions."""

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
        *_MEANINGS,
        "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required",
        "'external_id' or 'braze_id' or 'user_alias' is required",
        "You must specify only one of 'external_id', 'user_alias' or 'braze_id'",
        "'quantity' is not valid",
        "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields.",
        "Bad Request",
        "Error while parsing request body. Please check your syntax.",
        "Max Input Length Exceeded",
        "The max number of external_ids and aliases per request was exceeded",
        "The max number of ids per request was exceeded",
        "'fields_to_export' is required",
        "'fields_to_export' must be an array of strings",
        "Request Entity Too Large",
        # Of the other endpoints about users (Braze docs: POST /users/merge and its like).
        "'merge_updates' must be an array of objects",
        "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'",
        "a single request may not contain more than 50 merge updates",
        "identifiers must be objects of the same type",
        "Unauthorized",
        "Invalid API key",
        "Forbidden",
        "Access Denied",
        "Not Found",
        "Method Not Allowed",
        "Unsupported Media Type",
        "Rate Limited",
        "Internal Server Error",
        "Service Unavailable",
        "no reason given",
        *(f"Braze answered {status}" for status in range(200, 600)),
    )
)
"""What says nothing of a value (Braze docs: API errors, POST /users/track; recorded answers; our own words)."""

_WORDS = """
a after again all allowed already also an and any are array arrays as at be because been before between boolean but
by can cannot characters code contain contains correct could date datetime digits do does duplicate each either
empty error errors exceed exceeded exceeds exist exists expected few field fields float for format found from given
greater had has have hold how if in incorrect integer into is it its json key keys length less limit list longer
malformed many match maximum message minimum missing more most must name named nested new no non nor not null
number object objects odd of on one only or other out over parameter parse permission process provide provided
reason refused request required requires sent should size so specified specify string strings supported take takes
than that the their then there these they this time to too true type types unable under unexpected unknown
unsupported user users value values was were when which while why with within without wrong you your
"""
"""Words of complaints that are nobody's name and no value."""

_EDGES = "'\"`\u00b4\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb<>()[]{}.,:;!?*-\u2013\u2014/|"
"""Punctuation around a word; what stands between two letters belongs to the word."""


_QUOTED = re.compile(r"""(?<!\w)(['"])(.*?)(?:\1(?!\w)|$)""", re.DOTALL)
"""What stands in quotes; where it was cut off, to the end."""


@cache
def _known_words() -> frozenset[str]:
    spelt = {word.strip(_EDGES) for sentence in _SENTENCES for word in sentence.split()}
    # Of the words of a sentence that is not said as a whole, one could be a name.
    return frozenset(_WORDS.split()) | {word for word in spelt if not word.isdigit()} - {"", "max"}


def explained(error_type: str) -> str:
    """Explain a documented code; a sentence is left as Braze wrote it."""
    meaning = _MEANINGS.get(error_type.strip().upper())
    return f"{error_type.strip()}: {meaning}" if meaning else error_type


def public_words(text: str, content: Any = None) -> str:
    """Show what Braze says as far as it is known to quote nothing: what else stands in it is masked.

    :param text: one of Braze's texts, or several with ``; `` between.
    :param content: the object that the text is about, or several: its attributes' names are shown, too.
    """
    if _documented(text):
        return text
    names = {name.casefold() for name in _names(content)}

    def known(word: str) -> bool:
        return word in (_MASK, "***") or word.casefold() in _known_words() or word.casefold() in names

    def quoted(found: re.Match[str]) -> str:
        return found[0] if not found[2].strip() or known(found[2]) else f"{found[1]}{_MASK}{found[1]}"

    shown: list[str] = []
    for word in _QUOTED.sub(quoted, without_values(text[:LONGEST_READ], content)).split():
        core = word.strip(_EDGES)
        said = word if not core or known(core) else word.replace(core, _MASK)
        # One for however many words, so that like reasons are counted together.
        if said != _MASK or shown[-1:] != [_MASK]:
            shown.append(said)
    return " ".join(shown)


def without_values(reason: str, content: Any) -> str:
    """Take values out of a reason, which may quote them; Braze's documented sentences quote none.

    It finds values that are written as they are. For what Braze says see :func:`public_words`.

    :param content: the object that the reason is about, or several.
    """
    if _documented(reason):
        return reason
    folded = reason.casefold()
    for value in sorted(set(_texts(content)), key=len, reverse=True):
        if value.casefold() not in folded:
            continue
        # A short value such as a country is only taken out where it is quoted: it is part of too many words.
        whole = (
            rf"(?<!\w){re.escape(value)}(?!\w)"
            if len(value) > 2
            else rf"(?<=['\"]){re.escape(value)}(?=['\"])"
        )
        reason = re.sub(whole, _MASK, reason, flags=re.IGNORECASE)
        folded = reason.casefold()
    return reason


def joined(reasons: Iterable[str]) -> str:
    """Give each of an object's reasons once, and not without end; long ones stay long enough to be recognised."""
    kept: dict[str, None] = {}
    length = 0
    for reason in reasons:
        if length < LONGEST_READ and reason and reason not in kept:
            kept[reason] = None
            length += len(reason) + 2
    return "; ".join(kept)


def shortened(text: str) -> str:
    """Cut a long text between two words, so that nothing is left of which only a part could be recognised."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(' ')[0]} {_MASK}"


def _documented(text: str) -> bool:
    return all(_is_documented(part) for part in text.split("; "))


def _is_documented(part: str) -> bool:
    code, _, sentence = part.partition(": ")
    # With no other code before it than its own: whatever stands there could be a value.
    return part.casefold() in _SENTENCES or _MEANINGS.get(code.upper()) == sentence


def _names(content: Any) -> Iterator[str]:
    """Give the names of the attributes of an object, or of several; deeper keys may be anything."""
    for each in content if isinstance(content, list | tuple) else [content]:
        if isinstance(each, dict):
            yield from (name for name in each if isinstance(name, str))


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
