"""One tiny model of each architecture for all tests here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from constitutional.builtin.backends.transformers import TransformersBackend, TransformersParams
from tests.backends import tiny

torch.set_num_threads(1)


@pytest.fixture(scope="session", params=["llama", "qwen2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("models") / request.param, request.param)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("models") / "llama-alone")


def opened(folder: Path, **params: Any) -> TransformersBackend:
    """A backend with its model in memory."""
    made = TransformersBackend(TransformersParams(model=str(folder), device="cpu", dtype="float32", **params))
    asyncio.run(made.open())
    return made


def generate(backend: Any, requests: Any) -> list[Any]:
    return list(asyncio.run(backend.generate(requests)))


def choose(backend: Any, requests: Any) -> list[Any]:
    return list(asyncio.run(backend.choose(requests)))


Opened = Callable[..., TransformersBackend]
