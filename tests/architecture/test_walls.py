"""The walls of the house: what may import what, and when."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import constitutional

PACKAGE = Path(constitutional.__file__).parent
MODULES = sorted(m.name for m in pkgutil.walk_packages([str(PACKAGE)], "constitutional."))
HEAVY = {"torch", "transformers", "trl", "datasets", "peft", "accelerate"}


def loaded_by(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_the_package_alone_loads_nothing_heavy():
    assert not loaded_by("import constitutional") & (HEAVY | {"networkx", "pydantic", "pluggy", "yaml"})


def test_help_loads_nothing_heavy():
    code = "import sys\nsys.argv = ['constitutional', '--help']\nfrom constitutional.cli.main import main\ntry:\n  main()\nexcept SystemExit:\n  pass"
    assert not loaded_by(code) & (HEAVY | {"networkx", "pydantic", "yaml", "pyarrow", "numpy"})


def test_the_built_in_plugin_loads_nothing_heavy():
    assert not loaded_by("import constitutional.builtin") & (HEAVY | {"scipy", "pyarrow"})


def test_a_plan_loads_nothing_that_a_run_alone_needs(tmp_path):
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "hi"}\n')
    (tmp_path / "spec.yaml").write_text("""\
constitutional: 1
name: small
models: {m: {backend: scripted}}
data: {prompts: {source: jsonl, path: prompts.jsonl}}
stages: {drafts: {generator: sample, model: m, prompts: prompts}}
""")
    spec, root = str(tmp_path / "spec.yaml"), str(tmp_path / "runs")
    code = (f"import sys\nsys.argv = ['constitutional', 'plan', {spec!r}, '--root', {root!r}]\nfrom constitutional.cli.main import main\n"
            "try:\n  main()\nexcept SystemExit as end:\n  assert not end.code, end.code")  # fmt: skip
    assert not loaded_by(code) & (HEAVY | {"pyarrow", "numpy", "asyncio", "aiohttp", "jinja2", "rich"})


def test_every_module_imports_on_its_own():
    """In one process a module, since an import that another module did first proves nothing; four at a time."""
    program = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n    [sys.modules.pop(n) for n in list(sys.modules) if n.startswith('constitutional')]"
    done = subprocess.run([sys.executable, "-c", program, *MODULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_dangerous_calls_carry_their_safe_arguments(path):
    """No pickle, no yaml.load, no code from models; and only the registry touches pluggy's callers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            check_call(ast.unparse(node.func), {k.arg: k.value for k in node.keywords})
        if isinstance(node, ast.Attribute) and node.attr == "hook" and path.name != "plugins.py":
            raise AssertionError(f"{path}:{node.lineno} touches a hook caller")
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
            assert not {"pickle", "dill", "cloudpickle"} & {name.partition(".")[0] for name in names}


def check_call(function: str, keywords: dict) -> None:
    assert function not in {"yaml.load", "yaml.unsafe_load", "eval", "exec", "os.system", "torch.load"}
    if function.endswith(".from_pretrained") and "cls" not in function:
        trust = keywords.get("trust_remote_code")
        assert trust is None or ast.unparse(trust) == "False" or None in keywords
