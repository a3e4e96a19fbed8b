"""Oracle: every member follows `torch.optim` on its own single model, step by step."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.training.k_adam import KAdam
from ontogeny.training.network_rms import NetworkRMS
from ontogeny.training.optimizers import SGD, Adam, AdamW, SignDescent
from ontogeny.training.rmsprop import RMSprop
from ontogeny.training.schedules import Constant, Cosine, Warmup, WarmupStableDecay

MEMBERS, WIDTH, STEPS = 3, 48, 12
RATES = (0.1, 0.01, 0.003)


def numbers(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def run_ours(optimizers, start, slopes):
    rule = stack(optimizers)
    parameters, memory = start.clone(), rule.start(start)
    for update, slope in enumerate(slopes, 1):
        everyone = torch.ones(len(start), dtype=torch.bool)
        rule.step(parameters, slope.clone(), memory, rule.columns(update, start), everyone, slope.norm(dim=1))
    return parameters


CASES = {
    "sgd": (lambda i: SGD(lr=RATES[i]), lambda p, i: torch.optim.SGD(p, lr=RATES[i])),
    "momentum": (
        lambda i: SGD(lr=RATES[i], momentum=(0.9, 0.5, 0.0)[i], weight_decay=0.1),
        lambda p, i: torch.optim.SGD(p, lr=RATES[i], momentum=(0.9, 0.5, 0.0)[i], weight_decay=0.1),
    ),
    "adam": (
        lambda i: Adam(lr=RATES[i], betas=((0.9, 0.99), (0.5, 0.9), (0.0, 0.999))[i], weight_decay=0.1 * i),
        lambda p, i: torch.optim.Adam(
            p, lr=RATES[i], betas=((0.9, 0.99), (0.5, 0.9), (0.0, 0.999))[i], weight_decay=0.1 * i
        ),
    ),
    "adamw": (
        lambda i: AdamW(lr=RATES[i], betas=(0.9, 0.98), eps=(1e-9, 1e-3, 1e-8)[i], weight_decay=0.1 * i),
        lambda p, i: torch.optim.AdamW(
            p, lr=RATES[i], betas=(0.9, 0.98), eps=(1e-9, 1e-3, 1e-8)[i], weight_decay=0.1 * i
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_member_follows_torch(name, seed):
    ours, theirs = CASES[name]
    start, slopes = numbers(MEMBERS, WIDTH, seed=seed), numbers(STEPS, MEMBERS, WIDTH, seed=seed + 100)
    got = run_ours([ours(i) for i in range(MEMBERS)], start, slopes)
    for i in range(MEMBERS):
        single = torch.nn.Parameter(start[i].clone())
        optimizer = theirs([single], i)
        for slope in slopes:
            single.grad = slope[i].clone()
            optimizer.step()
        torch.testing.assert_close(got[i], single.detach(), rtol=1e-10, atol=1e-12)


def test_sign_descent_by_hand():
    start = torch.zeros(2, 3, dtype=torch.float64)
    slopes = torch.tensor([[[5.0, -0.1, 0.0], [1.0, 1.0, -1.0]]], dtype=torch.float64)
    got = run_ours([SignDescent(lr=0.5), SignDescent(lr=2.0)], start, slopes)
    assert got.tolist() == [[-0.5, 0.5, 0.0], [-2.0, -2.0, 2.0]]


def test_clipping_is_each_members_own_and_that_of_torch(seed):
    start, slopes = numbers(MEMBERS, WIDTH, seed=seed), numbers(1, MEMBERS, WIDTH, seed=seed + 1)
    clips = (0.5, 100.0, 3.0)
    got = run_ours([SGD(lr=1.0, clip=c) for c in clips], start, slopes)
    for i, clip in enumerate(clips):
        single = torch.nn.Parameter(start[i].clone())
        single.grad = slopes[0, i].clone()
        torch.nn.utils.clip_grad_norm_([single], clip)
        torch.testing.assert_close(got[i], single.detach() - single.grad, rtol=1e-12, atol=1e-12)


def test_a_frozen_member_stays_bit_for_bit():
    start = numbers(2, WIDTH, seed=0)
    for rule in (stack([AdamW(lr=0.1, clip=1.0)] * 2), stack([SGD(lr=0.1, momentum=0.9)] * 2)):
        parameters, memory = start.clone(), rule.start(start)
        gradient = numbers(2, WIDTH, seed=1) * torch.tensor([[0.0], [1.0]])
        second = torch.tensor([False, True])
        rule.step(parameters, gradient, memory, rule.columns(1, start), second, gradient.norm(dim=1))
        assert torch.equal(parameters[0], start[0])
        assert not torch.equal(parameters[1], start[1])


def counted(updates: int):
    """The first updates, as schedules are asked for them."""
    return torch.arange(1.0, updates + 1, dtype=torch.float64)[:, None]


def test_schedules_against_torch():
    single = torch.nn.Parameter(torch.zeros(1))
    cases = [
        (Warmup(updates=4), lambda u: [min(1.0, u / 4)]),
        (Constant(), lambda u: [1.0]),
        (stack([Warmup(updates=4), Warmup(updates=0)]), lambda u: [min(1.0, u / 4), 1.0]),
    ]
    for schedule, expected in cases:
        got = torch.as_tensor(schedule(counted(8)), dtype=torch.float64)
        wanted = torch.tensor([expected(update) for update in range(1, 9)], dtype=torch.float64)
        torch.testing.assert_close(got.expand_as(wanted), wanted)
    # torch counts its scheduler's steps from 0, after the update.
    optimizer = torch.optim.SGD([single], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10, eta_min=0.1)
    for factor in Cosine(updates=10, floor=0.1)(counted(10)).flatten().tolist():
        optimizer.step()
        reference.step()
        assert factor == pytest.approx(reference.get_last_lr()[0], rel=1e-6)
    # Two updates of rise, the full rate to the seventh, and a line over the last three.
    line = WarmupStableDecay(updates=10, warmup=2)(counted(10)).flatten().tolist()
    assert line == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 2 / 3, 1 / 3, 0.0])


def test_a_negative_rate_is_refused():
    with pytest.raises(UserError, match="learning rate of 0 or more, got -1"):
        SGD(lr=-1)


RULES = {
    "AdamW": lambda n, **given: AdamW(betas=(n, n), weight_decay=n, **given),
    "SGD": lambda n, **given: SGD(momentum=n, weight_decay=n, **given),
    "KAdam": lambda n, **given: KAdam(k=2, beta=n, gamma=n, stages="naive", **given),
    "NetworkRMS": lambda n, **given: NetworkRMS(gamma=n, **given),
    "RMSprop": lambda n, **given: RMSprop(decay=n, **given),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("schedule", [Constant, Warmup, Cosine, WarmupStableDecay], ids=lambda s: s.__name__)
def test_what_updates_need_depends_neither_on_company_nor_on_other_updates(name, schedule):
    members = torch.linspace(0.5, 0.999, 33, dtype=torch.float64)

    def rule(of: torch.Tensor):
        lasting = {} if schedule is Constant else {"updates": 400 * of}
        return RULES[name](of, lr=of / 3, schedule=schedule(**lasting))

    start = 37
    ahead = rule(members).columns_ahead(range(start, start + 16), torch.empty(33, 0))
    for place, together in enumerate(ahead):
        for i in range(33):
            alone = rule(members[[i]]).columns(start + place, torch.empty(1, 0))
            assert together.keys() == alone.keys()
            assert all(torch.equal(together[key][[i]], alone[key]) for key in alone)
