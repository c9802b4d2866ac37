"""A server of one's own: started when a stage needs it, ended when no later one does, fed with what a trainer left."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from constitutional.api import (
    BackendParams,
    Choice,
    ChoiceRequest,
    Completion,
    Cosmetic,
    JsonObject,
    ModelName,
    NotNow,
    Request,
    Unanswered,
    UserError,
)
from constitutional.builtin.backends.openai import OpenAIBackend, OpenAIParams

if TYPE_CHECKING:
    from constitutional.builtin.backends.process import ServerProcess

#: How often a server that died is started again in one run.
RESTARTS = 3
#: Where each engine says that it is ready.
HEALTH = {"vllm": "/health", "sglang": "/health", "transformers": "/health", "command": "/v1/models"}


class ServerParams(OpenAIParams):
    """Parameters of a model behind a server that the run starts and ends itself; those of `openai`, and these."""

    model: ModelName
    """A hub name, `builtin:NAME`, or a folder: `./my-model`."""

    engine: Literal["vllm", "sglang", "transformers", "command"] = "vllm"
    """What to start."""

    command: tuple[str, ...] = ()
    """For `engine: command`: the command word by word; `{model}`, `{port}` and `{adapter}` stand for their values."""

    args: tuple[str, ...] = ()
    """More words for the command of an engine, such as `--tensor-parallel-size`, `2`."""

    gpus: Annotated[tuple[int, ...], Cosmetic()] = ()
    """Accelerators that the server sees; two servers that name the same one are never up at the same time."""

    health: Annotated[str, Cosmetic()] = ""
    """The path that answers 200 when the server is ready; each engine's own by default."""

    ready_seconds: Annotated[float, Cosmetic()] = Field(default=900.0, gt=0)
    """How long the server may take to load its model."""


class ServerBackend(OpenAIBackend):
    """Starts a server on a free port of loopback and asks it."""

    name, version, Params = "server", 2, ServerParams
    params: ServerParams

    def __init__(self, params: BackendParams) -> None:
        super().__init__(params)
        self._process: ServerProcess | None = None
        self._starting = asyncio.Lock()
        self._starts = 0

    @property
    def price(self) -> tuple[float, float] | None:
        return super().price or (0.0, 0.0)

    @property
    def claims(self) -> frozenset[str]:
        return frozenset(f"gpu:{number}" for number in self.params.gpus)

    def identity(self) -> JsonObject:
        from constitutional.builtin.backends import loading

        place = loading.resolve(self.params.model)
        weights: Any = loading.folder_identity(Path(place)) if loading.is_folder(place) else {"hub": place}
        return {**super().identity(), "model": weights, "engine": self.params.engine, "args": list(self.params.args),
                "command": [word for word in self.params.command if "{port}" not in word]}  # fmt: skip

    @classmethod
    def weights(cls, params: BackendParams) -> str | None:
        from constitutional.builtin.backends import loading

        assert isinstance(params, ServerParams)
        return loading.resolve(params.model)

    @classmethod
    def trained(cls, params: BackendParams, folder: Path) -> BackendParams:
        return params.model_copy(update={"model": str(folder)})

    async def open(self) -> None:
        """Start the server and wait until it is ready.  Raises `RunError` with its last words where it is not."""
        async with self._starting:
            await self._start()

    async def close(self) -> None:
        await super().close()
        if self._process is not None:
            await self._process.stop()
            self._process = None

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered | NotNow]:
        return await self._revived(await super().generate(batch))

    async def choose(self, batch: Sequence[ChoiceRequest]) -> Sequence[Choice | Unanswered | NotNow]:
        return await self._revived(await super().choose(batch))

    async def _revived(self, answers: Sequence[Any]) -> Sequence[Any]:
        """The answers; where nobody answered because the server has died, it is started again before they are asked for."""
        if any(isinstance(answer, NotNow) and answer.gone for answer in answers):
            async with self._starting:
                if self._process is not None and not self._process.alive and self._starts <= RESTARTS:
                    self.notice(f"died and is started again; its last words:\n{self._process.last_words(3)}")
                    await self._process.stop()
                    before = self._client
                    await self._start()
                    if before is not None:
                        await before.close()
        return answers

    async def _start(self) -> None:
        from constitutional.builtin.backends.http import Client
        from constitutional.builtin.backends.process import ServerProcess, free_port

        p, port = self.params, free_port()
        place, adapter = self._places()
        environ = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, p.gpus))} if p.gpus else {}
        folder = self.workdir or Path(tempfile.mkdtemp(prefix="constitutional-server-"))
        self._starts += 1
        self._process = ServerProcess(_command(p, place, adapter, port), environ, folder)
        base = f"http://127.0.0.1:{port}"
        await self._process.ready(base + (p.health or HEALTH[p.engine]), p.ready_seconds)
        key = os.environ.get(p.api_key_env) if p.api_key_env else None
        self._client = Client(base + "/v1", key, p.deadline, p.concurrency)
        self._served = _served_name(p, place, adapter)

    def _places(self) -> tuple[str, str | None]:
        """Where the weights are, and where the adapter on them is, if the folder is one."""
        from constitutional.builtin.backends import loading

        place = loading.resolve(self.params.model)
        base = loading.base_of(place)
        return base, None if base == place else place

    def _body(self, request: Request) -> dict[str, Any]:
        body = super()._body(request)
        if self.params.engine == "transformers" and request.temperature > 0:
            # This server stays greedy whatever the temperature says, unless a generation config tells it to sample.
            sampled = {
                "do_sample": True,
                "temperature": request.temperature,
                "top_p": request.top_p,
                "max_new_tokens": request.max_new_tokens,
            }
            body["generation_config"] = json.dumps(sampled)
        return body


def _command(p: ServerParams, place: str, adapter: str | None, port: int) -> list[str]:
    """The words to start.  Raises `UserError` where the engine is not installed."""
    if p.engine == "command":
        if not p.command:
            raise UserError(
                "`engine: command` needs a `command`",
                help="write it word by word: `command: [my-server, --port, '{port}']`",
            )
        values = {"{model}": place, "{port}": str(port), "{adapter}": adapter or ""}
        return [_filled(word, values) for word in p.command]
    if p.engine == "vllm":
        lora = ["--enable-lora", "--lora-modules", f"trained={adapter}"] if adapter else []
        return [
            _found("vllm"),
            "serve",
            place,
            "--port",
            str(port),
            "--host",
            "127.0.0.1",
            "--served-model-name",
            "served",
            *lora,
            *p.args,
        ]
    if p.engine == "sglang":
        lora = ["--lora-paths", f"trained={adapter}"] if adapter else []
        return [sys.executable, "-m", "sglang.launch_server", "--model-path", place, "--port", str(port), "--host", "127.0.0.1",
                "--served-model-name", "served", *lora, *p.args]  # fmt: skip
    return [_found("transformers"), "serve", adapter or place, "--port", str(port), "--host", "127.0.0.1", *p.args]


def _served_name(p: ServerParams, place: str, adapter: str | None) -> str:
    if p.engine in ("vllm", "sglang"):
        return "trained" if adapter else "served"
    return adapter or place


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word


def _found(program: str) -> str:
    beside = Path(sys.executable).parent / program
    found = str(beside) if beside.is_file() else shutil.which(program)
    if found is None:
        raise UserError(
            f"`{program}` is not installed",
            help=f"pip install {'transformers[serving]' if program == 'transformers' else program}",
        )
    return found
