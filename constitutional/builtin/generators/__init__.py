"""Generators: from prompts to answers."""

from constitutional.builtin.generators.best_of_n import BestOfN
from constitutional.builtin.generators.pair import PairGenerator
from constitutional.builtin.generators.sample import Sample

GENERATORS = (Sample, PairGenerator, BestOfN)

__all__ = ["GENERATORS", "BestOfN", "PairGenerator", "Sample"]
