from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_braze.sandbox.checks.profile_fields import STORED_AS
from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore

NAMES = st.sampled_from(
    [
        *STORED_AS,
        *(
            "external_id",
            "user_alias",
            "braze_id",
            "name",
            "time",
            "properties",
            "product_id",
            "currency",
            "price",
        ),
        *("quantity", "push_token_import", "_merge_objects", "_update_existing_only", "tags", "visits"),
        *(
            "add",
            "remove",
            "$add",
            "$remove",
            "$update",
            "$time",
            "inc",
            "$identifier_key",
            "$identifier_value",
        ),
        *("$new_object", "alias_name", "alias_label", "longitude", "latitude", "app_id", "token", "a b", ""),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=12) | st.sampled_from(["a", "a@example.com", "2026-09-15", "EUR", "t" * 300])
VALUES = st.recursive(
    LEAVES | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=8) | VALUES
BODIES = st.lists(
    st.fixed_dictionaries(
        {}, optional={name: st.lists(OBJECTS, max_size=4) for name in ("attributes", "events", "purchases")}
    ),
    max_size=3,
)


@settings(max_examples=100, deadline=None)
@given(BODIES)
def test_whatever_is_sent_each_object_is_taken_or_refused(bodies):
    store = ProfileStore(lag=1)
    for body in bodies:
        outcome = store.track(body)
        assert outcome.processed.keys() == body.keys()
        for name, items in body.items():
            refused = {r.index for r in outcome.refusals if r.input_array == name}
            assert outcome.processed[name] + len(refused) == len(items)
    msgspec.json.encode(store.readable())
