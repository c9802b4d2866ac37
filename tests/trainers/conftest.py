"""Tiny models for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.backends import tiny
from tests.trainers import bandit

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("models") / "policy", spread=0.1)


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("models") / "reference", seed=5, spread=0.1)


@pytest.fixture(scope="session")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bandit.save(tmp_path_factory.mktemp("bandit") / "policy")
