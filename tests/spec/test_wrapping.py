"""A backend that places another: what is inside decides, and mistakes inside are found at their place."""

from types import ModuleType

import pytest

from constitutional.api import Capability, Wrapped, WrappingBackend, WrappingParams, hookimpl
from constitutional.errors import SpecError
from constitutional.plan.make import plan
from constitutional.plugins import Registry
from constitutional.spec.check import load_checked
from constitutional.spec.schema import schema

PLAIN = "{backend: scripted, model: m, rules: [{say: 'yes'}]}"


class PoolParams(WrappingParams):
    size: int = 2


class Pool(WrappingBackend):
    """Asks the model inside."""

    name, version, Params = "pool", 7, PoolParams

    async def generate(self, batch):
        return await self.params.of.made().generate(batch)


@hookimpl
def constitutional_backends():
    return [Pool]


@pytest.fixture
def registry():
    found = Registry()
    found.register("test", _module())
    return found


def _module():
    module = ModuleType("wrapping_test_plugin")
    module.constitutional_backends = constitutional_backends
    return module


def checked(tmp_path, registry, model, stage="{generator: sample, model: m, prompts: prompts}"):
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "hi"}\n')
    path = tmp_path / "spec.yaml"
    path.write_text(
        f"constitutional: 1\nname: w\nmodels:\n  m: {model}\ndata:\n  prompts: {{source: jsonl, path: prompts.jsonl}}\n"
        f"stages:\n  draft: {stage}\n"
    )
    return load_checked(path, registry)


def use(tmp_path, registry, model):
    return plan(checked(tmp_path, registry, model), registry).steps["draft"].models["model"]


def test_a_placed_model_has_the_fingerprint_and_label_of_the_model_inside(tmp_path, registry):
    plain = use(tmp_path, registry, PLAIN)
    placed = use(tmp_path, registry, f"{{backend: test/pool, size: 5, of: {PLAIN}}}")
    twice = use(tmp_path, registry, f"{{backend: test/pool, of: {{backend: test/pool, of: {PLAIN}}}}}")
    assert placed.params.size == 5
    assert placed.backend.cls is Pool
    assert (plain.fingerprint, plain.label) == (placed.fingerprint, placed.label) == (twice.fingerprint, twice.label)


def test_weights_are_found_inside_and_trained_ones_put_there(tmp_path):
    from constitutional.builtin.backends.transformers import TransformersBackend, TransformersParams

    params = PoolParams(
        of=Wrapped("transformers", TransformersBackend, TransformersParams(model="builtin:support-agent"))
    )
    assert Pool.weights(params) == TransformersBackend.weights(params.of.params)
    trained = Pool.trained(params, tmp_path / "new")
    assert (trained.size, trained.of.params.model) == (2, str(tmp_path / "new"))
    assert Capability.CHOICES in trained.of.cls.gives


@pytest.mark.parametrize(
    ("model", "column", "said"),
    [
        ("{backend: test/pool}", 3, "needs `of`"),
        ("{backend: test/pool, of: scripted}", 31, "`of` must be"),
        ("{backend: test/pool, of: {rules: []}}", 27, "lacks `backend`"),
        ("{backend: test/pool, of: {backend: scriptd}}", 41, "no backend `scriptd`"),
        ("{backend: test/pool, of: {backend: scripted, sconds: 1}}", 51, "no parameter `sconds`"),
        ("{backend: test/pool, sise: 3, of: {backend: scripted}}", 27, "no parameter `sise`"),
    ],
)
def test_mistakes_are_found_at_their_place(tmp_path, registry, model, column, said):
    with pytest.raises(SpecError) as caught:
        checked(tmp_path, registry, model)
    (found,) = caught.value.diagnostics
    assert said in found.message
    assert (found.span.line, found.span.column) == (4, column)


def test_the_schema_for_editors_knows_the_model_inside(registry):
    assert '"of"' in str(schema(registry)).replace("'", '"')
