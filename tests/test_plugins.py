"""The registry: plugins load when they are named, and a broken one is blamed by name without taking the rest down."""

import subprocess
import sys
import textwrap
import types

import pytest

from constitutional import plugins as plugin_module
from constitutional.api import Critique, Response, RowStage, StepFinished, hookimpl
from constitutional.errors import PluginError
from constitutional.plugins import Installed, Registry


class Toxicity(RowStage[Response, Critique]):
    """A critic."""

    kind, name = "critic", "toxicity"

    async def process(self, row, ctx):
        return []


def module(**members):
    made = types.ModuleType("acme_module")
    vars(made).update(members)
    return made


@hookimpl
def constitutional_stages():
    return [Toxicity]


def installed_as(monkeypatch, tmp_path, source):
    """Install a plugin `acme` whose module has this source, as metadata would show it."""
    (tmp_path / "acme_broken.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("acme_broken", None)
    plugin = Installed("acme", "acme_broken", "constitutional-acme", "0.3.0")
    monkeypatch.setattr(plugin_module, "installed", lambda: {"acme": plugin})
    return Registry()


def test_a_plugin_gives_its_stages_under_its_prefix():
    registry = Registry()
    registry.register("acme", module(constitutional_stages=constitutional_stages))
    stage = registry.stage("critic", "acme/toxicity")
    assert (stage.cls, stage.path) == (Toxicity, "acme/toxicity")
    assert "acme/toxicity" in registry.stage_names("critic")


def test_the_built_in_stages_come_through_the_same_door():
    registry = Registry()
    assert registry.stage("critic", "principle").plugin.name == "builtin"
    with pytest.raises(KeyError):
        registry.stage("critic", "nonsense")


def test_a_plugin_that_is_not_installed_is_named_with_the_way_to_get_it():
    with pytest.raises(PluginError, match="nobody") as error:
        Registry().stage("critic", "nobody/x")
    assert error.value.help == "try: pip install constitutional-nobody"


BROKEN = {
    "syntax": "def",
    "exit": "raise SystemExit('bye')",
    "missing": "import a_package_that_nobody_has",
    "raises": "class Odd(BaseException): pass\nraise Odd('x')",
    "misspelt hook": "from constitutional.api import hookimpl\n@hookimpl\ndef constitutional_stage():\n    return []",
    "misspelt argument": "from constitutional.api import hookimpl\n@hookimpl\ndef constitutional_run_started(evnt):\n    pass",
    "default": "from constitutional.api import hookimpl\n@hookimpl\ndef constitutional_run_started(event=None):\n    pass",
    "wrong type": "from constitutional.api import hookimpl\n@hookimpl\ndef constitutional_stages():\n    return [5]",
    "no list": "from constitutional.api import hookimpl\n@hookimpl\ndef constitutional_stages():\n    return 5",
    "hook raises": "from constitutional.api import hookimpl\n@hookimpl\ndef constitutional_stages():\n    return 1 / 0",
    "no kind": "from constitutional.api import *\nclass X(WholeStage):\n    name = 'x'\n    def run(self, inputs, ctx): ...\n@hookimpl\ndef constitutional_stages():\n    return [X]",
    "no name": "from constitutional.api import *\nclass X(WholeStage):\n    kind = 'critic'\n    def run(self, inputs, ctx): ...\n@hookimpl\ndef constitutional_stages():\n    return [X]",
    "abstract": "from constitutional.api import *\nclass X(WholeStage):\n    kind, name = 'critic', 'x'\n@hookimpl\ndef constitutional_stages():\n    return [X]",
    "twins": "from constitutional.api import *\nclass X(WholeStage):\n    kind, name = 'critic', 'x'\n    def run(self, inputs, ctx): ...\n@hookimpl\ndef constitutional_stages():\n    return [X, X]",
    "taken port": "from constitutional.api import *\nclass X(Record):\n    port = 'prompts'\n@hookimpl\ndef constitutional_records():\n    return [X]",
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_blamed_by_package_and_version_and_hurts_nobody_else(monkeypatch, tmp_path, source):
    registry = installed_as(monkeypatch, tmp_path, source)
    with pytest.raises(PluginError, match=r"constitutional-acme 0\.3\.0"):
        registry.load("acme")
    assert registry.stage("critic", "principle")


def test_a_misspelt_hook_is_corrected(monkeypatch, tmp_path):
    with pytest.raises(PluginError, match="did you mean `constitutional_stages`"):
        installed_as(monkeypatch, tmp_path, BROKEN["misspelt hook"]).load("acme")


def test_listing_imports_nothing(monkeypatch, tmp_path):
    installed_as(monkeypatch, tmp_path, "raise SystemExit('bye')")
    assert list(plugin_module.installed()) == ["acme"]
    assert "acme_broken" not in sys.modules


def test_a_local_file_is_a_plugin_under_its_stem(tmp_path):
    (tmp_path / "mine.py").write_text(
        textwrap.dedent("""
        from constitutional.api import Critique, Response, RowStage, hookimpl
        class Mine(RowStage[Response, Critique]):
            kind, name = "critic", "short"
            async def process(self, row, ctx): return []
        @hookimpl
        def constitutional_stages(): return [Mine]
    """)
    )
    registry = Registry()
    assert registry.add_local(tmp_path / "mine.py") == "mine"
    assert registry.stage("critic", "mine/short").plugin.distribution == "local file"


def test_the_kill_switch_leaves_the_built_ins(monkeypatch, tmp_path):
    registry = installed_as(monkeypatch, tmp_path, "")
    monkeypatch.setenv("CONSTITUTIONAL_PLUGINS", "none")
    with pytest.raises(PluginError, match="CONSTITUTIONAL_PLUGINS"):
        registry.load("acme")
    assert registry.stage("critic", "principle")


def test_a_listener_that_raises_is_dropped_by_name_and_the_others_hear_on(tmp_path):
    from constitutional.engine.events import Events

    heard, said = [], []

    def broken(event):
        raise RuntimeError("no")

    def good(event):
        heard.append(event.step)

    registry = Registry()
    for name, listener in [("bad", broken), ("good", good)]:
        listener.__name__ = "constitutional_step_finished"
        registry.register(name, module(constitutional_step_finished=hookimpl(listener)))
    events = Events(tmp_path / "events.jsonl", registry, say=said.append)
    for step in ("one", "two"):
        events.emit(StepFinished(time=0, run="r", step=step, stage="s", seconds=0, rows_in=0, rows_out=0, ledger={}, reasons={},
                                 calls=0, calls_reused=0, tokens=0, outputs=()))  # fmt: skip
    events.close()
    assert heard == ["one", "two"]
    assert len(said) == 1
    assert "bad" in said[0]
    assert (tmp_path / "events.jsonl").read_text().count("\n") == 2


DEFERRED = """
from constitutional.api import Deferred, hookimpl

@hookimpl
def constitutional_stages():
    return [
        Deferred("toxicity", "tests.test_plugins:Toxicity", "critic"),
        Deferred("other", "tests.test_plugins:Toxicity", "critic"),
        Deferred("gone", "a_module_that_nobody_has:Stage", "critic"),
        Deferred("lost", "tests.test_plugins:Nothing", "critic"),
    ]
"""


def test_a_deferred_class_is_imported_when_it_is_asked_for(monkeypatch, tmp_path):
    registry = installed_as(monkeypatch, tmp_path, DEFERRED)
    assert registry.stage("critic", "acme/gone").path == "acme/gone"
    assert "acme/gone" in registry.stage_names("critic")
    assert registry.stage("critic", "acme/toxicity").cls is Toxicity


@pytest.mark.parametrize(
    ("name", "said"),
    [("other", "is not what was announced"), ("gone", "a_module_that_nobody_has"), ("lost", "Nothing")],
)
def test_a_deferred_class_that_is_not_there_is_blamed_by_package_and_version(monkeypatch, tmp_path, name, said):
    registry = installed_as(monkeypatch, tmp_path, DEFERRED)
    with pytest.raises(PluginError, match=r"constitutional-acme 0\.3\.0") as error:
        _ = registry.stage("critic", f"acme/{name}").cls
    assert said in str(error.value)


@pytest.mark.parametrize(
    "offer", ["Deferred('x', 'a:B')", "Deferred('a/x', 'a:B', 'critic')", "Deferred('x', 'a.B', 'critic')"]
)
def test_an_offer_that_cannot_be_used_is_refused(monkeypatch, tmp_path, offer):
    source = f"from constitutional.api import Deferred, hookimpl\n\n@hookimpl\ndef constitutional_stages():\n    return [{offer}]\n"
    with pytest.raises(PluginError, match="cannot be used"):
        installed_as(monkeypatch, tmp_path, source).load("acme")


def test_the_box_imports_only_what_a_spec_names():
    program = (
        "import sys\nfrom constitutional.plugins import Registry\nregistry = Registry()\n"
        "registry.stage('critic', 'principle').cls\nregistry.stage_names('trainer')\n"
        "assert 'constitutional.builtin.trainers.dpo' not in sys.modules\n"
        "assert 'constitutional.builtin.debiasers.compose' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
