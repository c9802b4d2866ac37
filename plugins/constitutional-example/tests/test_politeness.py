"""The example's own tests: the plugin loads through the door, and its template has what it asks for."""

import constitutional_example

from constitutional.plugins import Registry
from constitutional.prompts import load
from constitutional.records import user


def test_it_gives_one_critic_and_one_template():
    registry = Registry()
    registry.register("example", constitutional_example)
    assert registry.stage("critic", "example/politeness").cls is constitutional_example.Politeness
    template = load("example/politeness", registry.template_packs())
    said = template.render(prompt=(user("hi"),), response="Go away.")
    assert [turn.role for turn in said] == ["user", "assistant", "user"]
