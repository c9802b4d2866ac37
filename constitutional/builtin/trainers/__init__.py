"""Trainers: from demonstrations, preferences, labels and rewards to weights."""

from constitutional.builtin.trainers.dpo import DpoTrainer
from constitutional.builtin.trainers.grpo import GrpoTrainer
from constitutional.builtin.trainers.kto import KtoTrainer
from constitutional.builtin.trainers.orpo import OrpoTrainer
from constitutional.builtin.trainers.ppo import PpoTrainer
from constitutional.builtin.trainers.process_reward import ProcessRewardTrainer
from constitutional.builtin.trainers.reward import RewardTrainer
from constitutional.builtin.trainers.rloo import RlooTrainer
from constitutional.builtin.trainers.sft import SftTrainer

TRAINERS = (
    SftTrainer, RewardTrainer, ProcessRewardTrainer, DpoTrainer, KtoTrainer, OrpoTrainer, PpoTrainer, GrpoTrainer, RlooTrainer,
)  # fmt: skip
