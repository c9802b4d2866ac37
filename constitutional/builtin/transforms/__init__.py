"""Transforms: the row operations that every pipeline needs.  Rows that pass through keep their id."""

from constitutional.api import attributes, offered

TRANSFORMS = offered(
    __name__,
    "transform",
    {
        "concat": "concat:Concat",
        "mix": "mix:Mix",
        "split": "split:Split",
        "sample": "sample:SampleRows",
        "filter": "filter:Filter",
        "dedupe": "dedupe:Dedupe",
        "pair": "pair:PairUp",
    },
)
__getattr__ = attributes(__name__, *TRANSFORMS)
