"""Oracles: the untrained network, whose guesses are even, predictors by themselves, and cuts."""

import pytest
import torch
from walkers import checkpoint, transformers

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.traced_prediction import CUTS, TracedPrediction, cuts, held_out, tracing
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


def test_other_heads_are_those_that_do_nothing_of_the_kind(monkeypatch):
    at = checkpoint(transformers())
    induction = torch.tensor([[0.5, 0.0], [0.0, 0.2]]).expand(3, -1, -1)
    previous = torch.tensor([[0.0, 0.0], [0.9, 0.0]]).repeat(3, 1, 1)
    previous[2] = 0.9  # no other heads in the last member
    monkeypatch.setattr("ontogeny.measures.traced_prediction.head_scores", lambda *_: (induction, previous))
    edits, enough, _ = cuts(at, Circulant(), 10)
    assert enough.tolist() == [True, True, False]
    z = torch.randn(3, 10, 41, 2, 8, generator=torch.Generator().manual_seed(1))

    def kept(cut, layer):
        return (edits[cut][f"blocks.{layer}.attn.hook_z"](z) == z).all(-1).all(1).all(1)

    assert torch.equal(kept("induction heads", 0), torch.tensor([[False, True]] * 3))
    assert torch.equal(kept("token before", 1)[:2], torch.tensor([[False, True]] * 2))
    # One head induces, one looks back, and one does a little of it: the fourth is the other one.
    both = torch.cat([kept("other heads", 0), kept("other heads", 1)], 1)
    assert both.tolist() == [[True, False, True, True]] * 2 + [[True] * 4]


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
