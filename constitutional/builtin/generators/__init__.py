"""Generators: from prompts to answers."""

from constitutional.builtin.generators.pair import PairGenerator
from constitutional.builtin.generators.sample import Sample

GENERATORS = (Sample, PairGenerator)

__all__ = ["GENERATORS", "PairGenerator", "Sample"]
