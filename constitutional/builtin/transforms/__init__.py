"""Transforms: the row operations that every pipeline needs.  Rows that pass through keep their id."""

from constitutional.builtin.transforms.concat import Concat
from constitutional.builtin.transforms.dedupe import Dedupe
from constitutional.builtin.transforms.filter import Filter
from constitutional.builtin.transforms.mix import Mix
from constitutional.builtin.transforms.pair import PairUp
from constitutional.builtin.transforms.sample import SampleRows
from constitutional.builtin.transforms.split import Split

TRANSFORMS = (Concat, Mix, Split, SampleRows, Filter, Dedupe, PairUp)

__all__ = ["TRANSFORMS", "Concat", "Dedupe", "Filter", "Mix", "PairUp", "SampleRows", "Split"]
