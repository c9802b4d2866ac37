"""Equal rows are told apart by number, as a plain counter would."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from constitutional.ids import digest
from constitutional.twins import FIRST_SLOTS, Twins


@given(st.lists(st.integers(0, 30), max_size=200))
def test_twins_count_as_a_counter_does(values):
    twins, seen = Twins(), Counter()
    for value in values:
        assert twins.occurrence(digest(value)) == seen[value]
        seen[value] += 1


def test_many_rows_stay_apart_while_the_table_grows():
    twins = Twins()
    many = [digest(value) for value in range(3 * FIRST_SLOTS)]
    assert not any(twins.occurrence(one) for one in many)
    assert all(twins.occurrence(one) == 1 for one in many)


def test_a_digest_of_zeros_is_one_like_any_other():
    twins = Twins()
    assert [twins.occurrence("0" * 64) for _ in range(3)] == [0, 1, 2]
