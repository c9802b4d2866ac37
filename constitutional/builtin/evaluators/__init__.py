"""Evaluators: from models and prompts to figures with intervals."""

from constitutional.api import attributes, offered

EVALUATORS = offered(
    __name__,
    "evaluator",
    {
        "divergence": "divergence:Divergence",
        "harmlessness": "harmlessness:Harmlessness",
        "rewards": "rewards:Rewards",
    },
)
__getattr__ = attributes(__name__, *EVALUATORS)
