"""Records: what flows between stages, with TRL's column names.

A record is frozen and plain.  In flight it is a slotted dataclass, at rest a row of Parquet whose conversational
columns are lists of `{role, content}`, so that a finished step loads straight into `datasets` and TRL.
Each record type names the *port* it flows through; a stage's input is called by that name in every spec.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeAlias, TypeVar

import orjson

from constitutional.errors import DataError
from constitutional.ids import Json, derived_row_id, finite

#: Made once: a new encoder for every row would cost more than the row.
_META = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))

Derived = TypeVar("Derived", bound="Record")

Role: TypeAlias = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """One turn of a dialogue."""

    role: Role
    content: str

    def to_json(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


Messages: TypeAlias = tuple[Message, ...]


def user(content: str) -> Message:
    return Message("user", content)


def assistant(content: str) -> Message:
    return Message("assistant", content)


def messages(value: Any) -> Messages:
    """Read a dialogue from a string (one user turn) or a list of `{role, content}`.

    Raises:
        DataError: if a turn has no role or content, or a role that is not system, user or assistant.
    """
    if isinstance(value, str):
        return (user(value),)
    if not (type(value) is list or isinstance(value, Sequence)) or not value:
        raise DataError("a dialogue is a text or a non-empty list of {role, content}")
    return tuple(_message(turn) for turn in value)


def _message(turn: Any) -> Message:
    if isinstance(turn, Message):
        return turn
    # To be asked for the class itself is quicker than for what it can do.
    known = type(turn) is dict or isinstance(turn, Mapping)
    role, content = (turn.get("role"), turn.get("content")) if known else (None, None)
    if role not in ("system", "user", "assistant") or not isinstance(content, str):
        raise DataError(f"a turn needs a role (system, user, assistant) and a text as content, not {turn!r:.80}")
    return Message(role, content)


def to_json(dialogue: Sequence[Message]) -> list[Json]:
    return [turn.to_json() for turn in dialogue]


def transcript(dialogue: Sequence[Message]) -> str:
    """The dialogue as text, a line a turn: what a judge is shown."""
    return "\n".join(f"{turn.role.capitalize()}: {turn.content}" for turn in dialogue)


class Round(NamedTuple):
    """One critique and what became of it; `revision` is None where the critique found nothing."""

    principle: str
    response: str
    critique: str
    revision: str | None
    critic: str
    reviser: str | None

    def to_json(self) -> dict[str, Json]:
        return dict(self._asdict())


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What every record has."""

    #: Name of the port that takes this record, and of the column set it stands for.
    port: ClassVar[str] = "rows"

    row_id: str
    #: Ids of the rows that this one was made from.
    parents: tuple[str, ...] = ()
    #: The user's own columns, carried along untouched.
    meta: Mapping[str, Any] = field(default_factory=dict)

    def to_row(self) -> dict[str, Any]:
        """The columns: plain JSON values under TRL's names; `meta` is JSON text, since its keys are the user's."""
        row: dict[str, Any] = dict(zip(_columns(type(self)), _VALUES[type(self)](self), strict=True))
        for name, value in row.items():
            if type(value) is tuple:
                row[name] = _plain(value) if value else []
        row["meta"] = _meta_text(self.meta) if self.meta else "{}"
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Read back what `to_row` wrote.

        Raises:
            DataError: if a column that the record needs is missing or has the wrong shape.
        """
        values = {}
        for name in _columns(cls):
            value = row.get(name)
            if value is not None:
                values[name] = _READ[name](value) if name in _READ else value
        try:
            return cls(**values)
        except TypeError as error:
            raise DataError(f"not a {cls.__name__} row: {error}") from error

    def derive(self, to: type[Derived], stage: str, index: int = 0, **values: Any) -> Derived:
        """A new record made from this one by `stage` (`kind/name`), with its id, parent and meta set."""
        parents = (self.row_id,)
        # What is shared is in the parent's id already.
        content = {name: _plain(value) for name, value in values.items() if name != "meta"}
        for name in _shared(type(self), to):
            if name not in values:
                values[name] = getattr(self, name)
        values["row_id"], values["parents"] = derived_row_id(stage, parents, index, content), parents
        return to(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt(Record):
    """A dialogue that waits for an answer; `completion` where the data set has one."""

    port: ClassVar[str] = "prompts"
    prompt: Messages
    completion: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Record):
    """An answer of a model, with every critique and revision that led to it."""

    port: ClassVar[str] = "responses"
    prompt: Messages
    completion: str
    model: str = ""
    sample: int = 0
    finish_reason: str = "stop"
    rounds: tuple[Round, ...] = ()
    #: `no-op`, `empty`, `runaway`, ...: what a reviser noticed about its own text.
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Critique(Record):
    """How a response falls short of one principle; `violation` is False where the critic found nothing."""

    port: ClassVar[str] = "critiques"
    prompt: Messages
    completion: str
    principle: str
    critique: str
    violation: bool
    model: str = ""
    critic: str = ""
    sample: int = 0
    template: str = ""
    finish_reason: str = "stop"
    rounds: tuple[Round, ...] = ()
    #: Those of the response; they stay with it where nothing is revised.
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration(Record):
    """What a policy should say: the food of supervised fine-tuning."""

    port: ClassVar[str] = "demonstrations"
    prompt: Messages
    completion: str
    rounds: tuple[Round, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(Record):
    """Two completions of one prompt, not yet judged."""

    port: ClassVar[str] = "pairs"
    prompt: Messages
    first: str
    second: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote(Record):
    """One answer of one judge to one question about one pair: what was said, never what is believed.

    `order` is `ab` where the pair's first completion was shown first, else `ba`.  `p_first` is the probability
    that the judge gave to the completion *shown first*; it is None exactly where `abstained` says why.
    """

    port: ClassVar[str] = "votes"
    prompt: Messages
    first: str
    second: str
    pair: str
    principle: str
    order: Literal["ab", "ba"]
    judge: str
    sample: int = 0
    p_first: float | None = None
    #: Share of the whole next-token probability that fell on the options: low where the judge wanted to say more.
    mass: float | None = None
    abstained: str | None = None
    raw: str = ""
    weight: float = 1.0
    template: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference(Record):
    """What is believed of a pair: `chosen` beats `rejected` with probability `p_chosen` (at least one half)."""

    port: ClassVar[str] = "preferences"
    prompt: Messages
    chosen: str
    rejected: str
    p_chosen: float = 1.0
    votes: int = 0
    agreement: float | None = None
    principles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating(Record):
    """One answer of one judge to one question about one response, or one step of it: said, never believed.

    `value` lies between `low` and `high`: an expected score from 1 to 10, or the probability of "acceptable" or of
    "right" between 0 and 1.  It is None exactly where `abstained` says why.
    """

    port: ClassVar[str] = "ratings"
    prompt: Messages
    completion: str
    #: Row id of the response that was judged.
    response: str
    principle: str
    judge: str
    asked: Literal["score", "acceptable", "step"] = "score"
    #: Which step of the response was judged, from 0, and all of them; None and empty where it was the whole.
    step: int | None = None
    steps: tuple[str, ...] = ()
    sample: int = 0
    value: float | None = None
    low: float = 0.0
    high: float = 1.0
    #: Share of the whole next-token probability that fell on the options.
    mass: float | None = None
    abstained: str | None = None
    raw: str = ""
    weight: float = 1.0
    template: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Record):
    """What is believed of one response: a score between 0 and 1, or a reward of any size as `labeller: reward` gives it;
    `label` once a threshold made it binary (KTO)."""

    port: ClassVar[str] = "scores"
    prompt: Messages
    completion: str
    score: float
    label: bool | None = None
    ratings: int = 0
    agreement: float | None = None
    principles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLabels(Record):
    """What is believed of each step of a response: `labels[i]` says whether `completions[i]` is right."""

    port: ClassVar[str] = "step_labels"
    prompt: Messages
    completions: tuple[str, ...]
    labels: tuple[bool, ...]
    #: Probability that a step is right, where the judge gave one.
    scores: tuple[float, ...] = ()
    ratings: int = 0


#: Columns that hold one completion and are written as a list with one assistant turn, as TRL reads them.
CONVERSATIONAL = frozenset({"completion", "chosen", "rejected"})


def trl_row(record: Record | Mapping[str, Any]) -> dict[str, Any]:
    """A record, or what its `to_row` gave, with completions as one-turn dialogues: conversational TRL columns."""
    row = record.to_row() if isinstance(record, Record) else dict(record)
    for name in CONVERSATIONAL:
        if isinstance(said := row.get(name), str):
            row[name] = [{"role": "assistant", "content": said}]
    return row


def _plain(value: Any) -> Any:
    # What is commonest comes first: this is asked for every value of every row.
    if type(value) is str or not isinstance(value, tuple):
        return value
    if isinstance(value, (Message, Round)):
        return value.to_json()
    return [item if type(item) is str else _plain(item) for item in value]


def _meta_text(meta: Mapping[str, Any]) -> str:
    try:
        made = orjson.dumps(meta if isinstance(meta, dict) else dict(meta), option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _META.encode(dict(meta))
    return made.decode() if b"null" not in made or finite(meta) else _META.encode(dict(meta))


def _text(value: Any) -> str:
    """A completion: a text, or a dialogue with one assistant turn."""
    if isinstance(value, str):
        return value
    turns = messages(value)
    if len(turns) != 1 or turns[0].role != "assistant":
        raise DataError("a completion is a text or a list with exactly one assistant turn")
    return turns[0].content


def _meta(value: Any) -> dict[str, Any]:
    if value == "{}":
        return {}
    return dict(json.loads(value)) if isinstance(value, str) else dict(value)


def _rounds(value: Any) -> tuple[Round, ...]:
    return tuple(item if isinstance(item, Round) else Round(**item) for item in value)


_READ: dict[str, Any] = {
    "prompt": messages,
    "completion": _text,
    "chosen": _text,
    "rejected": _text,
    "rounds": _rounds,
    "parents": tuple,
    "flags": tuple,
    "models": tuple,
    "principles": tuple,
    "steps": tuple,
    "completions": tuple,
    "labels": tuple,
    "scores": tuple,
    "meta": _meta,
}


def _columns(record: type[Record]) -> tuple[str, ...]:
    if record not in _COLUMNS:
        _COLUMNS[record] = tuple(f.name for f in fields(record))
        _VALUES[record] = attrgetter(*_COLUMNS[record])
    return _COLUMNS[record]


def _shared(given: type[Record], made: type[Record]) -> tuple[str, ...]:
    """Columns that a row hands on to a row made from it."""
    if (given, made) not in _SHARED:
        kept = [name for name in _columns(made) if name in _columns(given)]
        _SHARED[given, made] = tuple(name for name in kept if name not in ("row_id", "parents"))
    return _SHARED[given, made]


#: Asked for with every row, and always the same: names, what reads all of them at once, and what is handed on.
_COLUMNS: dict[type[Record], tuple[str, ...]] = {}
_VALUES: dict[type[Record], Callable[[Any], tuple[Any, ...]]] = {}
_SHARED: dict[tuple[type[Record], type[Record]], tuple[str, ...]] = {}

#: The built-in record types by port.
RECORDS: tuple[type[Record], ...] = (
    Prompt, Response, Critique, Demonstration, Pair, Vote, Preference, Rating, Score, StepLabels,
)  # fmt: skip
