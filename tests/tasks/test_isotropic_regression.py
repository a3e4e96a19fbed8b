"""Oracles: radii, rates and variances in closed form, and the best penalty against its neighbours."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.kernel_ridge import excess_error, linear_kernel
from ontogeny.measures.ridge_theory import ridge_risk
from ontogeny.streams import Streams
from ontogeny.tasks.isotropic_regression import IsotropicRegression


def drawn(size=4_000, **fields):
    task, streams = IsotropicRegression(dimensions=10, **fields), Streams((3, 4))
    return task.sample(task.world(streams.of("world")), streams.of("data"), size)


def test_inputs_lie_on_the_sphere_or_spread_around():
    torch.testing.assert_close(drawn().inputs.norm(dim=-1), torch.full((2, 4_000), 10**0.5))
    lengths = drawn(covariates="gaussian").inputs.square().sum(-1)
    assert lengths.mean().item() == pytest.approx(10, rel=0.03)  # chi-squared: deviation sqrt(20 / 8,000)
    assert lengths.std().item() == pytest.approx(20**0.5, rel=0.06)


def test_linear_targets_have_variance_1_and_noise():
    batch = drawn(noise=0.5)
    clean = batch.latents["clean"]
    assert clean.var().item() == pytest.approx(1.0, rel=0.07)
    assert (batch.targets[..., 0] - clean).std().item() == pytest.approx(0.5, rel=0.04)
    world = IsotropicRegression(dimensions=10).world(Streams((3, 4)).of("world"))
    torch.testing.assert_close(world.norm(dim=-1), torch.ones(2))
    torch.testing.assert_close(clean, (batch.inputs @ world[..., None])[..., 0], atol=1e-5, rtol=1e-5)


def test_quadratic_targets():
    batch = drawn(target="quadratic", noise=0.0, covariates="gaussian")
    world = IsotropicRegression(dimensions=10, target="quadratic").world(Streams((3, 4)).of("world"))
    expected = torch.einsum("msi,mij,msj->ms", batch.inputs, world, batch.inputs)
    torch.testing.assert_close(batch.targets[..., 0], expected, atol=1e-4, rtol=1e-4)
    assert world.diagonal(dim1=1, dim2=2).sum(-1).abs().max() < 1e-5
    assert batch.targets.var().item() == pytest.approx(1.0, rel=0.15)  # Var x'Ax = 2 |A|^2 = 1
    assert batch.targets.mean().abs() < 4 * 8_000**-0.5


def test_signs_are_coins():
    signs = drawn(target="signs", noise=0.0).targets
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    assert abs(signs.mean().item()) < 3 * 8_000**-0.5


def test_draws_share_the_target():
    task, streams = IsotropicRegression(dimensions=5, noise=0.0), Streams((1,))
    a, b = task.draw(streams, "one", 20), task.draw(streams, "two", 20)
    beta = torch.linalg.lstsq(a.x, a.y).solution
    torch.testing.assert_close(b.x @ beta, b.y, atol=1e-5, rtol=1e-5)
    assert not torch.equal(a.x, b.x)


def test_no_penalty_predicts_better_than_the_best():
    task = IsotropicRegression(dimensions=20)
    assert task.best_penalty == 0.25
    for off in (0.5, 2.0):
        assert ridge_risk(0.25 * off, 1.0, 0.5) > ridge_risk(0.25, 1.0, 0.5)
    errors = {penalty: 0.0 for penalty in (0.05, 0.25, 1.25)}
    for seed in range(30):
        train, test = (task.draw(Streams((seed,)), name, size) for name, size in (("a", 20), ("b", 500)))
        for penalty in errors:
            kernel, across = linear_kernel(train.x, train.x), linear_kernel(test.x, train.x)
            errors[penalty] += float(excess_error(kernel, across, train.y, test.clean, penalty))
    assert min(errors, key=errors.__getitem__) == 0.25


def test_alone_and_in_company():
    task = IsotropicRegression(dimensions=7, target="quadratic")

    def inputs(seeds):
        streams = Streams(seeds)
        return task.sample(task.world(streams), streams, 9)

    assert torch.equal(inputs((1, 2, 3)).targets[1:2], inputs((2,)).targets)


@pytest.mark.parametrize("fields", [{"dimensions": 1}, {"noise": -1.0}, {"target": "cubic"}])
def test_refuses(fields):
    with pytest.raises(UserError, match="IsotropicRegression"):
        IsotropicRegression(**{"dimensions": 4, **fields})
