"""Critics: from answers to what is wrong with them."""

from constitutional.api import attributes, offered

CRITICS = offered(
    __name__,
    "critic",
    {
        "principle": "principle:PrincipleCritic",
    },
)
__getattr__ = attributes(__name__, *CRITICS)
