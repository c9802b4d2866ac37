"""The reward as it is written in a spec, and the scorer that it means.

Names are the labels under the stage's port `rewards`, or `reward` for the one model of the port `reward`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from constitutional.api import Params
from constitutional.builtin.rewards.rules import Rules

#: How deep expressions may be put into one another.
MOST_DEEP = 8


def _form(written: Any) -> str:
    """A mapping is read as an expression and everything else as a label, so that mistakes are told of one of them."""
    return "an expression" if isinstance(written, (Mapping, Params)) else "a label"


class Term(Params):
    """A part of a weighted sum."""

    of: Reward
    """What is weighted."""

    weight: float = Field(allow_inf_nan=False)
    """Its weight; negative ones punish."""


class Ensemble(Params):
    """Several rewards of one thing."""

    of: tuple[Reward, ...] = Field(min_length=2)
    """The rewards."""

    combine: Literal["mean", "min", "pessimistic"] = "mean"
    """The mean, the least, or the mean minus `penalty` standard deviations."""

    penalty: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Standard deviations that `pessimistic` takes off."""


class Normalise(Params):
    """A reward with mean zero and deviation one."""

    of: Reward
    """The reward."""

    mean: float | None = Field(default=None, allow_inf_nan=False)
    """What is taken off; where left out, the mean that was measured when the reward model was trained."""

    std: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """What is divided by; where left out, the deviation that was measured when the reward model was trained."""

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if (self.mean is None) != (self.std is None):
            raise ValueError("needs `mean` and `std` together, or neither")
        if self.mean is None and not isinstance(self.of, str):
            raise ValueError("needs `mean` and `std` here: only a reward model has measured its own")
        return self


class Process(Params):
    """A process reward model's verdict on a whole answer."""

    of: str = "reward"
    """The label of a process reward model."""

    combine: Literal["min", "product"] = "min"
    """Over the probabilities that each step is right: the least, or the product."""


class Hybrid(Params):
    """Helpfulness against harmlessness: alpha * helpful + (1 - alpha) * harmless."""

    helpful: Reward
    """The reward of being helpful."""

    harmless: Reward
    """The reward of being harmless."""

    alpha: float | None = Field(default=None, ge=0, le=1)
    """The share of `helpful`; a row that no entry of `alphas` is for has no score where this is left out."""

    column: str = "category"
    """The column of the prompts' own that chooses among `alphas`."""

    alphas: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """The share of `helpful` by value of that column: `{privacy: 0.2, returns: 0.9}`."""

    @model_validator(mode="after")
    def _some_share(self) -> Self:
        if self.alpha is None and not self.alphas:
            raise ValueError("needs `alpha`, or `alphas` by the values of a column")
        return self


class Server(Params):
    """A judge behind an OpenAI-compatible server."""

    model: str
    """The model's name as the server knows it."""

    base_url: str = ""
    """Where the server's paths begin, often `http://HOST:PORT/v1`."""

    base_url_env: str | None = None
    """The variable that holds `base_url`."""

    api_key_env: str | None = None
    """The variable that holds the key; its value is never written anywhere."""

    top_logprobs: int = Field(default=20, ge=2, le=100)
    """How many of the likeliest tokens to ask for; OpenAI and vLLM give 20 at most."""

    revision: str = ""
    """Any text; change it where the server has other weights under the same name."""

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not self.base_url and not self.base_url_env:
            raise ValueError("needs `base_url` or `base_url_env`")
        return self


class Judge(Params):
    """The score that a judge expects, brought to [-1, 1]."""

    rule: str | None = Field(default=None, min_length=1)
    """The rule to rate by, in place of principles of the constitution."""

    principles: Annotated[int, Field(ge=1)] | Literal["all"] = 1
    """How many principles to rate a dialogue by, drawn by weight and the same for all answers to a prompt; or `all`.
    Their scores are averaged by weight."""

    groups: tuple[str, ...] | None = None
    """Draw from the principles of these groups only."""

    low: int = Field(default=1, ge=0, le=99)
    """The worst score, which becomes -1."""

    high: int = Field(default=10, ge=1, le=100)
    """The best score, which becomes 1."""

    min_mass: float = Field(default=0.05, ge=0.0, le=1.0)
    """No score where the judge gave the scale together less probability than this."""

    server: Server | None = None
    """A model behind a server, in place of the one at the port `judge`; its calls count towards no budget."""

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if self.low >= self.high:
            raise ValueError("needs a `low` that is less than `high`")
        if self.rule is not None and (self.groups is not None or self.principles != 1):
            raise ValueError("takes `rule`, or principles by `principles` and `groups`, not both")
        return self


class Expression(Params):
    """A reward: exactly one of these."""

    weighted: dict[str, float] | tuple[Term, ...] | None = None
    """A weighted sum: `{helpful: 0.6, harmless: 0.4}`, or a list of `{of: ..., weight: ...}`."""

    ensemble: Ensemble | None = None
    """Several rewards of one thing: their mean, the least, or the mean minus deviations."""

    normalise: Normalise | None = None
    """A reward made comparable: minus a mean, divided by a deviation."""

    rules: Rules | None = None
    """Rules on length and format."""

    process: Process | None = None
    """A process reward model over the steps of an answer."""

    hybrid: Hybrid | None = None
    """Helpfulness against harmlessness, with a share for each category of prompts."""

    judge: Judge | None = None
    """The score from 1 to 10 that a judge expects, brought to [-1, 1]."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            known = ", ".join(f"`{name}`" for name in type(self).model_fields)
            raise ValueError(f"needs exactly one of {known}, not {len(given)}")
        if self.weighted is not None and not self.weighted:
            raise ValueError("needs at least one term in `weighted`")
        if self.rules is not None and not self.rules.given():
            raise ValueError("needs at least one rule in `rules`")
        if _depth(self) > MOST_DEEP:
            raise ValueError(f"is more than {MOST_DEEP} expressions deep")
        return self


#: A label, or an expression.
Reward: TypeAlias = Annotated[
    Annotated[str, Tag("a label")] | Annotated[Expression, Tag("an expression")], Discriminator(_form)
]

for _model in (Term, Ensemble, Normalise, Hybrid, Expression):
    _model.model_rebuild()


def parts(expression: Reward) -> Iterator[Reward]:
    """What an expression is made of, one level down."""
    if isinstance(expression, str):
        return
    if isinstance(expression.weighted, dict):
        yield from expression.weighted
    elif expression.weighted is not None:
        yield from (term.of for term in expression.weighted)
    if expression.ensemble is not None:
        yield from expression.ensemble.of
    if expression.normalise is not None:
        yield expression.normalise.of
    if expression.process is not None:
        yield expression.process.of
    if expression.hybrid is not None:
        yield from (expression.hybrid.helpful, expression.hybrid.harmless)


def judges(expression: Reward | None) -> Iterator[Judge]:
    """Every judge in an expression."""
    if expression is None or isinstance(expression, str):
        return
    if expression.judge is not None:
        yield expression.judge
    for part in parts(expression):
        yield from judges(part)


def labels(expression: Reward) -> set[str]:
    """Every label that an expression names."""
    if isinstance(expression, str):
        return {expression}
    return {label for part in parts(expression) for label in labels(part)}


def ensembles(expression: Reward) -> Iterator[Ensemble]:
    """Every ensemble within an expression."""
    if not isinstance(expression, str) and expression.ensemble is not None:
        yield expression.ensemble
    for part in parts(expression):
        yield from ensembles(part)


def _depth(expression: Reward) -> int:
    return 0 if isinstance(expression, str) else 1 + max((_depth(part) for part in parts(expression)), default=0)


def default(known: Mapping[str, object]) -> Reward | None:
    """The reward where none is written: the one model, or the mean of several."""
    names = tuple(known)
    if len(names) < 2:
        return names[0] if names else None
    return Expression(ensemble=Ensemble(of=names))
