"""Oracles: `torch.optim` at k = 1, a constant gradient at every k, sign descent, and stages one after another."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.training.k_adam import KAdam, respond, stage_decay
from ontogeny.training.optimizers import Adam

MEMBERS, WIDTH = 3, 48
RATES, BETAS, GAMMAS, DECAYS = (0.1, 0.01, 0.003), (0.9, 0.5, 0.0), (0.999, 0.7, 0.95), (0.0, 0.1, 0.01)


def numbers(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def run(rule, start, slopes):
    parameters, memory = start.clone(), rule.start(start)
    for n, slope in enumerate(slopes, 1):
        everyone = torch.ones(len(start), dtype=torch.bool)
        rule.step(parameters, slope.clone(), memory, rule.columns(n, start), everyone, slope.norm(dim=1))
    return parameters, memory


def test_k_one_is_adamw(seed):
    start, slopes = numbers(MEMBERS, WIDTH, seed=seed), numbers(60, MEMBERS, WIDTH, seed=seed + 100)
    rules = [
        KAdam(lr=lr, beta=b, gamma=g, weight_decay=d) for lr, b, g, d in zip(RATES, BETAS, GAMMAS, DECAYS, strict=True)
    ]
    got, memory = run(stack(rules), start, slopes)
    for i in range(MEMBERS):
        single = torch.nn.Parameter(start[i].clone())
        torchs = torch.optim.AdamW([single], lr=RATES[i], betas=(BETAS[i], GAMMAS[i]), weight_decay=DECAYS[i])
        for slope in slopes:
            before = single.detach().clone()
            single.grad = slope[i].clone()
            torchs.step()
        torch.testing.assert_close(got[i], single.detach(), rtol=1e-10, atol=1e-12)
        moved = (before * (1 - RATES[i] * DECAYS[i]) - single.detach()) / RATES[i]
        torch.testing.assert_close(memory["update"][i], moved, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("stages", ["split", "naive"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_constant_gradient_gives_its_sign(k, stages):
    slopes = torch.tensor([[[-5.0], [1e-3], [0.0]]], dtype=torch.float64).expand(1, 3, 40)
    updates = respond(KAdam(lr=0.1, k=k, stages=stages, eps=0.0), slopes)
    torch.testing.assert_close(updates, slopes.sign())


@pytest.mark.parametrize("k", [1, 2])
def test_without_memory_it_is_sign_descent(k, seed):
    slopes = numbers(2, 5, 20, seed=seed)
    assert torch.equal(respond(KAdam(lr=0.1, k=k, beta=0.0, gamma=0.0, eps=0.0), slopes), slopes.sign())


def test_naive_stages_are_adam_on_adams_updates(seed):
    slopes = numbers(2, 4, 60, seed=seed)
    one = KAdam(lr=0.1, beta=0.8, gamma=0.7, stages="naive")
    twice = respond(one, respond(one, slopes))
    torch.testing.assert_close(respond(one.replace(k=2), slopes), twice)
    assert not torch.allclose(respond(one, slopes), twice, rtol=0.1)


def test_split_stages_keep_the_delay():
    # Delays 10 and 1000 split in two: 5 and 500.
    assert stage_decay(2, 0.9) == pytest.approx(1 - 1 / 5)
    assert stage_decay(2, 0.999) == pytest.approx(1 - 1 / 500)
    assert stage_decay(20, 0.9) == 0.0  # no delay can be negative
    assert stage_decay(3, 0.9, "naive") == 0.9
    many = torch.tensor([0.9, 0.3], dtype=torch.float64)
    torch.testing.assert_close(stage_decay(2, many), torch.tensor([0.8, 0.0], dtype=torch.float64))
    slopes = numbers(1, 4, 60, seed=0)
    torch.testing.assert_close(
        respond(KAdam(lr=0.1, k=2, beta=0.9, gamma=0.999), slopes),
        respond(KAdam(lr=0.1, k=2, beta=0.8, gamma=0.998, stages="naive"), slopes),
    )


def test_nothing_yet_is_no_step():
    slopes = torch.zeros(1, 2, 5, dtype=torch.float64)
    slopes[0, 0, 3] = 2.0
    updates = respond(KAdam(lr=0.1, eps=0.0), slopes)
    assert updates[0, 1].tolist() == [0.0] * 5
    assert updates[0, 0, :3].tolist() == [0.0] * 3
    assert updates[0, 0, 3] > 0


def test_members_keep_to_themselves():
    start, slopes = numbers(33, WIDTH, seed=0).float(), numbers(6, 33, WIDTH, seed=1).float()
    rules = [KAdam(lr=0.1, k=2, beta=0.5 + i / 100, gamma=0.9 + i / 1000) for i in range(33)]
    together, _ = run(stack(rules), start, slopes)
    for i in (0, 17, 32):
        alone, _ = run(stack(rules[i : i + 1]), start[[i]], slopes[:, [i]])
        assert torch.equal(together[[i]], alone)


def test_frozen_members_stay_and_eps_damps():
    start, slope = numbers(2, WIDTH, seed=0), numbers(2, WIDTH, seed=1)
    rule = stack([KAdam(lr=0.1), KAdam(lr=0.1)])
    parameters, memory = start.clone(), rule.start(start)
    second = torch.tensor([False, True])
    rule.step(parameters, slope, memory, rule.columns(1, start), second, slope.norm(dim=1))
    assert torch.equal(parameters[0], start[0])
    assert not torch.equal(parameters[1], start[1])
    big = respond(KAdam(lr=0.1, eps=1.0), torch.ones(1, 1, 1, dtype=torch.float64))
    assert big.item() == pytest.approx(0.5)  # 1 / (1 + 1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(k=0), "once or more, got k=0"),
        (dict(stages="evenly"), "got stages='evenly'"),
        (dict(beta=1.0), "a beta from 0 to below 1, got 1.0"),
        (dict(gamma=-0.1), "a gamma from 0 to below 1, got -0.1"),
    ],
)
def test_refuses(wrong, says):
    with pytest.raises(UserError, match=says):
        KAdam(lr=0.1, **wrong)


def test_one_table_fewer_differs_from_adam_in_nothing(seed):
    start, slopes = numbers(2, WIDTH, seed=seed), numbers(10, 2, WIDTH, seed=seed + 1)
    ours, _ = run(KAdam(lr=0.1, beta=0.8, gamma=0.9), start, slopes)
    theirs, _ = run(Adam(lr=0.1, betas=(0.8, 0.9)), start, slopes)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
