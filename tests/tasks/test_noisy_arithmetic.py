"""Oracles: posteriors worked out by hand, a brute-force sum over all pairs, binomial rates, and the Bayes bound."""

import itertools
import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.noisy_arithmetic import LAYOUTS, NoisyArithmeticChain


def written(**values):
    return {name: torch.tensor([value]) for name, value in values.items()}


def draw(task, seed, size, members=1):
    return task.sample(None, Streams(seeds=tuple(range(seed, seed + members))), size)


@pytest.mark.parametrize(
    ("layout", "chain"),
    [
        ("minimal", "2 * 3 + 4 => 6 + 4 => 10 END"),
        ("parenthesised", "( 2 * 3 ) + 4 => 6 + 4 => 10 END"),
        ("extended", "( 2 - 3 ) * 5 + 4 => 6 + 4 => 10 END"),  # -1 * 5 = 6 mod 11
        ("extended-bare", "2 - 3 * 5 + 4 => 6 + 4 => 10 END"),
    ],
)
def test_layouts_are_written_as_drawn(layout, chain):
    task = NoisyArithmeticChain(layout=layout)
    values = written(a=2, b=3, op=0, c=4) | (written(first=1, factor=5) if "extended" in layout else {})
    values["product"] = task.product(values)
    values["answer"] = task.answer(values["product"], values)
    assert task.text(task.write(values)[0]) == chain
    assert task.shape.length == len(chain.split()) - 1
    assert chain.split()[: task.prompt_length][-1] == "=>"
    assert task.read(task.write(values)) == values
    for role, place in task.roles.items():
        assert task.write(values)[0, place] in task.options(role)


def test_token_counts_of_the_paper():
    lengths = {layout: NoisyArithmeticChain(layout=layout).shape.length + 1 for layout in LAYOUTS}
    assert lengths == {"minimal": 12, "parenthesised": 14, "extended": 16, "extended-bare": 14}
    assert NoisyArithmeticChain(modulus=97).shape.outputs == 97 + 5


def test_minimal_roles_and_loss():
    task = NoisyArithmeticChain()
    assert task.position("E2.product") == 6
    assert task.position("E3.answer") == 10
    batch = draw(task, 0, 4)
    assert torch.equal(batch.inputs[..., 1:], batch.targets[..., :-1])
    assert batch.weights[0, 0].tolist() == [0] * 5 + [1] * 6  # targets are tokens 1 to 11, the loss is on 6 to 11


@pytest.mark.parametrize("layout", LAYOUTS)
def test_noise_comes_at_its_rate_and_changes_nothing_else(layout):
    eps1, eps2, n = (
        0.3,
        0.2,
        100 * 1_000,
    )  # a hundred seeds at once, so that 3 sigma is asked once and not a hundred times
    task = NoisyArithmeticChain(layout=layout, modulus=5, prompt_noise=eps1, step_noise=eps2)
    batch = draw(task, 0, 1_000, members=100)
    seen, true = task.read(torch.cat([batch.inputs, batch.targets[..., -1:]], -1)), batch.latents
    assert torch.equal(true["answer"], task.answer(task.product(true), true))  # the clean product's, whatever is seen
    wrong = {name: seen[name] != true[name] for name in seen}
    rates = {"a": eps1 / 2, "b": eps1 / 2, "product": eps2}
    for name in seen:
        p = rates.get(name, 0.0)
        assert abs(wrong[name].double().mean().item() - p) <= 3 * math.sqrt(p * (1 - p) / n), name
    assert not (wrong["a"] & wrong["b"]).any()
    both = (wrong["product"] & (wrong["a"] | wrong["b"])).double().mean().item()
    assert both == pytest.approx(eps1 * eps2, abs=3 * math.sqrt(0.06 * 0.94 / n))
    shift = (seen["product"] - true["product"])[wrong["product"]] % 5
    counts = torch.bincount(shift, minlength=5).double()
    assert counts[0] == 0
    assert ((counts[1:] / counts.sum() - 0.25).abs() < 3 * math.sqrt(0.25 * 0.75 / counts.sum())).all()


def test_products_are_as_common_as_they_should_be():
    # P(t = 0) = (2p - 1) / p^2, P(t = k) = (p - 1) / p^2: 9/25 and 4/25 for p = 5.
    n = 100 * 1_000
    product = draw(NoisyArithmeticChain(modulus=5), 0, 1_000, members=100).latents["product"]
    share = torch.bincount(product.flatten(), minlength=5).double() / n
    expected = torch.tensor([9, 4, 4, 4, 4]) / 25
    assert ((share - expected).abs() < 3 * (expected * (1 - expected) / n).sqrt()).all()


def test_levels_of_one_seed_share_random_numbers(seed):
    low = NoisyArithmeticChain(step_noise=0.1)
    both = stack([low, low.replace(step_noise=0.4)])
    batch = both.sample(None, Streams(seeds=(seed, seed)), 500)
    alone = draw(low, seed, 500)
    assert torch.equal(batch.inputs[:1], alone.inputs)
    place = low.position("E2.product")
    wrong = batch.inputs[..., place] != batch.latents["product"]
    assert (wrong[0] <= wrong[1]).all()
    assert wrong[1].sum() > wrong[0].sum()
    assert torch.equal(batch.inputs[0][wrong[0]], batch.inputs[1][wrong[0]])


def test_posterior_by_hand():
    # p = 11, a = 2, b = 3, x = 7, eps1 = .01, eps2 = .1. Weights: t = 6: .99 * .1 / 10 = .0099; t = 7: .001 * .9
    # = .0009; the other nine: .001 * .01 = 1e-5 each (t = 0 too: it is a' = 0 or b' = 0, .005 / 10 each). Their sum is
    # .01089, so .9091, .0826, .00092.
    p = NoisyArithmeticChain(prompt_noise=0.01, step_noise=0.1).product_posterior(written(a=2, b=3, product=7))[0]
    expected = torch.full((11,), 1e-5 / 0.01089)
    expected[6], expected[7] = 0.0099 / 0.01089, 0.0009 / 0.01089
    torch.testing.assert_close(p, expected.double(), rtol=1e-6, atol=0)
    # The answer is 7 - 5 = 2 if the step is right, 6 - 5 = 1 if the prompt is.
    answer = NoisyArithmeticChain(prompt_noise=0.01, step_noise=0.1).answer_posterior(
        written(a=2, b=3, product=7, op=1, c=5)
    )
    assert answer[0, 1] == p[6]
    assert answer[0, 2] == p[7]


def test_posterior_of_a_zero_product_by_hand():
    # p = 5, a = 0, b = 3 seen, eps1 = .4: the pair itself .6, a' != 0 .05 each (t = 3, 1, 4, 2), b' != 3 .05 each, and
    # all four give t = 0: the prompt says .8 for 0 and .05 for each other. With eps2 = .2, x = 1: .8 * .05 = .04 for 0,
    # .05 * .8 = .04 for 1 and .05 * .05 = .0025 for each of the other three.
    task = NoisyArithmeticChain(modulus=5, prompt_noise=0.4, step_noise=0.2)
    prompt = task.product_posterior(written(a=0, b=3, product=1), read_step=False)[0]
    torch.testing.assert_close(prompt, torch.tensor([0.8, 0.05, 0.05, 0.05, 0.05]).double(), rtol=1e-6, atol=0)
    both = task.product_posterior(written(a=0, b=3, product=1))[0]
    expected = torch.tensor([0.04, 0.04, 0.0025, 0.0025, 0.0025]).double() / 0.0875
    torch.testing.assert_close(both, expected, rtol=1e-6, atol=0)
    # Written are then 0 with .8 * .8 + .05 * .2 = .65 and 1 with .8 * .05 + .2 * .05 = ... = .0875 each.
    step = task.step_prediction(written(a=0, b=3, product=1))[0]
    torch.testing.assert_close(step, torch.tensor([0.65, 0.0875, 0.0875, 0.0875, 0.0875]).double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_posterior_is_bayes_rule_over_all_pairs(layout):
    p = 5
    task = NoisyArithmeticChain(modulus=p, layout=layout, prompt_noise=0.2, step_noise=0.3)
    names = ["a", "b", "product"] + (["first", "factor"] if "extended" in layout else [])
    grid = torch.meshgrid(*[torch.arange(2 if name == "first" else p) for name in names], indexing="ij")
    seen = {name: values.flatten() for name, values in zip(names, grid, strict=True)}
    weights = torch.zeros(len(seen["a"]), p, dtype=torch.float64)
    for a, b in itertools.product(range(p), range(p)):
        one = torch.ones_like(seen["a"])
        changes = (seen["a"] != a).long() + (seen["b"] != b).long()
        prompt = torch.tensor([0.8, 0.2 / 8, 0.0], dtype=torch.float64)[changes]
        t = task.product({**seen, "a": a * one, "b": b * one})
        step = torch.where(t == seen["product"], 0.7, 0.3 / 4)
        weights.scatter_add_(-1, t[:, None], (prompt * step)[:, None])
    expected = weights / weights.sum(-1, keepdim=True)
    torch.testing.assert_close(task.product_posterior(seen), expected, rtol=1e-6, atol=0)


def test_limits_of_the_posterior():
    seen = written(a=2, b=3, product=7)
    step_says_nothing = NoisyArithmeticChain(prompt_noise=0.1, step_noise=10 / 11)
    alone = step_says_nothing.product_posterior(seen, read_step=False)
    torch.testing.assert_close(step_says_nothing.product_posterior(seen), alone)
    assert NoisyArithmeticChain(prompt_noise=0.0, step_noise=0.1).product_posterior(seen)[0, 6] == 1
    assert NoisyArithmeticChain(prompt_noise=0.1, step_noise=0.0).product_posterior(seen)[0, 7] == 1
    assert NoisyArithmeticChain(prompt_noise=0.0, step_noise=0.0).product_posterior(seen).isnan().all()
    assert (
        NoisyArithmeticChain(prompt_noise=0.0, step_noise=0.0).product_posterior(written(a=2, b=3, product=6))[0, 6]
        == 1
    )


@pytest.mark.parametrize("eps1", [0.01, 0.1])
def test_the_optimum_changes_sides_where_the_noises_are_equal(eps1):
    def odds(eps2):
        task = NoisyArithmeticChain(prompt_noise=eps1, step_noise=eps2)
        p = task.product_posterior(written(a=2, b=3, product=7))[0]
        return (p[6] / p[7]).item()

    assert odds(eps1) == pytest.approx(1, rel=1e-6)
    assert odds(5 * eps1) == pytest.approx((1 - eps1) * 5 / (1 - 5 * eps1), rel=1e-6)
    assert odds(0.9 * eps1) < 1 < odds(1.1 * eps1)


def test_posteriors_sum_to_one_member_by_member(seed):
    levels = [NoisyArithmeticChain(step_noise=eps) for eps in (0.0, 0.05, 0.3)]
    task = stack(levels)
    batch = task.sample(None, Streams(seeds=(seed,) * 3), 300)
    seen = task.read(batch.inputs)
    for found in (task.answer_posterior(seen), task.step_prediction(seen)):
        torch.testing.assert_close(found.sum(-1), torch.ones(3, 300, dtype=torch.float64))
    for i, alone in enumerate(levels):
        own = alone.answer_posterior({name: value[i] for name, value in seen.items()})
        assert torch.equal(task.answer_posterior(seen)[i], own)


def test_no_predictor_beats_the_optimal_one(seed):
    n = 40_000
    task = NoisyArithmeticChain(modulus=7, prompt_noise=0.1, step_noise=0.3)
    batch = draw(task, seed, n)
    seen, answer = task.read(batch.inputs), batch.latents["answer"]

    def loss(p, truth):
        return -p.gather(-1, truth[..., None]).log().mean().item()

    def blurred(product, noise):  # believes one source, knows how often it is wrong
        right = torch.nn.functional.one_hot(task.answer(product, seen), 7)
        return right * (1 - noise) + (1 - right) * noise / 6

    best = loss(task.answer_posterior(seen), answer)
    follower, skipper = blurred(seen["product"], 0.3), blurred(task.product(seen), 0.1)
    for rival in (follower, skipper, (follower + skipper) / 2, torch.full((1, n, 7), 1 / 7)):
        assert best < loss(rival, answer)
    for other in (dict(prompt_noise=0.2), dict(step_noise=0.15), dict(step_noise=0.6)):
        assert best < loss(task.replace(**other).answer_posterior(seen), answer)
    step_best = loss(task.step_prediction(seen), seen["product"])
    assert step_best < loss(task.product_posterior(seen, read_step=False), seen["product"])


def test_bad_values_are_refused():
    with pytest.raises(UserError, match="prime modulus, got 12"):
        NoisyArithmeticChain(modulus=12)
    with pytest.raises(UserError, match="prime modulus, got 1"):
        NoisyArithmeticChain(modulus=1)
    with pytest.raises(UserError, match="did you mean 'minimal'"):
        NoisyArithmeticChain(layout="minmal")
    with pytest.raises(UserError, match=r"step_noise is a probability, got 1\.5"):
        NoisyArithmeticChain(step_noise=1.5)
    with pytest.raises(UserError, match=r"no role 'E2\.produkt' in the minimal layout: did you mean 'E2\.product'"):
        NoisyArithmeticChain().position("E2.produkt")
