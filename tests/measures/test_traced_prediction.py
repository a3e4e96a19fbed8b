"""Oracles: the untrained network, whose guesses are even, predictors by themselves, and cuts."""

import pytest
import torch
from walkers import checkpoint, transformers

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.traced_prediction import CUTS, TracedPrediction, held_out, tracing
from ontogeny.streams import Streams
from ontogeny.tasks.graphs import Circulant, Grid
from ontogeny.tasks.markov_mixture import MarkovMixture

GRAPHS = {"circulant": Circulant(), "torus": Grid(rows=3, columns=3, wraps=True)}
MEASURE = TracedPrediction(graphs=GRAPHS, times=(8, 40), samples=40)


def test_masses_of_what_is_known():
    found = MEASURE(checkpoint(transformers()))
    assert found["fresh_mass"].values.shape == (3, 2, 2)
    # Untrained, guesses among 14 tokens are nearly even: 4 neighbours have 4 / 14.
    assert (found["neighbour_mass"].values - 4 / 14).abs().max() < 0.06
    # Fresh: 3 neighbours of the other 13 tokens.
    assert (found["fresh_mass"].values - 3 / 13).abs().max() < 0.06
    bigram, unigram = (found[f"{name}_fresh_mass"].values for name in ("bigram", "unigram"))
    assert (bigram[..., 1] > bigram[..., 0]).all()
    # Counting visits knows nine nodes: 3 of 8 are fresh neighbours; counting steps knows better.
    assert (unigram[..., 1] - 3 / 8).abs().max() < 0.1
    assert (bigram[..., 1] > 0.6).all()


def test_cuts_change_what_they_should():
    found = MEASURE(checkpoint(transformers()))
    cut = dict(zip(CUTS, found["cut_fresh_mass"].values.unbind(1), strict=True))
    torch.testing.assert_close(cut["nothing"], found["fresh_mass"].values[:, :, -1])
    # Untrained heads attend evenly: none induces, so cutting those changes nothing.
    assert (found["induction_score"].values.abs() < 0.1).all()
    assert torch.equal(cut["induction heads"], cut["nothing"])
    assert torch.equal(cut["other heads"], cut["nothing"])
    assert not torch.equal(cut["token before"], cut["nothing"])


def test_alone_and_in_company_and_held_out_walks_stay():
    together, alone = MEASURE(checkpoint(transformers())), MEASURE(checkpoint(transformers((4,)), (4,)))
    for name, value in alone.items():
        assert torch.equal(value.values, together[name].values[1:2]), name
    at = checkpoint(transformers())
    again = held_out(at, "circulant", Circulant(), 5)
    assert torch.equal(held_out(at, "circulant", Circulant(), 5).inputs, again.inputs)
    assert not torch.equal(held_out(at, "other", Circulant(), 5).inputs, again.inputs)


def test_other_tasks_are_refused():
    at = Checkpoint(
        population=transformers(), task=MarkovMixture(states=3, chains=2, length=5), world=None,
        streams=Streams((1,)), step=0,
    )  # fmt: skip
    with pytest.raises(UserError, match="needs GraphTracing, got MarkovMixture"):
        tracing(at)
