"""How far a policy has gone from where it began: divergence from a reference, repetition, and the look of its answers.

Shapes are given with each function; divergences and entropies are in nats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Lines that begin as items of a list do: bullets, or numbers and letters with a point or a bracket.
_ITEM = re.compile(r"^\s{0,8}(?:[-*+\u2022]|\d{1,3}[.)]|[a-z][.)])\s+\S", re.MULTILINE)
_BOLD = re.compile(r"\*\*(?=\S)[^*\n]{1,400}(?<=\S)\*\*|__(?=\S)[^_\n]{1,400}(?<=\S)__")
_HEADING = re.compile(r"^#{1,6}\s+\S", re.MULTILINE)
_HEDGE = re.compile(
    r"\b(?:as an ai|i am not (?:sure|certain|able)|i(?:'m| am) (?:just|only) an? |it(?:'s| is) (?:important|worth) "
    r"(?:to note|noting)|perhaps|maybe|possibly|it depends|i (?:think|believe|guess)|might be|could be|generally speaking|"
    r"in some cases|please consult|i(?:'m| am) sorry)\b",
    re.IGNORECASE,
)


def divergence(logits: Any, reference: Any) -> Any:
    """KL(policy || reference) of each next-token distribution: [..., vocabulary] twice -> [...], never below zero.

    Summed along a sampled answer it estimates the divergence of whole answers without bias and with less variance than
    log-ratios of the sampled tokens (Amini et al. 2025, arXiv 2504.10637).
    """
    import torch

    ours, theirs = torch.log_softmax(logits, dim=-1), torch.log_softmax(reference, dim=-1)
    share = ours.exp()
    return torch.where(share > 0, share * (ours - theirs), torch.zeros_like(share)).sum(-1).clamp(min=0)


def repetition(text: str, n: int = 3) -> float:
    """The share of a text's word n-grams, whatever the case, that have come before in it; 0 where it has none."""
    words = text.lower().split()
    grams = list(zip(*(words[start:] for start in range(n)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def look(text: str) -> Mapping[str, bool]:
    """Whether an answer has `lists` (two items or more), `bold`, `headings` and `hedges` (English ones alone)."""
    return {
        "lists": len(_ITEM.findall(text)) > 1,
        "bold": _BOLD.search(text) is not None,
        "headings": _HEADING.search(text) is not None,
        "hedges": _HEDGE.search(text.replace("\u2019", "'")) is not None,
    }
