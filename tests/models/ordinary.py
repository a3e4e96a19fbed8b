"""Ordinary modules, as a user writes them for one network: `[sample, position, feature]` to `[sample, output]`."""

import torch
import torch.nn.functional as F
from torch import nn

POSITIONS, FEATURES, OUTPUTS = 7, 13, 5


class Perceptron(nn.Sequential):
    def __init__(self):
        size = POSITIONS * FEATURES
        super().__init__(
            *(nn.Flatten(), nn.Linear(size, 130), nn.SiLU(), nn.Linear(130, 130)),
            *(nn.Sigmoid(), nn.Linear(130, 1)),  # one column: the product of a lone member is another
        )


class Convolutions(nn.Module):
    """Few channels: torch's grouped convolutions choose their kernels by the channels of the whole population."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.GroupNorm(1, 3)
        self.second = nn.Conv2d(3, 8, 3, stride=2)
        self.batch = nn.BatchNorm2d(8, track_running_stats=False)
        self.out = nn.Linear(8, OUTPUTS)

    def forward(self, x):
        x = F.elu(self.norm(self.first(x[:, None])))
        return self.out(F.gelu(self.batch(self.second(x)), approximate="tanh").mean((-1, -2)))


class Block(nn.Module):
    """Attention of its own, two heads, causal; then torch's own encoder layer."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(FEATURES, 24)
        self.mix = nn.Linear(8, FEATURES)
        self.layer = nn.TransformerEncoderLayer(FEATURES, 1, 19, dropout=0.0, batch_first=True)
        self.out = nn.Linear(FEATURES, OUTPUTS)

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (2, 4)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(self.layer(x + self.mix(attended.transpose(1, 2).flatten(-2)))[:, -1])


class Recurrent(nn.Module):
    """A loop over positions with a gated cell, then one with a plain cell."""

    def __init__(self):
        super().__init__()
        self.gated, self.long, self.plain = nn.GRUCell(FEATURES, 6), nn.LSTMCell(6, 4), nn.RNNCell(4, 3)
        self.out = nn.Linear(3, 1)

    def forward(self, x):
        a, b, c, h = (x.new_zeros(x.shape[0], size) for size in (6, 4, 4, 3))
        for t in range(x.shape[1]):
            a = self.gated(x[:, t], a)
            b, c = self.long(a, (b, c))
            h = self.plain(b, h)
        return self.out(h)


class RandomFeatures(nn.Module):
    """A drawn buffer, a constant one, a parameter that stands, a number, and one weight used twice."""

    def __init__(self):
        super().__init__()
        self.register_buffer("directions", torch.empty(FEATURES, 9).normal_())
        self.register_buffer("window", torch.linspace(0, 1, POSITIONS), persistent=False)
        self.shift = nn.Parameter(torch.empty(9).uniform_(), requires_grad=False)
        self.power = nn.Parameter(torch.tensor(1.5))
        self.into = nn.Linear(9, 9, bias=False)
        self.back = nn.Linear(9, 9)
        self.back.weight = self.into.weight

    def forward(self, x):
        seen = torch.cos((x * self.window[:, None]).sum(1) @ self.directions + self.shift)
        return self.back(self.into(seen).abs() ** self.power)


MODULES = [Perceptron, Convolutions, Block, Recurrent, RandomFeatures]
