"""The documentation says what is there."""

import re
from pathlib import Path

import pytest

from constitutional import hookspecs
from constitutional.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
GENERATED = {"reference/stages.md", "reference/backends.md", "reference/hooks.md", "reference/cli.md"}


def test_every_page_of_the_navigation_exists():
    nav = (ROOT / "mkdocs.yml").read_text().partition("nav:")[2]
    named = set(re.findall(r"[\w/-]+\.md", nav))
    assert named >= GENERATED
    assert all((ROOT / "docs" / name).is_file() for name in named - GENERATED)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_hold(page):
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).exists() or link in GENERATED, link


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_that_are_shown_exist(page):
    blocks = "".join(re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL))
    for command in re.findall(r"constitutional ([a-z][a-z-]*)", blocks):
        assert command in COMMANDS, command


def test_the_readme_has_both_commands_and_ci_runs_the_second():
    readme = (ROOT / "README.md").read_text()
    assert re.search(r"<!-- run command -->\n```bash\n.*constitutional run specs/support-agent.yaml\n```", readme)
    assert re.search(r"<!-- test command -->\n```bash\n.*-m pytest .*\n```", readme)
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text()


def test_every_hook_has_a_docstring_that_says_when():
    for name, function in vars(hookspecs).items():
        if name.startswith("constitutional_"):
            assert len(function.__doc__ or "") > 40, name


def test_the_spec_in_the_readme_is_the_spec_that_runs():
    readme = (ROOT / "README.md").read_text()
    shown = re.search(r"<!-- spec -->\n```yaml\n(.*?)```\n<!-- end -->", readme, re.DOTALL)
    assert shown is not None
    assert shown[1] == (ROOT / "specs" / "support-agent.yaml").read_text()
