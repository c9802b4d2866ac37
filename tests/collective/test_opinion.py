"""Maps, groups, consensus, and columns of groups that stand beside the wrong rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.collective.alignment import ORDERS, examine, realigned
from constitutional.collective.consensus import consensus, default_threshold
from constitutional.collective.opinion import agreement, by_size, groups, opinion_map
from constitutional.errors import DataError
from tests.collective.exports import two_camps, votes


def camps(size=30):
    rows, _ = two_camps(size)
    found = votes(list(rows.values()))
    return found, np.array([id % 2 for id in rows]), list(rows)


@pytest.mark.parametrize("missing", ["zero", "mean"])
@pytest.mark.parametrize("samples", ["statements", "people"])
def test_two_camps_are_found_on_every_map(missing, samples):
    found, truth, _ = camps()
    place = opinion_map(found, missing, samples)
    grouping = groups(place.points)
    assert place.points.shape == (60, 2)
    assert grouping.k == 2
    assert agreement(grouping.labels, truth) == 1.0
    assert max(grouping.silhouettes, key=grouping.silhouettes.get) == 2


def test_on_the_map_of_statements_who_agrees_with_everything_stands_anywhere():
    """Centred on the person, a row of ones is a row of zeros: what is left is which votes are absent."""
    rng = np.random.default_rng(2)
    said = [[1] * 12] * 30 + [[1] * 4 + [-1] * 8] * 30
    found = votes([[None if rng.random() < 0.33 else vote for vote in row] for row in said])
    truth = np.arange(60) // 30
    apart = {s: groups(opinion_map(found, "zero", s).points, choices=(2,)).labels for s in ("people", "statements")}
    assert agreement(apart["people"], truth) == 1.0
    assert agreement(apart["statements"], truth) < 0.9


def test_small_clusters_first_find_them_too():
    found, truth, _ = camps(80)
    place = opinion_map(found)
    assert agreement(groups(place.points, base=20, choices=(2,)).labels, truth) == 1.0


def test_the_variance_is_that_of_the_singular_values():
    """Against the definition: shares of the squared singular values of the centred matrix."""
    found, _, _ = camps()
    filled = np.where(found.seen, found.matrix, 0).astype(float)
    for samples, matrix in (("people", filled), ("statements", filled.T)):
        values = np.linalg.svd(matrix - matrix.mean(axis=0), compute_uv=False) ** 2
        assert opinion_map(found, "zero", samples).variance == pytest.approx(tuple(values[:2] / values.sum()))


def test_votes_that_are_all_alike_have_no_map():
    with pytest.raises(DataError, match="all votes are alike"):
        opinion_map(votes([[1] * 4] * 5))
    with pytest.raises(DataError, match="make no map"):
        opinion_map(votes([[1, -1]] * 2))


def test_too_few_points_have_no_groups():
    with pytest.raises(DataError, match="different points"):
        groups(np.zeros((10, 2)))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_groups_are_numbered_from_the_largest(labels):
    made = by_size(np.array(labels))
    counts = np.bincount(made)
    assert (np.diff(counts) <= 0).all()
    assert agreement(made, np.array(labels)) == 1.0 or len(labels) == 1


# -- consensus -------------------------------------------------------------------------------------------------------


def test_consensus_by_hand():
    made = votes([[1, 1, None], [1, -1, None], [1, 0, 1], [None, 1, 1]])
    found = consensus(made, np.array([0, 0, 1, 1]))
    assert found.value.tolist() == pytest.approx([3 / 4 * 2 / 3, 2 / 4 * 2 / 4, 1 / 2 * 3 / 4])
    assert found.agrees.tolist() == [[2, 1, 0], [1, 1, 2]]
    assert found.disagrees.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert found.passes.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert found.seen.tolist() == [[2, 2, 0], [1, 2, 2]]
    assert default_threshold(2) == pytest.approx(0.7225)


@given(st.lists(st.lists(st.sampled_from([1, 0, -1, None]), min_size=2, max_size=2), min_size=2, max_size=30))
def test_consensus_is_a_probability_inside_its_interval(matrix):
    made = votes(matrix)
    labels = np.arange(len(matrix)) % 2
    found = consensus(made, labels)
    assert ((found.value > 0) & (found.value < 1)).all()
    assert ((found.low < found.value) & (found.value < found.high)).all()
    assert (found.seen.sum(axis=0) == made.seen.sum(axis=0)).all()


def test_more_agreement_never_lowers_consensus():
    before = consensus(votes([[1], [None], [1], [-1]]), np.array([0, 0, 1, 1])).value
    after = consensus(votes([[1], [1], [1], [-1]]), np.array([0, 0, 1, 1])).value
    assert after > before


# -- alignment -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
def test_labels_written_in_another_order_are_noticed_and_put_right(order):
    """Ids in no order at all, labels made in one order and written in another: what a misaligned column is."""
    rng = np.random.default_rng(5)
    people = rng.permutation(np.arange(1, 400)).tolist()
    truth = rng.integers(0, 2, len(people))
    column = truth[np.array(ORDERS[order](people))]
    found = examine(people, column, truth)
    assert found.misaligned
    assert found.best == order
    assert "beside other people's rows" in found.explain()
    assert (realigned(people, column, order) == truth).all()


def test_a_column_that_fits_is_left_alone():
    _, truth, people = camps()
    found = examine(people, 1 - truth, truth)
    assert not found.misaligned
    assert found.best == ""
    assert found.as_written == 1.0


def test_a_column_of_chance_is_unrelated_and_not_misaligned():
    rng = np.random.default_rng(6)
    people = rng.permutation(np.arange(500)).tolist()
    found = examine(people, rng.integers(0, 2, 500), rng.integers(0, 2, 500))
    assert not found.misaligned
    assert "in no order that was tried" in found.explain()


def test_orders_that_change_nothing_are_not_tried():
    found = examine(list(range(20)), np.arange(20) % 2, np.arange(20) % 3)
    assert "participants, sorted" not in found.in_order
