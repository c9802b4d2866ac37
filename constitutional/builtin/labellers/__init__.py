"""Labellers: from pairs and responses to votes and ratings, each as the judge gave it."""

from constitutional.builtin.labellers.acceptable import Acceptable
from constitutional.builtin.labellers.chain_of_thought import ChainOfThought
from constitutional.builtin.labellers.human import Human
from constitutional.builtin.labellers.multiple_choice import MultipleChoice
from constitutional.builtin.labellers.reward import Reward
from constitutional.builtin.labellers.reward_votes import RewardVotes
from constitutional.builtin.labellers.rules import RuleRatings, Rules
from constitutional.builtin.labellers.score import Score
from constitutional.builtin.labellers.steps import Steps

LABELLERS = (MultipleChoice, ChainOfThought, Score, Acceptable, Steps, Rules, RuleRatings, Human, Reward, RewardVotes)

__all__ = [
    "LABELLERS",
    "Acceptable",
    "ChainOfThought",
    "Human",
    "MultipleChoice",
    "Reward",
    "RewardVotes",
    "RuleRatings",
    "Rules",
    "Score",
    "Steps",
]
