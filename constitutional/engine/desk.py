"""Backends for the models of a plan: configured ones as they are, trained ones with the weights of their step."""

from __future__ import annotations

from constitutional.backend import Backend
from constitutional.errors import RunError
from constitutional.plan.step import ModelUse, Plan
from constitutional.store.folder import Store


class Desk:
    """Knows where trained weights are."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan = plan
        self._store = store

    def backend(self, use: ModelUse) -> Backend:
        """A backend that has not been opened yet."""
        params = use.params
        if use.trained_by is not None:
            folder = self._store.artifacts.path(use.trained_by.fingerprint, use.trained_by.output)
            params = use.backend.cls.trained(params, folder)
        made = use.backend.cls(params)
        made.workdir = self._store.workdir(f"servers/{use.fingerprint[:16]}")
        return made

    def weights(self, use: ModelUse) -> str:
        """Where a trainer finds the weights of a model.

        Raises:
            RunError: if the backend has none to give; the check says so before anything runs.
        """
        if use.trained_by is not None:
            return str(self._store.artifacts.path(use.trained_by.fingerprint, use.trained_by.output))
        weights = use.backend.cls.weights(use.params)
        if weights is None:
            raise RunError(f"model `{use.name}` has no weights that can be trained")
        return weights
