"""A model in this process, through transformers: batched, left-padded, and the same row by row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field

from constitutional.api import (
    Backend,
    BackendParams,
    Capability,
    Choice,
    ChoiceRequest,
    Completion,
    JsonObject,
    ModelName,
    Request,
    SpecPath,
    Unanswered,
)
from constitutional.builtin.backends import batches, loading, sampling, scoring
from constitutional.builtin.backends.encoding import DialogueEncoder

Ready = TypeVar("Ready")
Answer = TypeVar("Answer")


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
    gives = Capability.TEXT | Capability.CHOICES
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
        await asyncio.to_thread(self._load)

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered]:
        return await asyncio.to_thread(self._generate, batch)

    async def choose(self, batch: Sequence[ChoiceRequest]) -> Sequence[Choice | Unanswered]:
        return await asyncio.to_thread(self._choose, batch)

    async def close(self) -> None:
        self._model = None
        await asyncio.to_thread(_empty_cache)

    def identity(self) -> JsonObject:
        place = loading.resolve(self.params.model)
        weights = loading.folder_identity(Path(place)) if loading.is_folder(place) else {"hub": place, "revision": self.params.revision}
        adapter = loading.folder_identity(self.params.adapter) if self.params.adapter else None
        return {"weights": weights, "adapter": adapter, "dtype": self.params.dtype, "system": self.params.system,
                "deterministic": self.params.deterministic}  # fmt: skip

    @classmethod
    def weights(cls, params: BackendParams) -> str | None:
        assert isinstance(params, TransformersParams)
        return loading.resolve(params.model)

    @classmethod
    def trained(cls, params: BackendParams, folder: Path) -> BackendParams:
        adapter = (folder / "adapter_config.json").is_file()
        return params.model_copy(update={"adapter": folder} if adapter else {"model": str(folder), "adapter": None, "revision": None})

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _load(self) -> None:
        loading.quiet()
        p = self.params
        device = loading.device_of(p.device)
        dtype = loading.dtype_of(p.dtype, device, p.deterministic)
        tokenizer = loading.load_tokenizer(p.model, p.revision)
        self._encoder = DialogueEncoder(tokenizer)
        self._model = loading.load_model(p.model, device=device, dtype=dtype, attention=p.attention, revision=p.revision, adapter=p.adapter)
        ends = self._model.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends] if ends is not None else []
        self._ends = frozenset([*listed, tokenizer.eos_token_id])
        self._end = tokenizer.eos_token_id
        self._pad = tokenizer.pad_token_id
        self._context = int(getattr(self._model.config, "max_position_embeddings", 0)) or 1_000_000

    def _generate(self, requests: Sequence[Request]) -> list[Completion | Unanswered]:
        rows = [sampling.Row(request, self._ids(request)) for request in requests]
        lengths = [len(row.ids) + row.request.max_new_tokens for row in rows]

        def run(items: Sequence[sampling.Row]) -> list[Completion]:
            fresh = [sampling.Row(item.request, item.ids) for item in items]
            return sampling.generate(self._model, self._encoder, fresh, pad=self._pad, ends=self._ends)

        return self._in_batches(rows, [len(row.ids) for row in rows], lengths, run)

    def _choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice | Unanswered]:
        rows = [(self._ids(r), scoring.option_ids(self._encoder, r.options, self._end)) for r in requests]
        lengths = [len(ids) + max(map(len, options)) for ids, options in rows]

        def run(items: Sequence[tuple[list[int], list[list[int]]]]) -> list[Choice]:
            return scoring.score(self._model, [ids for ids, _ in items], [options for _, options in items], pad=self._pad)

        return self._in_batches(rows, [len(ids) for ids, _ in rows], lengths, run)

    def _in_batches(self, rows: Sequence[Ready], prompts: Sequence[int], whole: Sequence[int],
                    run: Callable[[Sequence[Ready]], Sequence[Answer]]) -> list[Answer | Unanswered]:  # fmt: skip
        """Answers in the order of the rows: batches by length of prompt, rows that do not fit the context unanswered."""
        found: list[Answer | Unanswered] = [Unanswered("prompt-too-long", f"{n} tokens, the context has {self._context}") for n in whole]
        fitting = [index for index, length in enumerate(whole) if length <= self._context]
        spare = max((whole[i] - prompts[i] for i in fitting), default=0)
        longest = max((prompts[i] for i in fitting), default=1)
        budget = max(1, self.params.max_batch_tokens * longest // max(1, longest + spare))
        for batch in batches.by_length([prompts[i] for i in fitting], most_rows=self.params.batch_size, most_tokens=budget):
            indices = [fitting[i] for i in batch]
            for index, answer in zip(indices, batches.halving(run, [rows[i] for i in indices]), strict=True):
                found[index] = answer
        return found

    def _ids(self, request: Request | ChoiceRequest) -> list[int]:
        dialogue = request.messages
        if self.params.system is not None and dialogue[0].role != "system":
            from constitutional.api import Message

            dialogue = (Message("system", self.params.system), *dialogue)
        return self._encoder.encode(dialogue)


def _empty_cache() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
