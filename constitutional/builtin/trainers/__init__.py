"""Trainers: from demonstrations and preferences to weights."""

from constitutional.builtin.trainers.dpo import DpoTrainer
from constitutional.builtin.trainers.ppo import PpoTrainer
from constitutional.builtin.trainers.reward import RewardTrainer
from constitutional.builtin.trainers.sft import SftTrainer

TRAINERS = (SftTrainer, RewardTrainer, DpoTrainer, PpoTrainer)
