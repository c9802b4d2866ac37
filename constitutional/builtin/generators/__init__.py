"""Generators: from prompts to answers."""

from constitutional.api import attributes, offered

GENERATORS = offered(
    __name__,
    "generator",
    {
        "sample": "sample:Sample",
        "pair": "pair:PairGenerator",
        "best-of-n": "best_of_n:BestOfN",
    },
)
__getattr__ = attributes(__name__, *GENERATORS)
