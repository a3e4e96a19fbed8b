"""Oracles: the rule written out for one network, and its direction."""

import torch

from ontogeny.parts import stack
from ontogeny.training.network_rms import NetworkRMS


def numbers(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def run(rule, start, slopes):
    parameters, memory = start.clone(), rule.start(start)
    for n, slope in enumerate(slopes, 1):
        everyone = torch.ones(len(start), dtype=torch.bool)
        rule.step(parameters, slope.clone(), memory, rule.columns(n, start), everyone, slope.norm(dim=1))
    return parameters, memory


def test_each_member_follows_the_rule(seed):
    start, slopes = numbers(2, 48, seed=seed), numbers(7, 2, 48, seed=seed + 1)
    rules = [NetworkRMS(lr=0.1, gamma=0.9, eps=1e-3), NetworkRMS(lr=0.01, gamma=0.5, eps=0.0)]
    got, memory = run(stack(rules), start, slopes)
    for i, rule in enumerate(rules):
        p, v = start[i].clone(), 0.0
        for n, slope in enumerate(slopes[:, i], 1):
            v = rule.gamma * v + (1 - rule.gamma) * slope.square().mean()
            u = slope / ((v / (1 - rule.gamma**n)).sqrt() + rule.eps)
            p -= rule.lr * u
        torch.testing.assert_close(got[i], p)
        torch.testing.assert_close(memory["update"][i], u)


def test_the_first_update_has_root_mean_square_one():
    # v / (1 - gamma) is the mean of the squares itself.
    _, memory = run(NetworkRMS(lr=0.1, eps=0.0), numbers(3, 64, seed=0), numbers(1, 3, 64, seed=1))
    torch.testing.assert_close(memory["update"].square().mean(1), torch.ones(3, dtype=torch.float64))


def test_no_gradient_is_no_step():
    start = numbers(1, 16, seed=0)
    got, _ = run(NetworkRMS(lr=0.1, eps=0.0), start, torch.zeros(3, 1, 16, dtype=torch.float64))
    assert torch.equal(got, start)


def test_members_keep_to_themselves():
    start, slopes = numbers(9, 48, seed=0).float(), numbers(5, 9, 48, seed=1).float()
    together, _ = run(NetworkRMS(lr=0.1), start, slopes)
    alone, _ = run(NetworkRMS(lr=0.1), start[[4]], slopes[:, [4]])
    assert torch.equal(together[[4]], alone)
