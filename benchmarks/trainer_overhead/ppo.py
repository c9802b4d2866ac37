"""PPO beside a plain loop on transformers and torch, as one writes it in an afternoon: nothing of it is ours.

TRL has no PPO trainer any more.  Reward, penalty, advantages, clips and coefficients are those of our defaults.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.trainer_overhead import rows as data
from benchmarks.trainer_overhead.groups import FEWER, KL, NEW_TOKENS, WANTED, share_of_words
from benchmarks.trainer_overhead.setting import SEED, Case, Rows, Seen, Setting
from benchmarks.trainer_overhead.stages import stage_of, trained

ROLLOUT = 64
PASSES = 4
CLIP, VALUE_WEIGHT, LAM = 0.2, 0.1, 0.95


def ours(setting: Setting, rows: Rows, folder: Path) -> Seen:
    done = trained(stage_of("ppo:PpoTrainer"), setting, rows, folder, "prompts", reward={"rules": {"contains": WANTED}},
                   kl_coefficient=KL, max_new_tokens=NEW_TOKENS, rollout_batch=ROLLOUT, ppo_epochs=PASSES)  # fmt: skip
    log = [json.loads(line) for line in (done.folder / "training_log.jsonl").read_text(encoding="utf-8").splitlines()]
    return Seen([line["loss"] for line in log], round(sum(line["length"] for line in log) * ROLLOUT))


def bare(setting: Setting, rows: Rows, folder: Path) -> Seen:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, get_linear_schedule_with_warmup, set_seed

    set_seed(SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(setting.model, padding_side="left")
    policy, reference = (
        AutoModelForCausalLM.from_pretrained(setting.model, **setting.weights()).to(device).eval() for _ in range(2)
    )
    head = torch.nn.Linear(policy.config.hidden_size, 1).to(device)
    learned = [*policy.parameters(), *head.parameters()]
    rounds = max(1, round(setting.epochs * len(rows) / ROLLOUT))
    adam = torch.optim.AdamW(learned, lr=setting.learning_rate, weight_decay=0.0)
    steps = rounds * PASSES * -(-ROLLOUT // setting.batch_size)
    schedule = get_linear_schedule_with_warmup(adam, 0, steps)
    losses, sampled = [], 0
    for number in range(rounds):
        asked = [rows[(number * ROLLOUT + i) % len(rows)]["prompt"] for i in range(ROLLOUT)]
        with torch.no_grad():
            rollout = _rollout(policy, reference, head, tokenizer, asked, setting.batch_size)
        sampled += int(rollout["mask"].sum())
        found = []
        for _ in range(PASSES):
            for part in torch.randperm(ROLLOUT, device=device).split(setting.batch_size):
                loss = _loss(policy, head, {name: one[part] for name, one in rollout.items()})
                loss.backward()
                torch.nn.utils.clip_grad_norm_(learned, 1.0)
                adam.step()
                schedule.step()
                adam.zero_grad()
                found.append(float(loss.detach()))
        losses.append(sum(found) / len(found))
    policy.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return Seen(losses, sampled)


def _rollout(policy: Any, reference: Any, head: Any, tokenizer: Any, asked: list[Any], batch: int) -> dict[str, Any]:
    """Tensors of what the policy said, [rows, ...], with advantages and returns."""
    import torch

    fed = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    fed = {name: fed[name].to(policy.device) for name in ("input_ids", "attention_mask")}
    ids = policy.generate(**fed, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=NEW_TOKENS)
    width = ids.shape[1] - fed["input_ids"].shape[1]
    said = ids[:, -width:]
    ended = (said == tokenizer.eos_token_id).int()
    mask = ((ended.cumsum(1) - ended) == 0).float()
    whole = torch.cat([fed["attention_mask"], mask.long()], dim=1)
    texts = tokenizer.batch_decode(
        [row[kept > 0] for row, kept in zip(said, mask, strict=True)], skip_special_tokens=True
    )
    scores = torch.tensor(share_of_words([data.answer(text) for text in texts]), device=policy.device)
    read = [_read(policy, head, i, w, width) for i, w in zip(ids.split(batch), whole.split(batch), strict=True)]
    held = [_read(reference, head, i, w, width)[0] for i, w in zip(ids.split(batch), whole.split(batch), strict=True)]
    logps, values = (torch.cat(column) for column in zip(*[(one[0], one[1]) for one in read], strict=True))
    rewards = -KL * (logps - torch.cat(held)) * mask
    rewards[torch.arange(len(ids)), mask.long().sum(1) - 1] += scores
    advantages, later, value = (
        torch.zeros_like(values),
        torch.zeros(len(ids), device=ids.device),
        torch.zeros(len(ids), device=ids.device),
    )
    for t in reversed(range(width)):
        later = (rewards[:, t] + value - values[:, t] + LAM * later) * mask[:, t]
        value = values[:, t] * mask[:, t]
        advantages[:, t] = later
    returns = (advantages + values) * mask
    kept = advantages[mask > 0]
    advantages = (advantages - kept.mean()) / (kept.std() + 1e-8) * mask
    return {
        "ids": ids,
        "whole": whole,
        "mask": mask,
        "logps": logps,
        "values": values,
        "advantages": advantages,
        "returns": returns,
    }


def _read(model: Any, head: Any, ids: Any, whole: Any, width: int) -> tuple[Any, Any]:
    """Log-probabilities of the last `width` tokens and values before them, both [rows, width]."""
    places = (whole.cumsum(1) - 1).clamp(min=0)
    said = model(ids, attention_mask=whole, position_ids=places, output_hidden_states=True, use_cache=False,
                 logits_to_keep=width + 1)  # fmt: skip
    logs = said.logits[:, :-1].float().log_softmax(-1)
    return logs.gather(-1, ids[:, -width:, None])[..., 0], head(said.hidden_states[-1][:, -width - 1 : -1].float())[
        ..., 0
    ]


def _loss(policy: Any, head: Any, part: dict[str, Any]) -> Any:
    import torch

    mask = part["mask"]
    logps, values = _read(policy, head, part["ids"], part["whole"], mask.shape[1])
    ratio = (logps - part["logps"]).exp()
    clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
    policy_loss = torch.maximum(-part["advantages"] * ratio, -part["advantages"] * clipped)
    moved = part["values"] + (values - part["values"]).clamp(-CLIP, CLIP)
    value_loss = 0.5 * torch.maximum((values - part["returns"]) ** 2, (moved - part["returns"]) ** 2)
    return ((policy_loss + VALUE_WEIGHT * value_loss) * mask).sum() / mask.sum()


CASES = {
    "ppo": Case(data.prompts, ours, bare, "a plain loop on torch", None,
                "both sample, each from random numbers of its own; one loss a round", FEWER)
}  # fmt: skip
