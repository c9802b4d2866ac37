"""A step of `compose` as it is written, and whether steps can follow one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, ValidationError

from constitutional.api import Params, Preference, Rating, Record, Score, StepLabels, Vote
from constitutional.builtin.debiasers.abstain import Abstain
from constitutional.builtin.debiasers.balance import Balance
from constitutional.builtin.debiasers.calibrate import Calibrate
from constitutional.builtin.debiasers.clamp import Clamp
from constitutional.builtin.debiasers.ensemble import Ensemble
from constitutional.builtin.debiasers.length import Length
from constitutional.builtin.debiasers.position_swap import PositionSwap
from constitutional.builtin.debiasers.priority import Priority
from constitutional.builtin.debiasers.scores import Scores
from constitutional.builtin.debiasers.step import Debiaser, one_of
from constitutional.builtin.debiasers.steps import Steps
from constitutional.builtin.debiasers.threshold import Threshold

#: What can be a step, by name.
STEPS: Mapping[str, type[Debiaser]] = {
    step.name: step
    for step in (PositionSwap, Ensemble, Priority, Scores, Steps, Calibrate, Length, Clamp, Abstain, Balance, Threshold)
}
RECORDS: tuple[type[Record], ...] = (Vote, Rating, Preference, Score, StepLabels)


class OneStep(Params):
    """One debiaser by its name, with its parameters: `{abstain: {margin: 0.1}}`, or the name alone."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    position_swap: PositionSwap.Params | None = Field(default=None, alias="position-swap")
    """Votes to preferences, with the position averaged out."""
    ensemble: Ensemble.Params | None = None
    """Votes to preferences, by many voters."""
    priority: Priority.Params | None = None
    """Votes to preferences, by the first group of principles that decides."""
    scores: Scores.Params | None = None
    """Ratings of responses to scores."""
    steps: Steps.Params | None = None
    """Ratings of steps to labels of steps."""
    calibrate: Calibrate.Params | None = None
    """Votes, preferences or scores whose probabilities mean what they say."""
    length: Length.Params | None = None
    """Preferences without what length explains."""
    clamp: Clamp.Params | None = None
    """Votes, preferences or scores held away from certainty."""
    abstain: Abstain.Params | None = None
    """Votes, preferences or scores that are certain enough."""
    balance: Balance.Params | None = None
    """Preferences or scores in groups of one size."""
    threshold: Threshold.Params | None = None
    """Scores, step labels or preferences made yes or no."""

    @property
    def stage(self) -> type[Debiaser]:
        return STEPS[self._name()]

    @property
    def params(self) -> Any:
        return getattr(self, self._name().replace("-", "_"))

    def _name(self) -> str:
        return next(name for name in STEPS if getattr(self, name.replace("-", "_")) is not None)

    @model_validator(mode="before")
    @classmethod
    def _written(cls, said: Any) -> Any:
        """A name alone stands for the step with its defaults."""
        if isinstance(said, str):
            return {said: {}}
        if isinstance(said, Mapping):
            if len(said) != 1:
                names = ", ".join(str(name) for name in said) or "none"
                raise _mistake(f"holds one step an item, by its name; this one has {names}")
            return {name: {} if params is None else params for name, params in said.items()}
        return said

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        return {self._name(): self.params.model_dump(mode="json")}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{**made, "minProperties": 1, "maxProperties": 1}, {"enum": list(STEPS)}]}


def starts(steps: Sequence[type[Debiaser]]) -> tuple[type[Record], ...]:
    """The records that can flow into steps, so that each step takes what the ones before it make."""
    return tuple(record for record in RECORDS if _stuck(steps, record) is None)


def in_order(steps: tuple[OneStep, ...]) -> tuple[OneStep, ...]:
    """The steps, if there is a record that can go through all of them.

    Raises:
        ValidationError: at the first step that nothing can get into.
    """
    stages = [step.stage for step in steps]
    for place in range(len(steps)):
        if not starts(stages[: place + 1]):
            error = _mistake(_what_is_wrong(stages, place))
            raise ValidationError.from_exception_data(
                "compose", [InitErrorDetails(type=error, loc=(place,), input=None)]
            )
    return steps


def _mistake(said: str) -> PydanticCustomError:
    return PydanticCustomError("value_error", "{error}", {"error": said})


def _stuck(steps: Iterable[type[Debiaser]], record: type[Record]) -> int | None:
    """The place of the first step that does not take what comes to it."""
    for place, step in enumerate(steps):
        if record not in step.on:
            return place
        record = step.makes or record
    return None


def _what_is_wrong(stages: Sequence[type[Debiaser]], place: int) -> str:
    """Of the ways to get to this step, each brings something that it does not take."""
    step, before = stages[place], stages[:place]
    maker = next((stage for stage in reversed(before) if stage.makes is not None), None)
    brought = [maker.makes] if maker is not None and maker.makes is not None else starts(before)
    wrong = f"cannot go on with `{step.name}`, which takes {one_of(step.on)}: "
    if maker is None:
        return wrong + f"the steps before it take {one_of(brought)}"
    said = f"`{maker.name}` has made {one_of(brought)} before it"
    if step.makes is maker.makes and step.on == maker.on:
        return f"{wrong}{said}; only one step can decide"
    fits = step.makes in maker.on if step.makes is not None else set(step.on) & set(maker.on)
    return f"{wrong}{said}" + (f"; write `{step.name}` before `{maker.name}`" if fits else "")
