"""What a user would otherwise write: small networks in plain PyTorch, trained in the ways that are at hand.

Each way gives a function `advance(updates)`, which makes that many updates of every model.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from timing import Advance
from torch import Tensor, nn

VOCABULARY, HEADS, RATE = 32, 2, 1e-3
DRAWN = 4  # batches that are drawn beforehand and used in turn: rivals do not pay for their data


@dataclass(frozen=True)
class Size:
    """What is trained: small networks on small batches, as in the studies."""

    network: str
    width: int
    layers: int
    context: int
    batch: int


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, w = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(n, t, 3, HEADS, w // HEADS).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, t, w))
        return x + self.down(F.gelu(self.up(self.ln2(x))))


class GPT(nn.Module):
    def __init__(self, size: Size, vocabulary: int = VOCABULARY) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(vocabulary, size.width), nn.Embedding(size.context, size.width)
        self.blocks = nn.ModuleList(Block(size.width) for _ in range(size.layers))
        self.ln = nn.LayerNorm(size.width)
        self.head = nn.Linear(size.width, vocabulary, bias=False)
        self.register_buffer("places", torch.arange(size.context))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens) + self.place(self.places)
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln(x))


class RNN(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, size.width)
        self.states = nn.RNN(size.width, size.width, size.layers, batch_first=True)
        self.head = nn.Linear(size.width, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.states(self.token(tokens))[0])


class MLP(nn.Module):
    """Reads all tokens side by side and gives the next one; `layers` counts weight matrices."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, size.width)
        sizes = [size.context * size.width, *[size.width] * (size.layers - 1)]
        self.hidden = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.head = nn.Linear(size.width, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens).flatten(1)
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.head(x)


NETWORKS: dict[str, Callable[[Size], nn.Module]] = {"transformer": GPT, "RNN": RNN, "MLP": MLP}


def network(size: Size) -> nn.Module:
    return NETWORKS[size.network](size)


def cross_entropy(logits: Tensor, tokens: Tensor) -> Tensor:
    """Of the next token at every position, or of the last one for networks that answer once."""
    targets = tokens[:, 1:] if logits.ndim == 3 else tokens[:, -1]
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten())


def loss_of(model: nn.Module, tokens: Tensor) -> Tensor:
    return cross_entropy(model(tokens[:, :-1]), tokens)


def batches(size: Size, members: int, device: torch.device) -> Tensor:
    """`[batch, member, sample, position]`."""
    return torch.randint(VOCABULARY, (DRAWN, members, size.batch, size.context + 1), device=device)


@lru_cache(maxsize=1)
def compiled_loss(size: Size) -> Callable[[nn.Module, Tensor], Tensor]:
    """One program for all models of a size."""
    torch._dynamo.reset()  # else the ninth size of a process is not compiled any more
    return torch.compile(loss_of, dynamic=False)


@contextmanager
def one_by_one(
    size: Size, members: int, device: torch.device = torch.device("cpu"), compiled: bool = False
) -> Iterator[Advance]:
    """Every model with its own fused AdamW, one after another, on all cores."""
    models = [network(size).to(device) for _ in range(members)]
    optimizers = [torch.optim.AdamW(model.parameters(), lr=RATE, fused=True) for model in models]
    drawn = batches(size, members, device)
    loss = compiled_loss(size) if compiled else loss_of

    def advance(updates: int) -> None:
        for i in range(updates):
            for model, optimizer, tokens in zip(models, optimizers, drawn[i % DRAWN], strict=True):
                optimizer.zero_grad()
                loss(model, tokens).backward()
                optimizer.step()

    yield advance


@contextmanager
def through_vmap(size: Size, members: int, device: torch.device) -> Iterator[Advance]:
    """All models at once: torch.func.vmap over grad, AdamW on the stacked parameters.

    On a CPU vmap has no rule for fused attention, says so, and loops over models for it; attention written out in
    separate operations takes as long.
    """
    models = [network(size).to(device) for _ in range(members)]
    parameters, buffers = torch.func.stack_module_state(models)
    drawn = batches(size, members, device)

    def loss(p, b, tokens):
        logits = torch.func.functional_call(models[0], (p, b), (tokens[:, :-1],))
        return cross_entropy(logits, tokens)

    slope = torch.func.vmap(torch.func.grad(loss))
    leaves = list(parameters.values())
    optimizer = torch.optim.AdamW(leaves, lr=RATE, fused=True)

    def advance(updates: int) -> None:
        for i in range(updates):
            for leaf, gradient in zip(leaves, slope(parameters, buffers, drawn[i % DRAWN]).values(), strict=True):
                leaf.grad = gradient
            optimizer.step()

    yield advance


def _serve(pipe, size: Size, members: int) -> None:
    torch.set_num_threads(1)
    with one_by_one(size, members) as advance:
        while updates := pipe.recv():
            advance(updates)
            pipe.send(True)


@contextmanager
def process_a_core(size: Size, members: int, device: torch.device) -> Iterator[Advance]:
    """The models shared out over a process a core, each of one thread; the processes stand ready."""
    assert device.type == "cpu"
    cores = min(torch.get_num_threads(), members)
    shares = [members // cores + (i < members % cores) for i in range(cores)]
    started = []
    os.environ["OMP_NUM_THREADS"] = "1"
    for share in shares:
        here, there = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, size, share), daemon=True)
        process.start()
        started.append((here, process))
    del os.environ["OMP_NUM_THREADS"]

    def advance(updates: int) -> None:
        for pipe, _ in started:
            pipe.send(updates)
        for pipe, _ in started:
            pipe.recv()

    try:
        yield advance
    finally:
        for pipe, process in started:
            pipe.send(0)
            process.join()


RIVALS: dict[str, Callable] = {
    "loop": one_by_one,
    "vmap": through_vmap,
    "compiled loop": partial(one_by_one, compiled=True),
    "processes": process_a_core,
}
