"""Columns that Braze's own CSV import takes for identity and consent, which no custom attribute may look like.

Above: where a column goes. Below: the names of standard fields.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.users_track.rules import standard_fields
from airflow_provider_braze.users_track.rules.names import squash

ALIAS_NAME, ALIAS_LABEL = "user_alias_name", "user_alias_label"
GROUP_ID, GROUP_STATE = "subscription_group_id", "subscription_state"
GROUPS = "subscription_groups"

_TEMPLATE = {squash(name): name for name in (ALIAS_NAME, ALIAS_LABEL, GROUP_ID, GROUP_STATE)}

_IDENTITY = {
    **dict.fromkeys(("externaluserid", "brazeexternalid", "appboyexternalid"), "external_id"),
    **dict.fromkeys(("brazeuserid", "appboyid", "appboyuserid"), "braze_id"),
    **dict.fromkeys(("useralias", "aliasname", "brazealias", "brazealiasname"), ALIAS_NAME),
    **dict.fromkeys(("aliaslabel", "brazealiaslabel"), ALIAS_LABEL),
    "pushtoken": "push_tokens",
}
_GROUPS = {
    **dict.fromkeys(("subscriptiongroup", "subscriptiongroupids", "groupsubscriptionid"), GROUP_ID),
    **dict.fromkeys(("subscriptiongroupstate", "subscriptiongroupstatus", "subscriptionstatus"), GROUP_STATE),
}
_MEANT = {**_IDENTITY, **_GROUPS}
"""Names under which identity and subscription groups come, letters and digits only, and what they most likely mean."""

_CHANNEL = r"(?:mobile|web|app)?(?P<channel>e?mails?|push|sms|mms|whats?app|rcs)"
_ABOUT = r"(?:marketing|notifications?|messages?|messaging|newsletter)?"
_WORD = r"(?:un|de)?subscri(?:be|bed|ber|bers|ption|ptions)|opt(?:ed)?(?:in|out)s?|consent(?:ed|s)?|permission(?:s|ed)?"
_STATE = r"(?:states?|status(?:es)?|flags?|indicators?|preferences?|choice)?"
_OF_A_CHANNEL = tuple(
    re.compile(rf"(?:is|has|user|customer|contact)*(?:{pattern}){_STATE}")
    for pattern in (
        rf"{_CHANNEL}{_ABOUT}(?:is|has)?(?:{_WORD})",
        rf"(?:{_WORD})(?:to|for|in|of|by)?{_CHANNEL}{_ABOUT}",
        rf"donot(?:send)?{_CHANNEL}{_ABOUT}",
        rf"{_CHANNEL}subscriptiongroup(?:ids?)?",
    )
)
"""Consent as people call it: a channel and a word for it, in either order, and perhaps what kind of thing it is."""

_OF_NO_CHANNEL = re.compile(rf"(?:is|has)?(?:(?:un)?subscribed?|opt(?:ed)?(?:in|out)){_STATE}")
_NO_LETTER = re.compile(r"[\W_]+")


def role_of(name: str) -> str | None:
    """Give the column of the template that a name is, in any spelling."""
    return _TEMPLATE.get(squash(name))


def meant_by(name: str) -> str | None:
    """Say which columns of the template, or which standard field, a name means that tells identity or consent."""
    letters = _NO_LETTER.sub("", name).casefold()
    if letters in _MEANT:
        return _MEANT[letters]
    found = next((match for form in _OF_A_CHANNEL if (match := form.fullmatch(letters))), None)
    if found is None:
        return "email_subscribe or push_subscribe" if _OF_NO_CHANNEL.fullmatch(letters) else None
    channel = found["channel"]
    if "subscriptiongroup" in letters:
        return f"{GROUP_ID} (beside {GROUP_STATE})"
    if channel not in ("email", "emails", "mail", "mails", "push"):
        # Only for these two is there a field; what holds for others is told by subscription groups.
        return f"{GROUP_STATE} (beside {GROUP_ID})"
    return "push_subscribe" if channel == "push" else "email_subscribe"


@dataclass(frozen=True, slots=True)
class Consent:
    """The two columns that tell a user's state in one subscription group.

    :param group_index: position of the column with the group's id.
    :param group_name: its name.
    :param state_index: position of the column with the state.
    :param state_name: its name.
    :param null_token: cell text that counts as empty, or None.
    """

    group_index: int
    group_name: str
    state_index: int
    state_name: str
    null_token: str | None

    def read(self, cells: Sequence[str]) -> list[dict[str, Any]] | None:
        """Give the subscription groups of a record; None where both cells are empty.

        :raises ValueError: one of the two is missing, or none that Braze takes.
        """
        group, state = (
            "" if cells[at] == self.null_token else cells[at] for at in (self.group_index, self.state_index)
        )
        if not group and not state:
            return None
        if not group or not state:
            raise ValueError(
                "subscription_group_id and subscription_state belong together, and one of them is empty"
            )
        return standard_fields.subscription_groups([{GROUP_ID: group, GROUP_STATE: state}])
