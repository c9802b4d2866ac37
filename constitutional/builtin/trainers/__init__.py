"""Trainers: from demonstrations, preferences, labels and rewards to weights."""

from constitutional.api import attributes, offered

TRAINERS = offered(
    __name__,
    "trainer",
    {
        "sft": "sft:SftTrainer",
        "reward": "reward:RewardTrainer",
        "process-reward": "process_reward:ProcessRewardTrainer",
        "dpo": "dpo:DpoTrainer",
        "kto": "kto:KtoTrainer",
        "orpo": "orpo:OrpoTrainer",
        "ppo": "ppo:PpoTrainer",
        "online-dpo": "online_dpo:OnlineDpoTrainer",
        "grpo": "grpo:GrpoTrainer",
        "rloo": "rloo:RlooTrainer",
    },
)
__getattr__ = attributes(__name__, *TRAINERS)
