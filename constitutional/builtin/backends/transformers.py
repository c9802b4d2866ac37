"""A model in this process, through transformers: batched, left-padded, and the same row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from constitutional.api import (
    Backend,
    BackendParams,
    Capability,
    Choice,
    ChoiceRequest,
    Completion,
    JsonObject,
    Likelihood,
    LikelihoodRequest,
    Message,
    ModelName,
    Request,
    SpecPath,
    Unanswered,
    UserError,
)
from constitutional.builtin.backends import batches, likelihood, loading, sampling, scoring
from constitutional.builtin.backends.encoding import DialogueEncoder

Asked = TypeVar("Asked", Request, ChoiceRequest, LikelihoodRequest)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Sized(Generic[Asked]):
    """A request with the tokens of its prompt, and how many it needs with the longest answer."""

    request: Asked
    ids: list[int]
    whole: int


class TransformersParams(BackendParams):
    """Parameters of a model in this process."""

    model: ModelName
    """A hub name, `builtin:NAME`, or a folder: `./my-model`."""

    adapter: SpecPath | None = None
    """A folder with a LoRA adapter to put on the model."""

    revision: str | None = None
    """A commit of a hub model, so that its weights cannot change."""

    dtype: Literal["auto", "float32", "bfloat16", "float16", "float64"] = "auto"
    """Precision; `auto` is bfloat16 where the accelerator has it, else float32."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to run; changes no answer but for rounding."""

    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    """Implementation of attention."""

    batch_size: int = Field(default=64, ge=1)
    """Rows in one batch, at most."""

    max_batch_tokens: int = Field(default=16_384, ge=1)
    """Tokens in one batch, at most: prompt, padding and what is to be written."""

    deterministic: bool = False
    """Compute in float64, so that not even rounding lets a row depend on its batch; costs twice the memory and time."""

    system: str | None = None
    """A system prompt that stands before every dialogue that has none."""


class TransformersBackend(Backend):
    """A causal language model of transformers, in this process."""

    name, version, Params = "transformers", 1, TransformersParams
    gives = Capability.TEXT | Capability.CHOICES | Capability.LIKELIHOOD
    params: TransformersParams

    def __init__(self, params: BackendParams) -> None:
        super().__init__(params)
        self._model: Any = None
        self._encoder: DialogueEncoder
        self._pad = 0
        self._ends: frozenset[int] = frozenset()
        self._end = 0
        self._context = 0

    @property
    def batch_size(self) -> int:
        return self.params.batch_size * 4

    async def open(self) -> None:
        import asyncio

        await asyncio.to_thread(self._load)

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered]:
        import asyncio

        return await asyncio.to_thread(self._generate, batch)

    async def choose(self, batch: Sequence[ChoiceRequest]) -> Sequence[Choice | Unanswered]:
        import asyncio

        return await asyncio.to_thread(self._choose, batch)

    async def weigh(self, batch: Sequence[LikelihoodRequest]) -> Sequence[Likelihood | Unanswered]:
        import asyncio

        return await asyncio.to_thread(self._weigh, batch)

    async def close(self) -> None:
        import asyncio

        self._model = None
        await asyncio.to_thread(_empty_cache)

    def identity(self) -> JsonObject:
        place = loading.resolve(self.params.model)
        weights = (
            loading.folder_identity(Path(place))
            if loading.is_folder(place)
            else {"hub": place, "revision": self.params.revision}
        )
        adapter = loading.folder_identity(self.params.adapter) if self.params.adapter else None
        return {"weights": weights, "adapter": adapter, "dtype": self.params.dtype, "system": self.params.system,
                "deterministic": self.params.deterministic}  # fmt: skip

    @classmethod
    def weights(cls, params: BackendParams) -> str | None:
        assert isinstance(params, TransformersParams)
        return loading.resolve(params.model)

    @classmethod
    def trained(cls, params: BackendParams, folder: Path) -> BackendParams:
        assert isinstance(params, TransformersParams)
        base = loading.base_of(str(folder))
        if base == str(folder):
            return params.model_copy(update={"model": base, "adapter": None, "revision": None})
        if base == loading.resolve(params.model):
            return params.model_copy(update={"adapter": folder})
        return params.model_copy(update={"model": base, "adapter": folder, "revision": None})

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _load(self) -> None:
        loading.quiet()
        p = self.params
        device = loading.device_of(p.device)
        dtype = loading.dtype_of(p.dtype, device, p.deterministic)
        tokenizer = loading.load_tokenizer(p.model, p.revision)
        self._encoder = DialogueEncoder(tokenizer)
        self._model = loading.load_model(
            p.model, device=device, dtype=dtype, attention=p.attention, revision=p.revision, adapter=p.adapter
        )
        ends = self._model.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends] if ends is not None else []
        self._ends = frozenset([*listed, tokenizer.eos_token_id])
        self._end = tokenizer.eos_token_id
        self._pad = tokenizer.pad_token_id
        self._context = int(getattr(self._model.config, "max_position_embeddings", 0)) or 1_000_000

    def _generate(self, requests: Sequence[Request]) -> list[Completion | Unanswered]:
        def run(items: Sequence[Sized[Request]]) -> list[Completion]:
            rows = [sampling.Row(item.request, item.ids) for item in items]
            return sampling.generate(self._model, self._encoder, rows, pad=self._pad, ends=self._ends)

        return self._in_batches([self._sized(r, r.max_new_tokens) for r in requests], run)

    def _choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice | Unanswered]:
        def options(request: ChoiceRequest) -> list[list[int]]:
            return scoring.option_ids(self._encoder, request.options, self._end)

        def run(items: Sequence[Sized[ChoiceRequest]]) -> list[Choice]:
            ids, choices = [item.ids for item in items], [options(item.request) for item in items]
            return scoring.score(self._model, ids, choices, pad=self._pad)

        return self._in_batches([self._sized(r, max(map(len, options(r)))) for r in requests], run)

    def _weigh(self, requests: Sequence[LikelihoodRequest]) -> list[Likelihood | Unanswered]:
        def run(items: Sequence[Sized[LikelihoodRequest]]) -> list[Likelihood | Unanswered]:
            texts = [likelihood.Text(item.ids, self._encoder.text(item.request.completion), item.request.ended)
                     for item in items]  # fmt: skip
            return likelihood.score(self._model, texts, pad=self._pad, ends=self._ends, end=self._end)

        return self._in_batches(
            [self._sized(r, len(self._encoder.text(r.completion)) + r.ended) for r in requests], run
        )

    def _sized(self, request: Asked, more: int) -> Sized[Asked] | Unanswered:
        """The request with its tokens, if its dialogue can be encoded and fits the context."""
        try:
            ids = self._ids(request)
        except UserError as error:
            return Unanswered("template", str(error))
        if len(ids) + more > self._context:
            return Unanswered("prompt-too-long", f"{len(ids)} + {more} tokens, the context has {self._context}")
        return Sized(request, ids, len(ids) + more)

    def _in_batches(self, made: Sequence[Sized[Asked] | Unanswered],
                    run: Callable[[Sequence[Sized[Asked]]], Sequence[Answer]]) -> list[Answer | Unanswered]:  # fmt: skip
        """Answers in the order of the requests, found in batches by length of prompt."""
        found: dict[int, Answer | Unanswered] = {i: one for i, one in enumerate(made) if isinstance(one, Unanswered)}
        fitting = {index: one for index, one in enumerate(made) if isinstance(one, Sized)}
        prompts = [len(one.ids) for one in fitting.values()]
        longest = max(prompts, default=1)
        spare = max((one.whole - len(one.ids) for one in fitting.values()), default=0)
        budget = max(1, self.params.max_batch_tokens * longest // max(1, longest + spare))
        places = list(fitting)
        for batch in batches.by_length(prompts, most_rows=self.params.batch_size, most_tokens=budget):
            indices = [places[i] for i in batch]
            found.update(zip(indices, batches.halving(run, [fitting[i] for i in indices]), strict=True))
        return [found[index] for index in range(len(made))]

    def _ids(self, request: Request | ChoiceRequest | LikelihoodRequest) -> list[int]:
        dialogue = request.messages
        if self.params.system is not None and dialogue[0].role != "system":
            dialogue = (Message("system", self.params.system), *dialogue)
        return self._encoder.encode(dialogue)


def _empty_cache() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
