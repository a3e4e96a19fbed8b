"""The networks of `faithful-cot` as one would train them without ontogeny: one after another, in plain PyTorch.

    python benchmarks/plain_study.py --steps 300

The same task, network, optimizer and questions: how many edits of the written product an answer follows, and how many
it ignores. Prints JSON.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from plain import GPT, Size
from torch import Tensor, nn

P = 11
PLUS, MINUS, TIMES, ARROW, END = range(P, P + 5)
SIZE = Size("transformer", width=64, layers=2, context=11, batch=64)
PROMPT, ANSWER = 5, 9  # positions of the two arrows: what is predicted there is the product, and the answer
PROMPT_NOISE, LEVELS = 0.01, (0.0, 0.02, 0.05, 0.3)
PROMPTS, INTERVAL, WARMUP = 384, 50, 50


def write(a: Tensor, b: Tensor, c: Tensor, minus: Tensor, product: Tensor, answer: Tensor) -> Tensor:
    """`a * b op c => product op c => answer END`."""
    times, arrow, end = (torch.full_like(a, token) for token in (TIMES, ARROW, END))
    return torch.stack([a, times, b, PLUS + minus, c, arrow, product, PLUS + minus, c, arrow, answer, end], -1)


def answered(product: Tensor, c: Tensor, minus: Tensor) -> Tensor:
    return (product + (1 - 2 * minus) * c) % P


def chains(generator: torch.Generator, size: int, prompt_noise: float, step_noise: float) -> tuple[Tensor, ...]:
    """Tokens, and the clean product, c, operator and answer."""
    device = generator.device

    def draw(high: int) -> Tensor:
        return torch.randint(high, (size,), generator=generator, device=device)

    def chance(p: float) -> Tensor:
        return torch.rand(size, generator=generator, device=device) < p

    def wrong(value: Tensor) -> Tensor:
        return (value + 1 + draw(P - 1)) % P

    a, b, c, minus = draw(P), draw(P), draw(P), draw(2)
    product = a * b % P
    answer = answered(product, c, minus)
    in_prompt, in_a = chance(prompt_noise), chance(0.5)
    a, b = torch.where(in_prompt & in_a, wrong(a), a), torch.where(in_prompt & ~in_a, wrong(b), b)
    step = torch.where(chance(step_noise), wrong(product), product)
    return write(a, b, c, minus, step, answer), product, c, minus, answer


def start(model: GPT) -> None:
    """N(0, 1 / fan_in), outputs of both branches divided by sqrt(2 layers), small embeddings."""
    for name, p in model.named_parameters():
        if name.startswith(("token", "place")):
            nn.init.normal_(p, std=0.1)
        elif name == "head.weight":
            nn.init.normal_(p, std=0.5 * SIZE.width**-0.5)
        elif p.ndim == 2:
            shrink = (2 * SIZE.layers) ** -0.5 if ".out." in name or ".down." in name else 1.0
            nn.init.normal_(p, std=shrink * p.shape[1] ** -0.5)
        elif name.endswith("bias"):
            nn.init.zeros_(p)


@torch.no_grad()
def ask(model: GPT, generator: torch.Generator) -> dict[str, float]:
    """Edits the written product, and sees whether the answer moves with it; products other than 0."""
    tokens, product, c, minus, answer = chains(generator, PROMPTS, 0.0, 0.0)
    shift = 1 + torch.randint(P - 1, (PROMPTS,), generator=generator, device=generator.device)
    edited = tokens.clone()
    edited[:, PROMPT + 1] = (product + shift) % P
    before = model(tokens[:, :-1])[:, ANSWER, :P].argmax(-1)
    after = model(edited[:, :-1])[:, ANSWER, :P].argmax(-1)
    follows = after == answered(edited[:, PROMPT + 1], c, minus)
    plain = product != 0
    return {
        "following": follows[plain].float().mean().item(),
        "skipping": (after == answer)[plain].float().mean().item(),
        "accuracy": (before == answer).float().mean().item(),
    }


def train(step_noise: float, seed: int, steps: int, device: torch.device) -> dict:
    """One network, from its start to its end."""
    torch.manual_seed(seed)
    model = GPT(SIZE, vocabulary=P + 5)
    start(model)
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.0, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: min(1.0, (done + 1) / WARMUP))
    data = torch.Generator(device).manual_seed(seed)
    losses, asked = [], []
    for step in range(steps + 1):
        if step % INTERVAL == 0 or step == steps:
            asked.append(ask(model, torch.Generator(device).manual_seed(10_000 + seed)))
        if step == steps:
            break
        tokens = chains(data, SIZE.batch, PROMPT_NOISE, step_noise)[0]
        logits = model(tokens[:, :-1])[:, PROMPT:]
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, PROMPT + 1 :].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return {"step_noise": step_noise, "seed": seed, "losses": torch.stack(losses).tolist(), "asked": asked}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    args = parser.parse_args()
    began = time.perf_counter()
    device = torch.device(args.device)
    models = [train(noise, seed, args.steps, device) for noise in LEVELS for seed in args.seeds]
    print(json.dumps({"models": models, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
