"""Prices: the spec's own come first, the first pattern that fits counts, mistakes have a place, unknown is not nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.backends.openai import OpenAIBackend
from constitutional.builtin.backends.scripted import ScriptedBackend
from constitutional.errors import SpecError
from constitutional.plan.prices import IN_THE_BOX, Price, Prices, Table, load, unpriced
from constitutional.plan.step import ModelUse
from constitutional.plugins import Registered
from constitutional.spec.render import render
from tests.engine.support import HERE, Echo, chain

FILE = """\
as_of: 2026-01-01
prices:
  big-exact: {input: 3, output: 15}
  "big*": {input: 1, output: 2}
  "*": {input: 9, output: 9}
"""


def use(backend=OpenAIBackend, **params):
    return ModelUse("m", Registered(backend, HERE), backend.Params(**params), "f", "m")


def written(folder, text):
    path = folder / "prices.yaml"
    path.write_text(text)
    return path


def test_the_first_pattern_that_fits_counts_and_the_spec_comes_first(tmp_path):
    prices = load(written(tmp_path, FILE), {})
    assert prices.known(use(model="big-exact")) == (Price(input=3, output=15), "prices.yaml of 2026-01-01")
    assert prices.of(use(model="big-other")) == Price(input=1, output=2)
    assert prices.of(use(model="gpt-4.1")) == Price(input=9, output=9)
    own = use(model="big-exact", price={"input": 0, "output": 0})
    assert prices.known(own) == (Price(input=0, output=0), "the spec")


def test_the_variable_names_a_file_and_the_option_comes_before_it(tmp_path):
    mine = written(tmp_path, "prices: {m: {input: 1, output: 1}}")
    assert load(None, {"CONSTITUTIONAL_PRICES": str(mine)}).of(use(model="m")) == Price(input=1, output=1)
    other = tmp_path / "other.yaml"
    other.write_text("prices: {m: {input: 2, output: 2}}")
    assert load(other, {"CONSTITUTIONAL_PRICES": str(mine)}).of(use(model="m")) == Price(input=2, output=2)


def test_the_list_in_the_package_has_a_day_and_knows_no_more_than_it_says():
    prices = load(None, {})
    price, source = prices.known(use(model="gpt-4.1-mini"))
    assert price == Price(input=0.4, output=1.6)
    assert source.startswith("the list in the package of 20")
    assert "PRICES CHANGE" in IN_THE_BOX.read_text()
    assert prices.known(use(model="my-own-model")) == (None, "")
    assert prices.of(use(model="gpt-4.1-turbo-of-tomorrow")) is None


def test_a_model_on_ones_own_machine_costs_no_dollars_unless_a_file_says_so():
    local = use(ScriptedBackend, rules=[{"say": "x"}])
    assert load(None, {}).known(local) == (Price(input=0, output=0), "own machine")
    rented = Prices([Table("rent", {"scripted": Price(input=0.1, output=0.1)})])
    assert rented.of(local) == Price(input=0.1, output=0.1)


def test_models_without_a_price_are_named(monkeypatch):
    assert unpriced(chain(["x"]), Prices()) == []
    monkeypatch.setattr(Echo, "price", None)
    assert unpriced(chain(["x"]), Prices()) == ["echo"]
    assert unpriced(chain(["x"]), Prices([Table("t", {"echo": Price(input=1, output=1)})])) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prices: {m: {input: -1, output: 2}}", "`input` must be at least 0"),
        ("prices: {m: {input: 1}}", "the price of `m` needs `output`"),
        ("prices: {m: {input: 1, output: 2, cached: 1}}", "the price of `m` has no parameter `cached`"),
        ("prices: {m: 3}", "The price of `m` must be a mapping"),
        ("prices: {m: {input: free, output: 2}}", "`input`"),
        ("price: {}", "has no key `price`"),
        ("as_of: 2026-01-01", "lacks `prices`"),
        ("- 1", "A file of prices must be a mapping"),
        ("prices: {m: {input: .inf, output: 2}}", "not a finite number"),
        ("prices: {m: &a [*a]}", "alias"),
    ],
)
def test_mistakes_in_a_file_of_prices_have_a_place(tmp_path, text, said):
    with pytest.raises(SpecError) as caught:
        load(written(tmp_path, text), {})
    shown = render(caught.value.diagnostics, color=False)
    assert said in shown
    assert "prices.yaml:1:" in shown


def test_a_file_of_prices_that_is_not_there(tmp_path):
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "none.yaml", {})
    assert "Cannot read" in render(caught.value.diagnostics, color=False)


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(0, 10**9), st.integers(0, 10**9))
def test_dollars_are_those_of_both_sides(read, write, tokens_in, tokens_out):
    price = Price(input=read, output=write)
    parts = price.dollars(tokens_in, 0) + price.dollars(0, tokens_out)
    assert price.dollars(tokens_in, tokens_out) == pytest.approx(parts)
