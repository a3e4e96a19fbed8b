"""Oracles: the gradient flow by SciPy, its logistic closed form, starts by their definition, and the law."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from ontogeny.errors import UserError
from ontogeny.models.factored_linear import FLOOR, Aligned, Gaussian, Jittered, TiedLinear, UntiedLinear
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_sum
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.tasks.structured_identity import PopulationIdentity
from ontogeny.training.objectives import SquaredError

TWO = Shape(features=2, outputs=2)
MEMBERS = 3


def weights(model, shape, seeds=(7,)):
    """W of every member, by what it does to the axes."""
    population = Population(model.build(shape, Streams(seeds).of("init")))
    eye = torch.eye(shape.features, dtype=torch.float64)
    return population, population(eye.expand(len(seeds), -1, -1)).detach()


def descend(population, task, steps, lr, after=None):
    """W after every step of gradient descent."""
    batch = task.sample(None, Streams((0,) * population.members), task.size)
    eye = torch.eye(task.size, dtype=torch.float64).expand(population.members, -1, -1)
    path = [population(eye).detach().clone()]
    for _ in range(steps):
        population.backward(SquaredError()(population(batch.inputs), batch))
        population.flat.sub_(lr * population.gradient)
        if after:
            after(population)
        path.append(population(eye).detach().clone())
    return torch.stack(path)


def extrapolated(model, task, steps, lr):
    """The path at every step of `lr`, with the error of first order in the step taken out (Richardson)."""
    shape = Shape(features=task.size, outputs=task.size)
    coarse = descend(Population(model.build(shape, Streams((7,) * MEMBERS))), task, steps, lr)
    fine = descend(Population(model.build(shape, Streams((7,) * MEMBERS))), task, 2 * steps, lr / 2)[::2]
    return 2 * fine - coarse


def test_the_gradient_is_that_of_the_matrix_equation(seed):
    # (G + G^T) U with G = (U U^T - I) A
    task = PopulationIdentity(concepts=3, spread=0.4)
    population, _ = weights(TiedLinear(start=Gaussian(scale=1.0), hidden=5), Shape(features=3, outputs=3), (seed,))
    batch = task.sample(None, Streams((seed,)), 3)
    population.backward(SquaredError()(population(batch.inputs), batch))
    u, eye = population.parameters()["factor"][0], torch.eye(3, dtype=torch.float64)
    g = (u @ u.mT - eye) @ torch.diag(task.rates[0])
    torch.testing.assert_close(population.gradient[0, :15].view(3, 5), (g + g.mT) @ u)


def test_descent_follows_the_flow_by_scipy():
    # dU/dt = -(G + G^T) U. From alignment 1 the first concept's output rises, falls and rises again.
    task = PopulationIdentity(spread=0.05)
    moment = np.diag(task.rates[0].numpy())

    def flow(_, u):
        u = u.reshape(2, 2)
        g = (u @ u.T - np.eye(2)) @ moment
        return (-(g + g.T) @ u).ravel()

    model = TiedLinear(start=Aligned(alignment=torch.tensor([1.0, 0.5, -0.9], dtype=torch.float64)))
    path = extrapolated(model, task, 300, 0.01)[::50]
    start = model.start.factor(Streams((7,) * MEMBERS), 2, 2).numpy()
    for i in range(MEMBERS):
        solved = solve_ivp(flow, (0, 3), start[i].ravel(), t_eval=np.linspace(0, 3, 7), rtol=1e-10, atol=1e-12)
        for k in range(7):
            u = solved.y[:, k].reshape(2, 2)
            np.testing.assert_allclose(path[k, i], u @ u.T, atol=1e-3)


def test_diagonal_entries_are_logistic():
    # w / (1 - w) = w0 / (1 - w0) exp(4 a t), with a = 2 (0.0025 + 0.5) / (0.0025 + 2) and 2.
    task = PopulationIdentity(spread=0.05)
    scale = torch.tensor([0.02, 0.1, 0.3], dtype=torch.float64)
    path = extrapolated(TiedLinear(start=Aligned(scale=scale, alignment=0.0)), task, 250, 8e-3)
    t, w0 = 8e-3 * np.arange(251)[:, None], scale.numpy() * (1 + FLOOR)
    for i, a in enumerate((2 * 0.5025 / 2.0025, 2.0)):
        odds = w0 / (1 - w0) * np.exp(4 * a * t)
        np.testing.assert_allclose(path[:, :, i, i], odds / (1 + odds), atol=5e-4)
        half = 8e-3 * (path[:, :, i, i] < 0.5).sum(0).numpy()
        expected = np.log(1 / w0 - 1) / (4 * a)
        np.testing.assert_allclose(half[expected < 2], expected[expected < 2], atol=1e-2)


def test_without_coupling_it_is_as_if_the_off_diagonal_were_taken_away_after_every_update(seed):
    def cut(population):
        u = population.parameters()["factor"]
        u.copy_(torch.diag_embed(u.square().sum(-1).sqrt()))

    task = PopulationIdentity(concepts=3)
    shape = Shape(features=3, outputs=3)
    free, _ = weights(TiedLinear(start=Jittered(coupled=0.0)), shape, (seed,))
    cutting, _ = weights(TiedLinear(start=Jittered()), shape, (seed,))
    cut(cutting)
    left, right = descend(free, task, 120, 0.02), descend(cutting, task, 120, 0.02, after=cut)
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-14)
    assert (left[-1, 0] - torch.diag(left[-1, 0].diagonal()) == 0).all()
    coupled, _ = weights(TiedLinear(start=Jittered()), shape, (seed,))
    assert not torch.allclose(descend(coupled, task, 40, 0.02)[40], left[40], atol=0.01)


@pytest.mark.parametrize("alignment", [-0.5, 0.0, 0.7, 1.0])
def test_an_aligned_start_is_what_it_says(alignment):
    _, w = weights(TiedLinear(start=Aligned(scale=0.2, alignment=alignment)), Shape(features=3, outputs=3))
    eye, ones = torch.eye(3, dtype=torch.float64), torch.ones(3, 3, dtype=torch.float64)
    torch.testing.assert_close(w[0], 0.2 * ((1 - alignment + FLOOR) * eye + alignment * ones))


def test_a_jittered_start_without_jitter_has_rank_one():
    _, w = weights(TiedLinear(start=Jittered(scale=0.3, jitter=0.0)), Shape(features=3, outputs=3))
    torch.testing.assert_close(w[0], torch.full((3, 3), 0.3, dtype=torch.float64))


def test_a_gaussian_start_is_the_identity_on_average(seed):
    # Diagonal entries have mean scale and deviation scale sqrt(2 / hidden), the others scale / sqrt(hidden).
    seeds = tuple(range(100 * seed, 100 * seed + 100))
    _, w = weights(TiedLinear(start=Gaussian(scale=0.1), hidden=8), TWO, seeds)
    assert abs(w[:, 0, 0].mean() - 0.1) < 4 * 0.1 * (2 / 8 / 100) ** 0.5
    assert abs(w[:, 0, 1].mean()) < 4 * 0.1 * (1 / 8 / 100) ** 0.5
    assert w[:, 0, 1].std().item() == pytest.approx(0.1 / 8**0.5, rel=0.35)


def test_an_untied_map_is_a_linear_network(streams, same_as, normal):
    ours = UntiedLinear(hidden=4).build(Shape(features=3, outputs=3), streams)
    theirs = []
    for i in range(3):
        single = torch.nn.Sequential(torch.nn.Linear(3, 4, bias=False), torch.nn.Linear(4, 3, bias=False))
        single[0].weight.data, single[1].weight.data = ours.input.data[i].T.clone(), ours.output.data[i].clone()
        theirs.append(single)
    pairs = {"0.weight": lambda g: g["input"].T, "1.weight": lambda g: g["output"]}
    same_as(ours, theirs, normal(3, 5, 3), pairs=pairs)
    assert not torch.equal(ours.input, ours.output)


@pytest.mark.parametrize("samples", [1, 2, 7])
@pytest.mark.parametrize(
    "models",
    [
        [TiedLinear(start=Aligned(alignment=c, coupled=k)) for c, k in ((0.1, 1.0), (1.0, 0.0), (0.5, 1.0))],
        [TiedLinear(start=Jittered(jitter=j)) for j in (0.1, 0.5, 1.0)],
        [TiedLinear(start=Gaussian(scale=s), hidden=5) for s in (0.1, 0.2, 0.3)],
        [UntiedLinear(start=Gaussian(scale=s), hidden=5) for s in (0.1, 0.2, 0.3)],
    ],
    ids=["aligned", "jittered", "gaussian", "untied"],
)
def test_a_member_alone_is_a_member_in_company(models, samples):
    seeds, shape = (3, 4, 5), Shape(features=3, outputs=3)
    x = Streams(seeds).normal("x", (samples, 3)).double()

    def outcome(models, seeds, x):
        population = Population(stack(models).build(shape, Streams(seeds).of("init")))
        y = population(x)
        population.backward(member_sum(y.square()))
        return y.detach(), population.gradient

    together = outcome(models, seeds, x)
    for i in range(3):
        for mine, all_ in zip(outcome(models[i : i + 1], seeds[i : i + 1], x[i : i + 1]), together, strict=True):
            assert torch.equal(mine, all_[i : i + 1])


def test_one_layer_decays_column_by_column():
    # W_ij(t) = delta_ij + (W_ij(0) - delta_ij) exp(-a_j t); inputs are rows here, so column j is row j of the weight.
    # In Euler's steps the error shrinks by 1 - a dt each, exactly.
    task = PopulationIdentity()
    model = MLP(layers=1, activation="identity", bias=False, init_scale=0.5)
    population = Population(model.build(TWO, Streams((3,))).double())
    path = descend(population, task, 400, 2.5e-3)[:, 0]
    eye, a = torch.eye(2, dtype=torch.float64), task.rates[0][:, None]
    torch.testing.assert_close(path[-1], eye + (path[0] - eye) * (1 - 2.5e-3 * a) ** 400, rtol=0, atol=1e-12)
    torch.testing.assert_close(path[-1], eye + (path[0] - eye) * torch.exp(-a), rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("model", "shape", "says"),
    [
        (TiedLinear(), Shape(features=3, outputs=2), "vectors of one size"),
        (UntiedLinear(), Shape(vocabulary=3, outputs=3), "vectors of one size"),
        (TiedLinear(start=Aligned(), hidden=4), TWO, "leave hidden out"),
        (TiedLinear(start=Jittered(), hidden=4), TWO, "leave hidden out"),
        (TiedLinear(start=Aligned(alignment=-0.7)), Shape(features=3, outputs=3), "alignment from -1 / 2 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(model, shape, says):
    with pytest.raises(UserError, match=says):
        model.build(shape, Streams((1,)))


def test_a_negative_scale_is_refused():
    with pytest.raises(UserError, match="scale of 0 or more"):
        Gaussian(scale=-1.0)
