"""Revisers: from critiques to better answers."""

from constitutional.api import attributes, offered

REVISERS = offered(
    __name__,
    "reviser",
    {
        "rewrite": "rewrite:Rewrite",
    },
)
__getattr__ = attributes(__name__, *REVISERS)
