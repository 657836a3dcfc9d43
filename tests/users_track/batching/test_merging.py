from __future__ import annotations

import copy
import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore
from airflow_provider_braze.users_track.batching.merging import deep_merge, merge

KEYS = st.sampled_from(["a", "b", "zip"])
NAMES = st.sampled_from(["x", "y", "tags", "first_name", "gender", "dob", "country", "time_zone", "email"])
SCALARS = st.sampled_from(
    [
        "",
        "t",
        "M",
        "ES",
        "2026-09-15",
        "Europe/Madrid",
        "a@example.com",
        "t" * 256,
        0,
        1,
        1.0,
        2.5,
        True,
        False,
    ]
)
OBJECTS = st.recursive(
    SCALARS | st.none() | st.just({"$time": "2026-01-02"}) | st.just({"$time": "soon"}),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
ITEMS = st.lists(SCALARS, max_size=3)
ID = st.fixed_dictionaries({"id": st.integers(0, 2)}, optional={"n": st.integers(0, 3)})
CHANGES = st.one_of(
    st.fixed_dictionaries({"add": ITEMS}),
    st.fixed_dictionaries({"remove": ITEMS}),
    st.fixed_dictionaries({"add": ITEMS, "remove": ITEMS}),
    st.fixed_dictionaries({"inc": st.integers(-3, 3)}),
    st.fixed_dictionaries({"$add": st.lists(ID, max_size=2)}),
    st.fixed_dictionaries(
        {
            "$remove": st.lists(
                ID.map(lambda o: {"$identifier_key": "id", "$identifier_value": o["id"]}), max_size=2
            )
        }
    ),
    st.fixed_dictionaries(
        {
            "$update": st.lists(
                ID.map(lambda o: {"$identifier_key": "id", "$identifier_value": 1, "$new_object": o}),
                max_size=2,
            )
        }
    ),
)
PLAIN = st.dictionaries(KEYS, OBJECTS, min_size=1, max_size=3)
VALUES = st.one_of(SCALARS, st.none(), PLAIN, ITEMS, st.lists(ID, max_size=2), CHANGES)


@st.composite
def profile_objects(draw):
    found = draw(st.dictionaries(NAMES, VALUES, max_size=5))
    flag = draw(st.sampled_from([None, True, False]))
    if flag is not None:
        found["_merge_objects"] = flag
    return {"external_id": "P1", "_update_existing_only": False, **found}


def after(*objects):
    """What Braze has when each object has been processed in turn."""
    store = ProfileStore(clock=lambda: 0)
    for each in objects:
        store.track({"attributes": [copy.deepcopy(each)]})
    # As JSON, because to Python 1 and True are one.
    return msgspec.json.encode(store.readable(), order="sorted")


@pytest.mark.no_mutation
@settings(max_examples=600, deadline=None)
@given(profile_objects(), profile_objects(), profile_objects())
@example({"external_id": "P1", "x": {"a": {"b": 1}}}, {"external_id": "P1", "x": {"a": 1}, "_merge_objects": True},
         {"external_id": "P1", "x": {"a": {"zip": 2}}, "_merge_objects": True})  # fmt: skip
def test_a_merged_object_does_what_both_would_do_in_turn(stored, older, newer):
    kept = copy.deepcopy((older, newer))
    merged = merge(older, newer)
    assert (older, newer) == kept, "merging changes neither object"
    if merged is not None:
        assert after(stored, merged) == after(stored, older, newer)


GROUPS = [
    {"subscription_group_id": "8f2c1d4e-0000-4000-8000-000000000001", "subscription_state": "subscribed"}
]
CONSENT = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["a@example.com", "b@example.com", None]),
        "phone": st.sampled_from(["+34600000001", "+34600000002", None]),
        "email_subscribe": st.sampled_from(["unsubscribed", "opted_in"]),
        "subscription_groups": st.just(GROUPS),
    },
)


@pytest.mark.no_mutation
@settings(max_examples=300, deadline=None)
@given(CONSENT, CONSENT, CONSENT, st.booleans())
@example({}, {"email": "a@example.com", "email_subscribe": "unsubscribed"}, {"email": "b@example.com"}, True)
def test_a_merged_consent_is_that_of_the_same_people(stored, older, newer, checked):
    """Consent reaches everybody with the same address or number."""
    others = [
        {"external_id": "A", "email": "a@example.com", "phone": "+34600000001"},
        {"external_id": "B", "email": "b@example.com", "phone": "+34600000002"},
    ]
    same = {"external_id": "P1", "_update_existing_only": False}
    stored, older, newer = (same | each for each in (stored, older, newer))
    merged = merge(older, newer, checked=checked)
    if merged is not None:
        assert after(*others, stored, merged) == after(*others, stored, older, newer)


@pytest.mark.no_mutation
@settings(max_examples=200, deadline=None)
@given(st.lists(profile_objects(), min_size=2, max_size=6), profile_objects())
def test_folding_many_objects_does_what_they_would_do_in_turn(objects, stored):
    folded = objects[:1]
    for each in objects[1:]:
        merged = merge(folded[-1], each)
        if merged is None:
            folded.append(each)
        else:
            folded[-1] = merged
    assert after(stored, *folded) == after(stored, *objects)


def both(older, newer, united=frozenset()):
    """Merge two objects of one user, without the parts that are always there."""
    same = {"external_id": "P1", "_update_existing_only": False}
    merged = merge(same | older, same | newer, united)
    return merged if merged is None else {name: merged[name] for name in merged.keys() - same.keys()}


@pytest.mark.parametrize(
    ("older", "newer", "expected"),
    [
        pytest.param({"x": 1}, {"y": 2}, {"x": 1, "y": 2}, id="different fields"),
        pytest.param({"x": 1}, {"x": "b"}, {"x": "b"}, id="last wins"),
        pytest.param({"x": 1}, {"x": None}, {"x": None}, id="null wins too"),
        pytest.param({"x": None}, {"x": 1}, {"x": 1}, id="a value after a null"),
        pytest.param({"email": "a@b.cc"}, {"email": "c@b.cc"}, {"email": "c@b.cc"}, id="a standard field"),
        pytest.param(
            {"x": {"add": ["a"]}}, {"x": {"add": ["b", "a"]}}, {"x": {"add": ["b", "a"]}}, id="tags"
        ),
        pytest.param({"x": {"add": ["a"]}}, {"x": {"add": ["a"]}}, {"x": {"add": ["a"]}}, id="a tag again"),
        pytest.param(
            {"x": {"add": ["a", "a"]}}, {"x": {"add": ["a", "a"]}}, {"x": {"add": ["a"]}}, id="tags twice"
        ),
        pytest.param({"x": ["a"]}, {"x": {"add": ["b"]}}, {"x": ["a", "b"]}, id="add to a set"),
        pytest.param({"x": {"add": ["a"]}}, {"x": ["b"]}, {"x": ["b"]}, id="a set after an add"),
        pytest.param({"x": ["a"]}, {"x": ["b"]}, {"x": ["b"]}, id="a set after a set"),
        pytest.param(
            {"x": {"add": [1]}}, {"x": {"add": [True]}}, {"x": {"add": [1, True]}}, id="1 is not True"
        ),
        pytest.param({"x": {"inc": 2}}, {"x": {"inc": -5}}, {"x": {"inc": -3}}, id="increments"),
        pytest.param({"x": 2}, {"x": {"inc": 3}}, {"x": 5}, id="an increment of a set"),
        pytest.param({"x": {"inc": 2}}, {"x": 7}, {"x": 7}, id="a set after an increment"),
        pytest.param(
            {"x": {"a": 1, "b": {"c": 1}}, "_merge_objects": True},
            {"x": {"b": {"d": 2}}, "_merge_objects": True},
            {"x": {"a": 1, "b": {"c": 1, "d": 2}}, "_merge_objects": True},
            id="objects, deeply",
        ),
        pytest.param({"x": {"a": 1}}, {"x": {"b": 2}}, {"x": {"b": 2}}, id="objects, replaced"),
        pytest.param(
            {"tags": {"add": ["a"]}},
            {"x": {"a": 1}, "_merge_objects": True},
            {"tags": {"add": ["a"]}, "x": {"a": 1}, "_merge_objects": True},
            id="the flag comes with the object",
        ),
        pytest.param(
            {"x": {"a": 1}, "_merge_objects": True},
            {"y": 1, "_merge_objects": False},
            {"x": {"a": 1}, "y": 1, "_merge_objects": True},
            id="the flag stays with the object",
        ),
        pytest.param(
            {"x": {"a": 1}},
            {"y": 1, "_merge_objects": True},
            {"x": {"a": 1}, "y": 1},
            id="no flag stays with it too",
        ),
        pytest.param(
            {"email": "a@b.cc", "email_subscribe": "unsubscribed"},
            {"email": "a@b.cc", "phone": "+34600000001", "email_subscribe": "subscribed"},
            {"email": "a@b.cc", "phone": "+34600000001", "email_subscribe": "subscribed"},
            id="consent of one address",
        ),
        pytest.param(
            {"email": "a@b.cc"},
            {"email": "c@b.cc", "email_subscribe": "unsubscribed"},
            {"email": "c@b.cc", "email_subscribe": "unsubscribed"},
            id="consent of the newer address",
        ),
        pytest.param({"twitter": {"id": 1}}, {"twitter": {"n": 1}}, {"twitter": {"n": 1}}, id="set whole"),
        pytest.param({"x": 1}, {"x": {"$time": "2026-01-01"}}, {"x": {"$time": "2026-01-01"}}, id="a time"),
    ],
)
def test_what_is_merged(older, newer, expected):
    assert both(older, newer) == expected


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        pytest.param({"x": "kept"}, {"x": "t" * 256}, id="the newer is ignored by Braze"),
        pytest.param({"x": ["kept"]}, {"x": ["a", None]}, id="the newer array is ignored"),
        pytest.param({"gender": "F"}, {"gender": "female"}, id="the newer field is ignored"),
        pytest.param({"language": "en"}, {"language": "English"}, id="the newer language may be ignored"),
        pytest.param(
            {"date_of_first_session": "2026-03-01"},
            {"date_of_first_session": "20260302"},
            id="the newer time is ignored",
        ),
        pytest.param({"x": 1}, {"email": "nobody"}, id="the newer object is refused"),
        pytest.param({"push_subscribe": "yes"}, {"x": 1}, id="the older object is refused"),
        pytest.param({"x": {"a": 1}}, {"x": {"a": 1, "b": None}}, id="a null inside"),
        pytest.param(
            {"x": {"a": 1}, "_merge_objects": True},
            {"x": {"b": 1}, "_merge_objects": False},
            id="other flags",
        ),
        pytest.param(
            {"x": {"a": 1}, "_merge_objects": True},
            {"x": {"a": {"b": 1}}, "_merge_objects": True},
            id="a reset inside",
        ),
        pytest.param({"x": "t"}, {"x": {"a": 1}, "_merge_objects": True}, id="a reset"),
        pytest.param(
            {"x": {"a": None}, "_merge_objects": True},
            {"x": {"b": 1}, "_merge_objects": True},
            id="an older null inside",
        ),
        pytest.param({"x": {"add": "ab"}}, {"x": {"add": ["c"]}}, id="an older add that is ignored"),
        pytest.param({"x": {"add": [None]}}, {"x": {"add": ["c"]}}, id="an older add of null"),
        pytest.param({"x": {"add": ["t" * 256]}}, {"x": {"add": ["c"]}}, id="an older add of a long text"),
        pytest.param({"x": None}, {"x": {"a": 1}, "_merge_objects": True}, id="an unset, then an object"),
        pytest.param({"x": {"add": ["a"]}}, {"x": {"remove": ["a"]}}, id="a remove"),
        pytest.param({"x": {"$add": [{"a": 1}]}}, {"x": {"$add": [{"a": 1}]}}, id="the same $add twice"),
        pytest.param({"x": {"remove": ["b"]}}, {"x": {"add": ["b"]}}, id="an add after a remove"),
        pytest.param({"x": "text"}, {"x": {"add": ["b"]}}, id="an add to a text"),
        pytest.param({"x": [{"a": 1}]}, {"x": {"add": ["b"]}}, id="an add to objects"),
        pytest.param({"x": True}, {"x": {"inc": 1}}, id="an increment of a boolean"),
        pytest.param({"x": 1.5}, {"x": {"inc": 1}}, id="an increment of a float"),
        pytest.param({"subscription_groups": []}, {"subscription_groups": []}, id="groups are instructions"),
        pytest.param({"push_tokens": []}, {"push_tokens": []}, id="push tokens are instructions"),
        pytest.param({"x": "old", "x ": "odd"}, {"x": "new"}, id="two names of one attribute"),
        pytest.param({" x": "odd"}, {"x": "new"}, id="a name with a space"),
        pytest.param({"push_token_import": True}, {}, id="a token import"),
        pytest.param(
            {"email": "a@b.cc", "email_subscribe": "unsubscribed"}, {"email": "c@b.cc"}, id="another address"
        ),
        pytest.param(
            {"email": "a@b.cc", "email_subscribe": "unsubscribed"},
            {"email": "c@b.cc", "email_subscribe": "subscribed"},
            id="another address with its own consent",
        ),
        pytest.param({"email_subscribe": "unsubscribed"}, {"email": "a@b.cc"}, id="a first address"),
        pytest.param({"email_subscribe": "unsubscribed"}, {"email": None}, id="an address is unset"),
        pytest.param({"subscription_groups": []}, {"phone": "+34600000001"}, id="a first number"),
        pytest.param({"subscription_groups": []}, {"email": "a@b.cc"}, id="groups go by the address, too"),
    ],
)
def test_what_goes_one_after_the_other(older, newer):
    assert both(older, newer) is None


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("email", "nobody"),
        ("email_subscribe", "yes"),
        ("push_subscribe", "yes"),
        ("subscription_groups", "none"),
        ("current_location", {"longitude": 1}),
        ("push_tokens", "none"),
        ("email_subscription_info", {}),
    ],
)
def test_what_braze_may_refuse_whole_takes_no_other_object_with_it(field, bad):
    good, refused = {"x": 1}, {field: bad}
    person = {"external_id": "P1", "_update_existing_only": False}
    assert after(person | good | refused) == after(), "Braze refuses all of an object with it"
    assert both(good, refused) is None
    assert both(refused, good) is None


def test_objects_that_may_make_a_profile_are_not_merged_with_those_that_may_not():
    assert merge({"x": 1, "_update_existing_only": True}, {"x": 1, "_update_existing_only": False}) is None
    assert merge({"x": 1, "_update_existing_only": True}, {"x": 1}) is None


def test_replaced_tags_are_united():
    assert both({"x": ["a"], "y": ["a"]}, {"x": ["b"], "y": ["b"]}, frozenset({"x"})) == {
        "x": ["a", "b"],
        "y": ["b"],
    }
    assert both({"x": ["a"]}, {"x": None}, frozenset({"x"})) == {"x": None}
    assert both({"x": "a"}, {"x": ["b"]}, frozenset({"x"})) == {"x": ["b"]}


@pytest.mark.parametrize("wrap", [lambda items: {"add": items}, lambda items: items])
def test_tags_are_united_up_to_500(wrap):
    some, more = [str(n) for n in range(300)], [str(n) for n in range(100, 500)]
    united = frozenset({"x"})
    assert both({"x": wrap(some)}, {"x": wrap(more)}, united) == {"x": wrap([str(n) for n in range(500)])}
    assert both({"x": wrap(some)}, {"x": wrap([*more, "500"])}, united) is None


def test_a_merged_array_or_object_is_at_most_100_kb():
    some = [f"{n}" + "é" * 250 for n in range(150)]
    more = [f"{n}" + "é" * 250 for n in range(150, 300)]
    assert both({"x": {"add": some}}, {"x": {"add": some}}) is not None
    assert both({"x": {"add": some}}, {"x": {"add": more}}) is None
    flag = {"_merge_objects": True}
    assert both({"x": {"a": some}} | flag, {"x": {"b": some[:3]}} | flag) is not None
    assert both({"x": {"a": some}} | flag, {"x": {"b": more}} | flag) is None


def test_united_tags_may_have_100_kb_exactly_of_the_longest_characters():
    digits = {ord("0"): "\x01", ord("1"): "\x02"}
    tags = [f"{n:010b}".translate(digits) + "\x03" * 39 for n in range(332)]
    older, most = {"x": {"add": tags}}, "\x03" * 232
    merged = both(older, {"x": {"add": [most]}})
    assert merged is not None
    assert len(json.dumps(merged["x"]["add"], separators=(",", ":"))) == 100_000
    assert both(older, {"x": {"add": [most + "\x03"]}}) is None


def test_a_merged_object_may_have_100_kb_exactly():
    flag = {"_merge_objects": True}
    older = {"x": {f"k{n:03}": "v" * 254 for n in range(378)}} | flag
    merged = both(older, {"x": {"last": "v" * 197}} | flag)
    assert merged is not None
    assert len(json.dumps(merged["x"], separators=(",", ":"))) == 100_000
    assert both(older, {"x": {"last": "v" * 198}} | flag) is None


def test_an_alias_stays():
    alias = {"user_alias": {"alias_name": "a", "alias_label": "b"}}
    assert both(alias | {"x": 1}, alias | {"x": 2}) == alias | {"x": 2}
    older, newer = alias | {"x": 1}, alias | {"y": {"a": 1}, "_merge_objects": True}
    assert both(older, newer) == older | newer


def test_deep_merge_leaves_its_arguments_alone():
    old, new = {"a": {"b": 1}}, {"a": {"c": {"d": 1}}}
    merged = deep_merge(old, new)
    assert merged == {"a": {"b": 1, "c": {"d": 1}}}
    assert (old, new) == ({"a": {"b": 1}}, {"a": {"c": {"d": 1}}})
