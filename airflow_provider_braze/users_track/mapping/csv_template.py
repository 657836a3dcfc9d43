"""Columns that Braze's own CSV import takes for identity and consent, which no custom attribute may look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.users_track.rules import standard_fields
from airflow_provider_braze.users_track.rules.names import squash

ALIAS_NAME, ALIAS_LABEL = "user_alias_name", "user_alias_label"
GROUP_ID, GROUP_STATE = "subscription_group_id", "subscription_state"
GROUPS = "subscription_groups"

_TEMPLATE = {squash(name): name for name in (ALIAS_NAME, ALIAS_LABEL, GROUP_ID, GROUP_STATE)}

_MEANT = {
    **{
        f"{channel}{word}": f"{channel}_subscribe"
        for channel in ("email", "push")
        for word in (
            "subscription",
            "subscriptionstate",
            "subscriptionstatus",
            "subscribestate",
            "subscribestatus",
        )
    },
    **dict.fromkeys(("subscriptiongroup", "subscriptiongroupids", "groupsubscriptionid"), GROUP_ID),
    **dict.fromkeys(("subscriptiongroupstate", "subscriptiongroupstatus", "subscriptionstatus"), GROUP_STATE),
}
"""Squashed names under which consent and aliases come, and what Braze's import calls them."""


def role_of(name: str) -> str | None:
    """Give the column of the template that a name is, in any spelling."""
    return _TEMPLATE.get(squash(name))


def meant_by(name: str) -> str | None:
    """Give the column of the template, or the standard field, that a name most likely means."""
    return _MEANT.get(squash(name))


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
