"""Debiasers: from votes to beliefs, without asking anybody again."""

from constitutional.api import attributes, offered

DEBIASERS = offered(
    __name__,
    "debiaser",
    {
        "position-swap": "position_swap:PositionSwap",
        "ensemble": "ensemble:Ensemble",
        "priority": "priority:Priority",
        "scores": "scores:Scores",
        "steps": "steps:Steps",
        "calibrate": "calibrate:Calibrate",
        "length": "length:Length",
        "clamp": "clamp:Clamp",
        "abstain": "abstain:Abstain",
        "balance": "balance:Balance",
        "threshold": "threshold:Threshold",
        "compose": "compose:Compose",
    },
)
__getattr__ = attributes(__name__, *DEBIASERS)
