"""Prices of models, in dollars per million tokens, and where each is known from.

A model's own `price` in the spec comes first, then the file of `--prices` or else of CONSTITUTIONAL_PRICES, then the list in
the package, then what the backend says of itself: a model on one's own machine costs no dollars.  What none of them
knows has no price: unknown is not nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from pydantic import Field

from constitutional.errors import SpecError, UserError
from constitutional.parameters import Params
from constitutional.plan.step import ModelUse, Plan
from constitutional.spec import shape
from constitutional.spec.findings import Findings
from constitutional.spec.params import Written, validated
from constitutional.spec.text import Diagnostic
from constitutional.spec.yamltree import Entry, parse, read_source

VARIABLE: Final = "CONSTITUTIONAL_PRICES"
IN_THE_BOX: Final = Path(__file__).resolve().parents[1] / "prices.yaml"
HOW_TO: Final = (
    "write `price: {input: 0.4, output: 1.6}` into the model, in dollars per million tokens, "
    f"or name a file of prices with --prices or {VARIABLE}"
)
MILLION: Final = 1e6
_FORM: Final = "`prices: {gpt-4.1-mini: {input: 0.4, output: 1.6}}`"


class Price(Params):
    """What a million tokens cost, in dollars."""

    input: float = Field(ge=0)
    """Dollars per million tokens that the model reads."""

    output: float = Field(ge=0)
    """Dollars per million tokens that the model writes."""

    def dollars(self, read: float, written: float) -> float:
        """What so many tokens cost."""
        return (read * self.input + written * self.output) / MILLION


@dataclass(frozen=True, slots=True)
class Table:
    """One file of prices: what to call it, and prices by pattern of a model's name, the first that fits first."""

    name: str
    prices: Mapping[str, Price]


class Prices:
    """The prices that hold for a run."""

    def __init__(self, tables: Sequence[Table] = ()) -> None:
        self._tables = tuple(tables)

    def of(self, use: ModelUse) -> Price | None:
        """The price of a model, or None where nobody knows it."""
        return self.known(use)[0]

    def known(self, use: ModelUse) -> tuple[Price | None, str]:
        """The price of a model, and where it is known from: `the spec`, a file, or `own machine`."""
        own = use.backend.cls(use.params).price
        if own is not None and (getattr(use.params, "price", None) is not None or any(own)):
            return Price(input=own[0], output=own[1]), "the spec"
        name = model_name(use)
        for table in self._tables:
            for pattern, price in table.prices.items():
                if fnmatchcase(name, pattern):
                    return price, table.name
        return (None, "") if own is None else (Price(input=0, output=0), "own machine")


def model_name(use: ModelUse) -> str:
    """The configured model's own name, which prices go by: `gpt-4.1-mini`, `builtin:support-agent`."""
    return use.backend.cls.label(use.params)


def load(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Prices:
    """The tables that hold: the file that is named, here or by the environment, then the list in the package.

    Raises:
        SpecError: with every mistake in a file of prices, at its place.
    """
    environ = os.environ if environ is None else environ
    findings = Findings()
    named = file if file is not None else Path(environ[VARIABLE]) if environ.get(VARIABLE) else None
    tables = [_read(path, environ, findings) for path in (named, IN_THE_BOX) if path is not None]
    if findings.diagnostics:
        raise SpecError(findings.diagnostics)
    return Prices([table for table in tables if table is not None])


def unpriced(plan: Plan, prices: Prices) -> list[str]:
    """Names, as in the spec, of the models that are asked and have no price."""
    asked = [use for step in plan.steps.values() for use in step.asked().values()]
    return list(dict.fromkeys(use.name for use in asked if prices.of(use) is None))


def check_priced(plan: Plan, prices: Prices, dollars: float | None) -> None:
    """A budget in dollars can be kept only where every model that is asked has a price.

    Raises:
        UserError: with all models that have none.
    """
    missing = unpriced(plan, prices) if dollars is not None else []
    if missing:
        named = ", ".join(f"`{name}`" for name in missing)
        raise UserError(f"a budget in dollars needs to know what {named} {_cost(missing)}", help=HOW_TO)


def _cost(names: Sequence[str]) -> str:
    return "costs" if len(names) == 1 else "cost"


def _read(path: Path, environ: Mapping[str, str], findings: Findings) -> Table | None:
    source = read_source(path)
    if isinstance(source, Diagnostic):
        findings.add(source)
        return None
    tree, found = parse(source)
    for one in found:
        findings.add(one)
    top = None if tree is None or found else shape.mapping(tree, "A file of prices", findings)
    if top is None:
        return None
    shape.only_keys(top, ("as_of", "prices"), "A file of prices", findings)
    shape.need_keys(top, {"prices": _FORM}, "A file of prices", source.span(), findings)
    day, written = top.get("as_of"), top.get("prices")
    said = shape.text(day, "`as_of`", findings) if day is not None else None
    prices = shape.mapping(written, "`prices`", findings) if written is not None else None
    name = "the list in the package" if path == IN_THE_BOX else path.name
    made = {entry.name: _price(entry, environ, findings) for entry in prices.entries} if prices is not None else {}
    return Table(f"{name} of {said}" if said else name, {key: one for key, one in made.items() if one is not None})


def _price(entry: Entry, environ: Mapping[str, str], findings: Findings) -> Price | None:
    node = shape.mapping(entry.value, f"The price of `{entry.name}`", findings, f"write {_FORM}")
    if node is None:
        return None
    owner = f"the price of `{entry.name}`"
    return validated(Price, Written(node, owner, entry.key.span, entry.name + ": {%s: ...}"), environ, findings)
