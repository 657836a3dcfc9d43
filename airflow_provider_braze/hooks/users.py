"""Users as such: deleted, identified, merged, named by aliases, and their subscription status; one request each.

Nothing is sent twice here. For any number of rows, and an outcome for each, there is ``BrazeUsersOperator``.

Above: the hook of which these calls are a part. Below: how one call is made, and what each action takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.hooks.call_arguments import given_id, given_list, given_value, json_of
from airflow_provider_braze.hooks.calls import Calls
from airflow_provider_braze.user_actions.actions import (
    ACTIONS,
    ROWS_PER_REQUEST,
    STATES,
    BadActionRowError,
    UserAction,
    body_of,
    item_of,
)

Objects = Sequence[Mapping[str, Any]]


class UserCalls(Calls):
    """Single requests about users, of at most 50 each."""

    def delete_users(
        self,
        *,
        external_ids: Sequence[str] | None = None,
        user_aliases: Objects | None = None,
        braze_ids: Sequence[str] | None = None,
        email_addresses: Objects | None = None,
        phone_numbers: Objects | None = None,
    ) -> dict[str, Any]:
        """
        Delete up to 50 users, named in one way. It cannot be undone.

        :param external_ids: external ids.
        :param user_aliases: ``{"alias_name", "alias_label"}`` of each.
        :param braze_ids: Braze ids.
        :param email_addresses: ``{"email", "prioritization"}`` of each.
        :param phone_numbers: ``{"phone", "prioritization"}`` of each.
        :return: Braze's answer: ``deleted`` is how many were queued for deletion.
        :raises BrazeSetupError: none, several kinds, more than 50, or one that can be no user.
        :raises BrazeRequestError: Braze refused, or did not answer.
        """
        given = {
            "external_ids": external_ids,
            "user_aliases": user_aliases,
            "braze_ids": braze_ids,
            "email_addresses": email_addresses,
            "phone_numbers": phone_numbers,
        }
        return self._act("delete", given)

    def identify_users(
        self,
        *,
        aliases_to_identify: Objects | None = None,
        emails_to_identify: Objects | None = None,
        phone_numbers_to_identify: Objects | None = None,
    ) -> dict[str, Any]:
        """
        Give up to 50 users an external id, named in one way; a success does not say that they were found.

        :param aliases_to_identify: ``{"external_id", "user_alias"}`` of each.
        :param emails_to_identify: ``{"external_id", "email", "prioritization"}`` of each.
        :param phone_numbers_to_identify: ``{"external_id", "phone", "prioritization"}`` of each.
        """
        given = {
            "aliases_to_identify": aliases_to_identify,
            "emails_to_identify": emails_to_identify,
            "phone_numbers_to_identify": phone_numbers_to_identify,
        }
        return self._act("identify", given)

    def new_user_aliases(self, user_aliases: Objects) -> dict[str, Any]:
        """
        Give up to 50 users an alias, or make users of whom only that is known.

        :param user_aliases: ``{"alias_name", "alias_label"}`` of each, and the ``external_id`` of one who is there.
        """
        return self._act("alias_new", {"user_aliases": user_aliases})

    def update_user_aliases(self, alias_updates: Objects) -> dict[str, Any]:
        """
        Rename up to 50 aliases.

        :param alias_updates: ``{"alias_label", "old_alias_name", "new_alias_name"}`` of each.
        """
        return self._act("alias_update", {"alias_updates": alias_updates})

    def merge_users(self, merge_updates: Objects) -> dict[str, Any]:
        """
        Merge up to 50 users into others. It cannot be undone, and Braze keeps no order within a request.

        :param merge_updates: ``{"identifier_to_merge": {...}, "identifier_to_keep": {...}}`` of each.
        """
        return self._act("merge", {"merge_updates": merge_updates})

    def set_subscription_status(
        self,
        subscription_group_id: str,
        subscription_state: str,
        *,
        external_ids: Sequence[str] | None = None,
        emails: Sequence[str] | None = None,
        phones: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """
        Subscribe or unsubscribe up to 50 users, named in one way.

        :param subscription_group_id: the group's id.
        :param subscription_state: ``subscribed`` or ``unsubscribed``.
        :param external_ids: external ids.
        :param emails: e-mail addresses: all users with one of them.
        :param phones: phone numbers in E.164: all users with one of them.
        """
        if not isinstance(subscription_state, str) or subscription_state not in STATES:
            raise BrazeSetupError(
                f"subscription_state must be {' or '.join(STATES)}, not {subscription_state!r}."
            )
        shared = {
            "subscription_group_id": given_id("subscription_group_id", subscription_group_id),
            "subscription_state": subscription_state,
        }
        given = {"external_ids": external_ids, "emails": emails, "phones": phones}
        return self._act("subscription_status", given, shared)

    def _act(
        self, name: str, given: Mapping[str, Sequence[Any] | None], shared: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        action, shared = ACTIONS[name], shared or {}
        arrays = {array: rows for array, items in given.items() if (rows := given_list(array, items))}
        if len(arrays) != 1:
            raise BrazeSetupError(f"Give exactly one of {', '.join(given)}.")
        ((array, rows),) = arrays.items()
        if len(rows) > ROWS_PER_REQUEST:
            raise BrazeSetupError(
                f"{array} takes at most {ROWS_PER_REQUEST}, not {len(rows)}; BrazeUsersOperator takes any number."
            )
        return self.answer_to(
            action.endpoint, body_of(action, array, shared, _items(action, array, rows, shared))
        )


def given_users(array: str, given: Iterable[Any] | None) -> list[Any]:
    """Read ``external_ids`` or ``user_aliases`` of users that are looked up.

    Each is there once: given twice, it would be found once for each request that it is in.

    :raises BrazeSetupError: one of them can be none.
    """
    found = _items(ACTIONS["delete"], array, given_list(array, given), {})
    return [*{json_of(array, each): each for each in found}.values()]


def _items(action: UserAction, array: str, rows: list[Any], shared: Mapping[str, Any]) -> list[Any]:
    """Read each as ``BrazeUsersOperator`` reads a row: what is no id must not become somebody else's."""
    found = []
    for index, row in enumerate(rows):
        name = f"{array}[{index}]"
        try:
            found.append(item_of(action, array, given_value(name, row), shared))
        except BadActionRowError as bad:
            raise BrazeSetupError(f"{name} cannot be sent: {bad}.") from None
    return found
