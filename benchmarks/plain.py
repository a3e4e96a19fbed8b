"""What a user would otherwise write: one small GPT in plain PyTorch, trained one at a time or through torch.func."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, w = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(n, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, t, w))
        return x + self.down(F.gelu(self.up(self.ln2(x))))


class GPT(nn.Module):
    def __init__(self, vocabulary: int, length: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.register_buffer("places", torch.arange(length))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens) + self.place(self.places)
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln(x))


def one_by_one(models: list[GPT], batches: Tensor, lr: float):
    """A step of every model, each with its own fused AdamW, one after another."""
    optimizers = [torch.optim.AdamW(model.parameters(), lr=lr, fused=True) for model in models]

    def step(s: int) -> None:
        for model, optimizer, tokens in zip(models, optimizers, batches[s], strict=True):
            optimizer.zero_grad()
            logits = model(tokens[:, :-1])
            F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
            optimizer.step()

    return step


def through_vmap(models: list[GPT], batches: Tensor, lr: float):
    """A step of all models at once: torch.func.vmap over grad, AdamW on the stacked parameters."""
    parameters, buffers = torch.func.stack_module_state(models)
    skeleton = models[0]

    def loss(p, b, tokens):
        logits = torch.func.functional_call(skeleton, (p, b), (tokens[:, :-1],))
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    slope = torch.func.vmap(torch.func.grad(loss), in_dims=(0, 0, 0))
    leaves = list(parameters.values())
    optimizer = torch.optim.AdamW(leaves, lr=lr, fused=True)

    def step(s: int) -> None:
        for leaf, gradient in zip(leaves, slope(parameters, buffers, batches[s]).values(), strict=True):
            leaf.grad = gradient
        optimizer.step()

    return step
