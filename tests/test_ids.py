"""Identity: the same everywhere, different where it matters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.ids import canonical, derived_row_id, digest, row_random, row_seed, source_row_id

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_the_order_of_keys_changes_nothing(value):
    assert digest(value) == digest(dict(reversed(value.items())))


@given(JSON, JSON)
def test_different_values_have_different_digests(one, other):
    assert (canonical(one) == canonical(other)) == (digest(one) == digest(other))


def test_nan_has_no_canonical_form():
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


def test_twins_in_a_source_have_ids_of_their_own():
    assert source_row_id({"prompt": "hi"}, 0) != source_row_id({"prompt": "hi"}, 1)


def test_a_derived_id_depends_on_stage_parents_index_and_content():
    base = derived_row_id("critic/principle", ["a"], 0, "x")
    others = [
        derived_row_id("critic/other", ["a"], 0, "x"),
        derived_row_id("critic/principle", ["b"], 0, "x"),
        derived_row_id("critic/principle", ["a"], 1, "x"),
        derived_row_id("critic/principle", ["a"], 0, "y"),
    ]
    assert len({base, *others}) == 5


def test_known_values_hold_on_every_machine():
    assert digest({"b": 1, "a": [None, "é"]}) == "4803818f4da3b036ded67c7f61f7f9fa0ea567c4c71f506db855141e46f9c526"
    assert row_seed(17, "generator/sample", "0123456789abcdef", 3) == 1865983844973409423
    assert row_random(1, "s", "r").random() == row_random(1, "s", "r").random()
    assert row_random(1, "s", "r").random() != row_random(2, "s", "r").random()
