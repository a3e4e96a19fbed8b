"""What holds for every model found that reads inputs: a member is the same alone and in company.

Models without input (the ghost flow, low-rank networks that run by themselves) are tried in their own tests.
"""

import dataclasses
import importlib
import inspect
import pkgutil
import typing

import pytest
import torch

import ontogeny.models
from ontogeny.errors import UserError
from ontogeny.models.contract import Model
from ontogeny.models.population import Population
from ontogeny.models.stacked import ACTIVATIONS, member_sum
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.training.precision import Rounding

SHAPES = {
    "tokens": Shape(vocabulary=7, outputs=7, length=5),
    "features": Shape(features=3, outputs=1, length=5),
    "one feature": Shape(features=1, outputs=1, length=1),
    "the end of tokens": Shape(vocabulary=7, outputs=7, length=5, since=3),
}
SEEDS = tuple(range(40, 48))


def found() -> list[type[Model]]:
    for module in pkgutil.iter_modules(ontogeny.models.__path__, "ontogeny.models."):
        importlib.import_module(module.name)
    kinds = [kind for kind in Model.__subclasses__() if kind.__module__.startswith("ontogeny.")]
    return [kind for kind in kinds if "width" in {field.name for field in dataclasses.fields(kind)}]


def variants(kind: type[Model]) -> dict[str, Model]:
    """Small models: the default one, and one for every other value of a field with a choice."""
    fields = {f.name: f for f in dataclasses.fields(kind)}
    small = dict(width=12, layers=2)
    made = {kind.__name__: kind(**small)}
    hints = typing.get_type_hints(kind)
    for name, field in fields.items():
        if typing.get_origin(hints[name]) is typing.Literal:
            options = typing.get_args(hints[name])
        else:
            options = {"activation": tuple(ACTIVATIONS), "mlp": (0,)}.get(name, ())
        if hints[name] is bool:
            options = (not field.default,)
        for option in options:
            if option != field.default:
                made[f"{kind.__name__}-{name}={option}"] = kind(**small, **{name: option})
    return made


def answers_everywhere(model: Model) -> bool:
    network = model.build(SHAPES["tokens"], Streams(SEEDS[:1]))
    return "since" in inspect.signature(network.forward).parameters


MODELS = {name: model for kind in found() for name, model in variants(kind).items()}
READERS = {name for name, model in MODELS.items() if answers_everywhere(model)}
everywhere = [
    pytest.param(model, shape, samples, id=f"{n}-{s}-{samples}")
    for n, model in MODELS.items()
    for s, shape in SHAPES.items()
    for samples in (1, 7)
    # Every variant meets tokens; features and lone samples, which change no more than the ends, the default ones.
    if (("tokens" in s and samples == 7) or "=" not in n) and (n in READERS or not shape.since)
]
in_every_shape = [
    pytest.param(MODELS[kind.__name__], shape, id=f"{kind.__name__}-{s}")
    for kind in found()
    for s, shape in SHAPES.items()
    if kind.__name__ in READERS or not shape.since
]
defaults = [pytest.param(MODELS[kind.__name__], id=kind.__name__) for kind in found()]


def grown(model: Model, shape: Shape, seeds: tuple[int, ...]) -> Population:
    try:
        population = Population(model.build(shape, Streams(seeds=seeds)))
    except UserError:
        pytest.skip("this model is not for this task")
    # Biases start at 0: shaken, they matter. By seed, so that a member is shaken alone as in company.
    population.flat += 0.1 * Streams(seeds=seeds).normal("shake", (population.flat.shape[1],))
    return population


def inputs_for(shape: Shape, samples: int) -> torch.Tensor:
    streams = Streams(seeds=SEEDS)
    if shape.vocabulary is not None:
        return streams.integers("inputs", (samples, shape.length), shape.vocabulary)
    return streams.normal("inputs", (samples, shape.length, shape.features))


def outcome(population: Population, inputs: torch.Tensor, since: int = 0) -> list[torch.Tensor]:
    outputs = population(inputs, since)
    population.backward(member_sum(outputs.square()))
    return [outputs.detach(), population.gradient]


def test_models_are_found():
    assert {"Transformer", "MLP", "RNN"} <= {kind.__name__ for kind in found()}


@pytest.mark.parametrize(("model", "shape", "samples"), everywhere)
def test_alone_and_in_company(model, shape, samples):
    inputs = inputs_for(shape, samples)
    kept = inputs.clone()
    together = outcome(grown(model, shape, SEEDS), inputs, shape.since)
    for few in (slice(3, 4), slice(2, 5)):
        alone = outcome(grown(model, shape, SEEDS[few]), inputs[few], shape.since)
        for mine, all_ in zip(alone, together, strict=True):
            assert torch.equal(mine, all_[few])
    assert torch.equal(inputs, kept)


@pytest.mark.parametrize(("model", "shape"), in_every_shape)
def test_alone_and_in_company_with_rounded_factors(model, shape):
    inputs = inputs_for(shape, 7)
    exact = outcome(grown(model, shape, SEEDS), inputs, shape.since)[0]
    with Rounding():
        together = outcome(grown(model, shape, SEEDS), inputs, shape.since)
        for few in (slice(3, 4), slice(2, 5)):
            alone = outcome(grown(model, shape, SEEDS[few]), inputs[few], shape.since)
            for mine, all_ in zip(alone, together, strict=True):
                assert torch.equal(mine, all_[few])
    assert not torch.equal(together[0], exact)


@pytest.mark.parametrize("model", defaults)
def test_large_tensors_on_several_threads(model):
    before, shape = torch.get_num_threads(), SHAPES["features"]
    inputs = inputs_for(shape, 701)  # 42,060 numbers a member in the stream: past the size that is split
    try:
        torch.set_num_threads(1)  # as every cohort has it
        alone = outcome(grown(model, shape, SEEDS[3:4]), inputs[3:4])
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            together = outcome(grown(model, shape, SEEDS), inputs)
            for mine, all_ in zip(alone, together, strict=True):
                assert torch.equal(mine, all_[3:4])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("model", "shape"), in_every_shape)
def test_a_neighbours_nan_stays_there(model, shape):
    inputs = inputs_for(shape, 3)
    population = grown(model, shape, SEEDS)
    clean = [x.clone() for x in outcome(population, inputs, shape.since)]
    population.flat[1] = torch.nan
    others = [0, *range(2, 8)]
    for mine, before in zip(outcome(population, inputs, shape.since), clean, strict=True):
        assert torch.equal(mine[others], before[others])
        assert mine[1].isnan().any()


@pytest.mark.parametrize(("model", "shape"), in_every_shape)
def test_dtypes_are_kept(model, shape):
    inputs = inputs_for(shape, 3)
    single = grown(model, shape, SEEDS)(inputs)
    network = grown(model, shape, SEEDS).network.to(torch.float64)
    double = Population(network)(inputs.double() if inputs.is_floating_point() else inputs)
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", found())
def test_initial_scale_is_each_members_own(kind):
    shape = SHAPES["tokens"]
    scale = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    together = Population(kind(width=12, layers=2, init_scale=scale).build(shape, Streams(seeds=(1, 2, 2))))
    alone = Population(kind(width=12, layers=2, init_scale=2.0).build(shape, Streams(seeds=(2,))))
    assert torch.equal(together.flat[2:], alone.flat)
    for value in together.parameters().values():
        drawn = value[1].std() > 0
        torch.testing.assert_close(value[2], value[1] * (2.0 if drawn else 1.0))


@pytest.mark.parametrize("since", [1, 3, 4])
@pytest.mark.parametrize("model", [pytest.param(MODELS[name], id=name) for name in sorted(READERS)])
def test_the_end_alone_is_the_end_of_all(model, since):
    """Outputs from a position on are those of the whole, and so is the gradient of what is made of them."""
    shape = dataclasses.replace(SHAPES["the end of tokens"], since=since)
    tokens, slope = inputs_for(shape, 6), torch.linspace(-1, 2, 7).double()
    population = grown(model, shape, SEEDS)
    population = Population(population.network.double())
    whole = population(tokens)[:, :, since:]
    population.backward(member_sum((whole * slope).square()))
    expected = population.gradient.clone()
    end = population(tokens, since)
    population.backward(member_sum((end * slope).square()))
    torch.testing.assert_close(end, whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(population.gradient, expected, rtol=1e-10, atol=1e-10)
