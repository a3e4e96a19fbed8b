"""Oracles: networks that are one of the predictors, or a planted mixture of them, through and through.

And a transformer, which is continued where others are read anew, beside itself as a network of another kind.
"""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures import in_context_algorithms
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.in_context_algorithms import InContextAlgorithms
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.tasks.markov_mixture import MarkovMixture
from ontogeny.tasks.markov_predictors import ALGORITHMS, predictions

LENGTHS = (4, 9, 16)
SEEDS = (3, 8)
MEASURE = InContextAlgorithms(lengths=LENGTHS, paths=20)


class Oracle(torch.nn.Module):
    """A network whose outputs are the logarithms of a mixture of the predictors."""

    def __init__(self, world, weights):
        super().__init__()
        self.world = world
        self.weights = torch.nn.Parameter(weights.expand(len(world.weights), -1).clone())

    def forward(self, tokens, since=0):
        laws = [predictions(tokens[..., : i + 1], self.world) for i in range(since, tokens.shape[-1])]
        weights = self.weights[..., None, None, None]
        return (weights * torch.stack(laws, -2)).sum(1).log()


def measured(weights, *, seeds=SEEDS, chains=3, measure=MEASURE):
    task = MarkovMixture(states=4, chains=chains, length=20, weights="dirichlet")
    streams = Streams(seeds)
    world = task.world(streams.of("world"))
    population = Population(Oracle(world, torch.tensor(weights, dtype=torch.float64)))
    at = Checkpoint(population=population, task=task, world=world, streams=streams.of("evaluation"), step=0)
    with torch.no_grad():
        return measure(at)


def one(name):
    return [float(name == other) for other in ALGORITHMS]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_network_that_is_one_predictor_is_found_out(name):
    found = measured(one(name))
    index = ALGORITHMS.index(name)
    # OOD contexts of 16, all six: [member, contexts, length, fit, algorithm]. On 80 contexts Uniform is near to the
    # unigram predictors, and a fit of 400 steps has not taken all its weight yet.
    six = found["mixture"].values[:, 0, -1, 1]
    assert (six[:, index] > 0.9).all()
    assert (found["residual"].values[:, :, :, 1] < 1e-3).all()
    assert found["distance"].values[..., index].abs().max() < 1e-12
    assert (found["distance"].values[:, -1].argmin(-1) == index).all()
    if index < 4:
        assert (found["mixture"].values[:, 0, -1, 0, index] > 0.9).all()
    assert (found["mixture"].values[..., 0, 4:] == 0).all()


def test_a_planted_mixture_is_found():
    found = measured([0.5, 0.0, 0.3, 0.0, 0.2, 0.0])
    expected = torch.tensor([0.5, 0.0, 0.3, 0.0, 0.2, 0.0], dtype=torch.float64).expand(2, -1)
    torch.testing.assert_close(found["mixture"].values[:, 0, -1, 1], expected, rtol=0, atol=0.06)
    assert found["residual"].values[:, 0, -1, 1].max() < 1e-4


def test_utilisation_is_1_for_counts_of_pairs_and_0_for_what_ignores_order():
    torch.testing.assert_close(measured(one("Bi-Inf"))["utilisation"].values, torch.ones(2, dtype=torch.float64))
    for name in ("Uni-Ret", "Uni-Inf", "Bi-Prior", "Uniform"):
        assert measured(one(name))["utilisation"].values.abs().max() < 1e-9


def test_retrieval_is_right_on_its_own_chains_and_inference_on_strange_ones():
    retrieval, inference = measured(one("Bi-Ret")), measured(one("Bi-Inf"))
    strange, natural = 0, 1
    for length in range(1, 3):
        assert (
            retrieval["truth_kl"].values[:, natural, length] < inference["truth_kl"].values[:, natural, length]
        ).all()
        assert (
            retrieval["truth_kl"].values[:, strange, length] > inference["truth_kl"].values[:, strange, length]
        ).all()
    assert (retrieval["relative_distance"].values[:, -1] < 0.5).all()
    assert ((inference["relative_distance"].values > 0.5) & (inference["relative_distance"].values < 2)).all()


def test_the_controls_see_what_is_wrong():
    found = measured(one("Bi-Ret"), chains=2)
    fits = found["residual"].values[:, 1, -1, 0]
    assert (found["permuted_residual"].values > 3 * fits.clamp_min(0.01)).all()
    # Retrieval of chains that the network never knew is not what it does.
    assert (found["fresh_mixture"].values[:, 0] < 0.6).all()


def test_of_a_uniform_network_there_is_no_share_to_explain():
    assert measured(one("Uniform"))["residual_share"].values.isnan().all()


def test_a_predictor_is_at_0_from_itself():
    kl = measured(one("Bi-Inf"))["algorithm_kl"]
    assert kl.dims == ("member", "contexts", "length", "algorithm", "other")
    assert kl.values.diagonal(dim1=-2, dim2=-1).abs().max() < 1e-12
    off = kl.values[:, 0, -1][:, ~torch.eye(6, dtype=torch.bool)]
    assert (off > 1e-3).all()


def test_a_member_alone_is_the_member_in_company():
    mixed = [0.4, 0.1, 0.2, 0.1, 0.1, 0.1]
    together = measured(mixed, seeds=(5, 3, 8))
    for i, seed in enumerate((5, 3, 8)):
        for name, alone in measured(mixed, seeds=(seed,)).items():
            assert torch.equal(alone.values[0], together[name].values[i]), name


class Spy(Oracle):
    """An oracle that remembers what it was asked."""

    def forward(self, tokens, since=0):
        self.asked = [*getattr(self, "asked", []), tokens]
        return super().forward(tokens, since)


def test_what_a_network_is_asked():
    task = MarkovMixture(states=4, chains=3, length=20)
    streams = Streams(SEEDS)
    world = task.world(streams.of("world"))
    spy = Spy(world, torch.tensor(one("Bi-Inf"), dtype=torch.float64))
    at = Checkpoint(population=Population(spy), task=task, world=world, streams=streams, step=0)
    with torch.no_grad():
        MEASURE(at)
        first, spy.asked = spy.asked, []
        MEASURE(at)
    assert all(torch.equal(a, b) for a, b in zip(first, spy.asked, strict=True)), "the same at every checkpoint"
    *strange, natural, shuffled = first
    assert [tuple(x.shape) for x in strange] == [(2, 80, 4), (2, 80, 9), (2, 80, 16)]
    assert natural.shape == (2, 80, 16)
    for contexts in strange:
        by_path = contexts.unflatten(1, (20, 4))
        assert torch.equal(by_path[..., -1], torch.arange(4).expand(2, 20, -1)), "every state follows every path"
        assert (by_path[..., :-1] == by_path[:, :, :1, :-1]).all()
    assert torch.equal(strange[0][..., :3], strange[2][..., :3]), "short contexts begin the long ones"
    assert torch.equal(shuffled[..., -1], strange[2][..., -1])
    assert torch.equal(shuffled.sort(-1).values, strange[2].sort(-1).values)
    assert not torch.equal(shuffled, strange[2])


class Unknown(torch.nn.Module):
    """A network that nobody knows to be a transformer."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, tokens, since=0):
        return self.network(tokens)[:, :, since:]


class Training:
    """Transformers that change from look to look, and what is kept of them."""

    def __init__(self, seeds=SEEDS, kept=None):
        self.task = MarkovMixture(states=4, chains=3, length=20)
        self.streams = Streams(seeds)
        self.world = self.task.world(self.streams.of("world"))
        model = Transformer(layers=2, width=8, heads=2)
        self.population = Population(model.build(self.task.shape, self.streams.of("init")))
        self.kept = {} if kept is None else kept

    def move(self):
        self.population.flat += 0.1 * self.streams.normal("shake", (self.population.flat.shape[1],))

    @torch.no_grad()
    def look(self, **other):
        seen = dict(
            population=self.population,
            task=self.task,
            world=self.world,
            streams=self.streams.of("evaluation"),
            step=0,
            kept=self.kept,
        )
        return {name: found.values for name, found in MEASURE(Checkpoint(**seen | other)).items()}


def test_a_transformer_is_continued_as_it_would_be_read():
    training = Training()
    training.move()
    read = training.look(population=Population(Unknown(training.population.network)))
    for name, values in training.look().items():
        torch.testing.assert_close(values, read[name], rtol=1e-4, atol=1e-6, msg=name)


def test_a_transformer_alone_is_the_transformer_in_company():
    together, alone = Training(seeds=(5, 3, 8)).look(), Training(seeds=(3,)).look()
    for name in together:
        assert torch.equal(together[name][1:2], alone[name]), name


def test_what_is_kept_changes_no_bit_of_a_look_and_is_made_once(monkeypatch):
    made = []
    monkeypatch.setattr(in_context_algorithms, "predictions", lambda *a: made.append(a) or predictions(*a))
    training = Training()
    first = training.look()
    asked = len(made)
    training.move()
    second = training.look()
    assert len(made) == asked > 0
    assert not torch.equal(first["mixture"], second["mixture"])
    fresh = training.look(kept={})
    assert all(torch.equal(second[name], fresh[name]) for name in fresh)
    assert len(made) == 2 * asked


def test_other_members_are_asked_their_own_questions():
    kept = {}
    for seeds in (SEEDS, (4, 9), SEEDS):  # as two cohorts never would: through one table
        found, own = Training(seeds, kept).look(), Training(seeds).look()
        assert all(torch.equal(found[name], own[name]) for name in own)
    assert len(kept) == 1


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(UserError, match="contexts of 20 states, but the task's walks have 20"):
        measured(one("Uniform"), measure=InContextAlgorithms(lengths=(4, 20)))
    with pytest.raises(UserError, match="lengths of 2 or more"):
        InContextAlgorithms(lengths=(1, 4))
    with pytest.raises(UserError, match="2 paths or more"):
        InContextAlgorithms(lengths=(4,), paths=1)
    task = LinearTeacher(strengths=(1.0,), inputs=3, outputs=2)
    population = Population(torch.nn.ParameterList([torch.zeros(2, 3)]))
    at = Checkpoint(population=population, task=task, world=None, streams=Streams(SEEDS), step=0)
    with pytest.raises(UserError, match="got a LinearTeacher"):
        InContextAlgorithms(lengths=(4,))(at)
