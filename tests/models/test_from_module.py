"""Oracles: the plain module with `torch.optim`, step by step; autograd on it; the same member in other company."""

import copy
import functools
import random

import numpy as np
import pytest
import torch
from ordinary import FEATURES, MODULES, POSITIONS, Block, Convolutions, Perceptron, RandomFeatures
from torch import nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from ontogeny import Training, factor, seeds
from ontogeny.errors import UserError
from ontogeny.models.from_module import FromModule, stack_modules
from ontogeny.models.population import Population
from ontogeny.models.sites import Site
from ontogeny.models.stacked import member_sum
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import SGD, AdamW

SEEDS = tuple(range(40, 48))


@pytest.fixture(autouse=True)
def _one_thread():
    """A cohort has one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def inputs_for(samples: int) -> torch.Tensor:
    return Streams(seeds=SEEDS).normal("inputs", (samples, POSITIONS, FEATURES))


def outcome(population: Population, inputs: torch.Tensor) -> list[torch.Tensor]:
    outputs = population(inputs)
    population.backward(member_sum(outputs.square()))
    return [outputs.detach(), population.gradient.clone()]


@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize("module", MODULES)
def test_alone_and_in_company(module, samples):
    inputs = inputs_for(samples)
    kept = inputs.clone()
    together = outcome(Population.from_module(module, SEEDS), inputs)
    for few in ([3], [6, 1], [2, 3, 4], [0, 1, 5, 6, 7]):
        alone = outcome(Population.from_module(module, [SEEDS[i] for i in few]), inputs[few])
        for mine, all_ in zip(alone, together, strict=True):
            assert torch.equal(mine, all_[few])
    assert torch.equal(inputs, kept)


@pytest.mark.parametrize("module", MODULES)
def test_a_neighbours_nan_stays_there(module):
    inputs = inputs_for(3)
    population = Population.from_module(module, SEEDS)
    clean = outcome(population, inputs)
    population.flat[1] = torch.nan
    others = [0, *range(2, 8)]
    for mine, before in zip(outcome(population, inputs), clean, strict=True):
        assert torch.equal(mine[others], before[others])
        assert mine[1].isnan().any()


@pytest.mark.parametrize("members", [SEEDS[:1], SEEDS[:3]])
@pytest.mark.parametrize("module", MODULES)
def test_outputs_and_gradients_are_the_plain_modules(module, members):
    inputs = inputs_for(5)[: len(members)]
    population = Population(stack_modules(module, Streams(members)).double())
    outputs, _ = outcome(population, inputs.double())
    for i in range(len(members)):
        single = population.member(i)
        assert type(single) is module
        theirs = single(inputs[i].double())
        torch.testing.assert_close(outputs[i], theirs.detach(), rtol=1e-9, atol=1e-9)
        theirs.square().sum().backward()
        slopes = {name: p.grad for name, p in single.named_parameters() if p.grad is not None}
        assert slopes.keys() == population.layout.keys()
        for name, slope in slopes.items():
            mine = population._view(population.gradient, name)[i]
            torch.testing.assert_close(mine, slope, rtol=1e-9, atol=1e-9)


class Net(nn.Module):
    def __init__(self, shape: Shape, width: int = 6, activation: type[nn.Module] = nn.Sigmoid):
        super().__init__()
        self.hidden = nn.Linear(shape.features, width)
        self.activation = activation()
        self.out = nn.Linear(width, shape.outputs)

    def forward(self, x):
        return self.out(self.activation(self.hidden(x)))


def training(optimizer, count: int, **arguments) -> Training:
    return Training(
        factors=seeds(count),
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3),
        model=FromModule(factory=Net, arguments=arguments),
        objective=SquaredError(),
        optimizer=optimizer,
        batch=7,
        steps=30,
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SGD(lr=0.1, momentum=0.9), functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)),
        (AdamW(lr=0.01), functools.partial(torch.optim.AdamW, lr=0.01)),
    ],
)
def test_training_is_that_of_torch_step_by_step(ours, theirs):
    run = training(ours, 3)
    cohort = run.open(run.factors.rows(), torch.device("cpu"))
    singles = [cohort.population.member(i) for i in range(3)]
    optimizers = [theirs(single.parameters()) for single in singles]
    for step in range(20):
        batch = cohort.data.at(step)
        cohort.update()
        for i, (single, optimizer) in enumerate(zip(singles, optimizers, strict=True)):
            optimizer.zero_grad()
            loss = 0.5 * (single(batch.inputs[i]) - batch.targets[i]).square().sum(-1).mean()
            loss.backward()
            optimizer.step()
            torch.testing.assert_close(cohort.last_loss[i], loss.detach(), rtol=1e-5, atol=1e-5)
            for name, p in single.named_parameters():
                torch.testing.assert_close(cohort.population.parameters()[name][i], p.detach(), rtol=1e-5, atol=1e-5)


def test_a_member_trains_alone_as_in_company_and_a_diverged_one_is_frozen():
    run = training(SGD(lr=0.1), 4)
    rows = run.factors.rows()
    together = run.open(rows, torch.device("cpu"))
    together.population.flat[0] = 1e30
    start = together.population.flat[0].clone()
    alone = run.open(rows[2:3], torch.device("cpu"))
    for _ in range(10):
        together.update()
        alone.update()
    assert torch.equal(together.population.flat[2], alone.population.flat[0])
    assert together.alive.tolist() == [False, True, True, True]
    assert torch.equal(together.population.flat[0], start)


def test_factors_reach_the_factory():
    run = training(SGD(lr=0.1), 2, width=factor("width"))
    row = {"seed": 1, "width": 4}
    network = run.open([row], torch.device("cpu")).population
    assert network.parameters()["hidden.weight"].shape == (1, 4, 5)


def test_initial_weights_are_the_members_own_and_of_the_modules_own_kind():
    shape = Shape(features=50, outputs=40)
    together = FromModule(factory=Net, arguments=dict(width=60)).build(shape, Streams((7, 8, 9)).of("init"))
    alone = Population.from_module(functools.partial(Net, shape, width=60), members=[8])
    for name, p in together.named_parameters():
        assert torch.equal(p[1:2], alone.parameters()[name])
        assert not torch.equal(p[0], p[1])
    # torch's own: uniform within 1 / sqrt(inputs), standard deviation that over sqrt(3)
    weight = together.get_parameter("hidden.weight")
    assert weight.abs().max() <= 50**-0.5
    assert weight.std().item() == pytest.approx(150**-0.5, rel=0.05)


def test_the_generators_of_the_process_are_put_back_and_covered():
    class Drawn(nn.Module):
        def __init__(self):
            super().__init__()
            numbers = [float(np.random.uniform()), random.random(), torch.rand(()).item()]  # noqa: NPY002
            self.weight = nn.Parameter(torch.tensor(numbers))

    states = (torch.get_rng_state(), np.random.get_state()[1].copy())  # noqa: NPY002
    one, after_one = stack_modules(Drawn, Streams((1, 2))).weight, random.random()
    two, after_two = stack_modules(Drawn, Streams((1, 2))).weight, random.random()
    assert torch.equal(one, two)
    assert (one[0] != one[1]).all()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002
    assert after_one != after_two, "beartype draws from this one too, so its state itself cannot be compared"


def test_buffers_are_shared_when_constant_and_a_members_own_when_drawn():
    population = Population.from_module(RandomFeatures, members=3)
    network = population.network
    assert network.get_buffer("window").shape == (POSITIONS,)
    own = dict(network.named_parameters())["directions"]
    assert own.shape == (3, FEATURES, 9)
    assert not torch.equal(own[0], own[1])
    assert set(population.layout) == {"power", "into.weight", "back.bias"}, "tied once, constants not at all"
    taken = population.take([2])
    assert torch.equal(dict(taken.network.named_parameters())["directions"], own[2:])
    single = population.member(2)
    assert torch.equal(single.directions, own[2])
    assert single.into.weight is single.back.weight
    assert set(single.state_dict()) == set(RandomFeatures().state_dict())
    assert not single.shift.requires_grad


@pytest.mark.parametrize("module", [Perceptron, Convolutions, RandomFeatures])
def test_a_member_is_what_the_factory_makes_and_shares_nothing(module):
    population = Population.from_module(module, members=2)
    single, made = population.member(1), module()
    assert repr(single) == repr(made)
    made.load_state_dict(single.state_dict())
    x = inputs_for(4)[1]
    assert torch.equal(single(x), made(x))
    before = population.flat.clone()
    for p in single.parameters():
        p.data.zero_()
    assert torch.equal(population.flat, before)
    copy.deepcopy(population)(inputs_for(4)[:2])


@pytest.mark.parametrize("members", [1, 3])
def test_parts_are_sites(members):
    population = Population.from_module(Block, members=members)
    x = inputs_for(4)[:members]
    before = population(x)
    outputs, seen = population.record(x, ["mix.hook_out", "layer.linear*.hook_out"])
    assert torch.equal(outputs, before)
    assert set(seen) == {"mix.hook_out", "layer.linear1.hook_out", "layer.linear2.hook_out"}
    kept = []
    for i in range(members):
        single = population.member(i)
        single.mix.register_forward_hook(lambda _m, _i, y: kept.append(y))
        single(x[i])
    torch.testing.assert_close(seen["mix.hook_out"], torch.stack(kept))
    with population.edit({"layer.hook_out": torch.zeros_like}):
        nothing = population(x)
    assert torch.equal(nothing, population.parameters()["out.bias"][:, None].expand_as(nothing))
    assert torch.equal(population(x), before)


def test_the_gradient_passes_a_site():
    population = Population.from_module(Perceptron, members=1)
    x = inputs_for(4)[:1]
    plain = outcome(population, x)
    with population.edit({"1.hook_out": lambda h: h * 2.0, "2.hook_out": lambda h: h * 0.5}):
        edited = outcome(population, x)
    assert not torch.equal(plain[1], edited[1])
    with population.edit({"1.hook_out": lambda h: h * 1.0}):
        assert torch.equal(outcome(population, x)[1], plain[1])


def test_a_site_of_the_modules_own_keeps_its_name():
    class WithSite(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Linear(FEATURES, 2)
            self.hook_mid = Site()

        def forward(self, x):
            return self.hook_mid(self.map(x)).sum(-1)

    population = Population.from_module(WithSite, members=2)
    _, seen = population.record(inputs_for(3)[:2], "hook_mid")
    assert seen["hook_mid"].shape == (2, 3, POSITIONS, 2)


@pytest.mark.parametrize(("module", "members"), [(Perceptron, 1), (Convolutions, 2), (RandomFeatures, 2)])
def test_an_update_can_be_traced(module, members):
    population = Population.from_module(module, members=members)
    x = inputs_for(4)[:members]

    def step(parameters, inputs):
        outputs = functional_call(population.network, parameters, (inputs,))
        return torch.autograd.grad(outputs.square().sum(), list(parameters.values()))

    parameters = {name: p.detach().clone().requires_grad_() for name, p in population.parameters().items()}
    traced = make_fx(step)(parameters, x)
    other = {name: (p * 1.1).detach().requires_grad_() for name, p in parameters.items()}
    for mine, theirs in zip(traced(other, x + 1), step(other, x + 1), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("wrong", [0, []])
def test_a_population_has_members(wrong):
    with pytest.raises(UserError, match="at least one member"):
        Population.from_module(Perceptron, members=wrong)


@pytest.mark.parametrize("factory", [nn.Linear(2, 2), 3, "Net"])
def test_the_factory_is_code(factory):
    with pytest.raises(UserError, match="factory is a function or a class that makes a module, got a"):
        FromModule(factory=factory)
