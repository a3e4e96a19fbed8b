"""Oracles: `transformers`' rotary embedding, the formula of the sinusoids, and what rotation must preserve."""

import math

import pytest
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from ontogeny.models.positions import Rotary, Sinusoidal

CPU = torch.device("cpu")


@pytest.mark.parametrize("base", [10_000.0, 100.0])
def test_rotary_equals_transformers(base, normal):
    config = LlamaConfig(
        hidden_size=24, num_attention_heads=3, rope_parameters={"rope_type": "default", "rope_theta": base}
    )
    x = normal(2, 5, 11, 3, 8)
    cos, sin = LlamaRotaryEmbedding(config)(x, torch.arange(11)[None])
    expected = apply_rotary_pos_emb(x.flatten(0, 1), x.flatten(0, 1), cos, sin, unsqueeze_dim=2)[0]
    torch.testing.assert_close(Rotary(20, 8, base=base, device=CPU)(x).flatten(0, 1), expected, rtol=1e-5, atol=1e-5)


def test_rotary_scores_depend_on_distance_alone(normal):
    rotary = Rotary(9, 6, base=100.0, device=CPU)
    q, k = (rotary(normal(6).expand(1, 1, 9, 1, 6))[0, 0, :, 0] for _ in range(2))
    scores = q @ k.T
    torch.testing.assert_close(scores[1:, 1:], scores[:-1, :-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [6, 7])
def test_sinusoids_by_hand(width):
    table = Sinusoidal(5, width, deviation=0.1, device=CPU)(3)[0]
    for t in range(3):
        for j in range(width):
            angle = t / 10_000 ** (2 * (j // 2) / width)
            wave = math.cos(angle) if j % 2 else math.sin(angle)
            assert table[t, j].item() == pytest.approx(0.1 * math.sqrt(2) * wave, abs=1e-7)
