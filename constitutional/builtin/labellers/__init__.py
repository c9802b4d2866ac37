"""Labellers: from pairs and responses to votes and ratings, each as the judge gave it."""

from constitutional.api import attributes, offered

LABELLERS = offered(
    __name__,
    "labeller",
    {
        "multiple-choice": "multiple_choice:MultipleChoice",
        "chain-of-thought": "chain_of_thought:ChainOfThought",
        "score": "score:Score",
        "acceptable": "acceptable:Acceptable",
        "steps": "steps:Steps",
        "rules": "rules:Rules",
        "rule-ratings": "rules:RuleRatings",
        "human": "human:Human",
        "reward": "reward:Reward",
        "reward-votes": "reward_votes:RewardVotes",
    },
)
__getattr__ = attributes(__name__, *LABELLERS)
