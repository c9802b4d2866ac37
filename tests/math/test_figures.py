"""Figures: no number without its n, and none where there is nothing."""

from constitutional.builtin.math.figures import average, change, generator, share


def test_a_share_has_wilsons_interval() -> None:
    found = share([True, False, False, False], generator(1, "x"), unscored={"timeout": 2, "parse": 1})
    assert found["value"] == 0.25
    assert (found["n"], found["unscored"], found["method"]) == (4, 3, "Wilson")
    assert found["reasons"] == {"parse": 1, "timeout": 2}


def test_none_of_none_is_no_zero() -> None:
    assert share([], generator(1, "x"))["value"] is None
    found = average([], generator(1, "x"), unscored={"timeout": 2})
    assert (found["value"], found["n"], found["unscored"], found["why"]) == (None, 0, 2, "nothing could be scored")


def test_clusters_are_counted_not_rows() -> None:
    none = share([False] * 40, generator(1, "x"), clusters=[i // 10 for i in range(40)])
    assert none["method"] == "Wilson over clusters"
    assert float(str(none["high"])) > 0.4
    mixed = share([True, False] * 20, generator(1, "x"), clusters=[i // 10 for i in range(40)])
    assert mixed["method"] == "cluster bootstrap"


def test_two_models_that_never_differ_may_still_differ_elsewhere() -> None:
    found = change([1.0, 0.0, 0.0], [1.0, 0.0, 0.0], generator(1, "x"))
    assert found["value"] == 0
    assert float(str(found["low"])) < -0.5
    assert float(str(found["high"])) > 0.5
    assert found["method"] == "Wilson on differing prompts"


def test_values_all_alike_still_have_an_interval() -> None:
    found = average([0.5] * 20, generator(1, "x"), unit=True)
    low, high = float(str(found["low"])), float(str(found["high"]))
    assert 0.4 < low < 0.5 < high < 0.6
    assert found["method"] == "Wilson on differing values"


def test_every_figure_has_a_stream_of_its_own() -> None:
    assert generator(1, "a").random() != generator(1, "b").random()
    assert generator(1, "a").random() == generator(1, "a").random()
