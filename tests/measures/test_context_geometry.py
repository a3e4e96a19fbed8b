"""Oracles: what the network itself answers, heads that are all taken away, and members alone and in company."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.context_geometry import ABLATED, AblatedGeometry, ContextGeometry, sets_of, states_at
from ontogeny.measures.contract import Checkpoint
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.in_context_classification import InContextClassification
from ontogeny.tasks.linear_teacher import LinearTeacher

TASK = InContextClassification(classes=4, held_out=2, dimensions=6, shots=(0, 2, 4))
SMALL = dict(prefixes=3, queries=16, episodes=8)


def checkpoint(seeds, task=TASK, step=0, shake=0.5):
    streams = Streams(seeds)
    population = Population(Transformer(layers=2, width=8, heads=2).build(TASK.shape, streams.of("init")))
    population.flat += shake * streams.normal("shake", (population.flat.shape[1],))
    return Checkpoint(
        population=population,
        task=task,
        world=task.world(streams.of("world")),
        streams=streams.of("evaluation"),
        step=step,
    )


@torch.no_grad()
def test_at_the_end_alignment_is_what_the_network_answers(seed):
    at = checkpoint((seed, seed + 1))
    found = ContextGeometry(**SMALL)(at)
    assert found["output_alignment"].coords["shots"] == [2, 4]
    for i, shots in enumerate((2, 4)):
        batch = sets_of(at, shots, 3, 16).batch
        outputs = at.population(batch.inputs)[:, :, -1]
        mine, other = (outputs.gather(-1, batch.latents[name][..., None])[..., 0] for name in ("label", "other"))
        right = (mine > other).double().mean(1)
        torch.testing.assert_close(found["output_alignment"].values[:, i, -1], right)
    # One threshold along the same direction can only do better.
    assert (found["best_along_labels"].values >= found["output_alignment"].values).all()


@torch.no_grad()
def test_before_the_first_block_all_queries_look_alike(seed):
    at = checkpoint((seed, seed + 1))
    found = ContextGeometry(**SMALL)(at)
    assert (found["output_alignment"].values[..., 0] == 0.5).all()
    assert found["directional_alignment"].values[..., 0].isnan().all()
    assert (found["spread"].values[..., 0] == 0).all()
    states = states_at(at.population, sets_of(at, 4, 3, 16).batch.inputs, -1)
    assert states.shape == (2, 3, 48, 8)
    assert (states[:, 0] == states[:, 0, :1]).all()
    assert (states[:, 1] != states[:, 1, :1]).any()


@torch.no_grad()
def test_a_set_has_one_prefix_and_half_its_queries_of_either_class():
    at = checkpoint((0, 1))
    sets = sets_of(at, 4, 3, 16)
    inputs = sets.batch.inputs.unflatten(1, (3, 16))
    assert (inputs[:, :, :, :8] == inputs[:, :, :1, :8]).all()
    assert (inputs[:, :, 1:, 8] != inputs[:, :, :1, 8]).any(-1).all()
    assert (sets.second.sum(-1) == 8).all()
    label, other = sets.labels.unbind(-1)
    expected = torch.where(sets.second, other[..., None], label[..., None])
    assert (sets.batch.latents["label"].unflatten(1, (3, 16)) == expected).all()


@torch.no_grad()
def test_with_all_heads_gone_the_query_is_unknown(seed):
    at = checkpoint((seed, seed + 1))
    # Every head scores above -2, so all are in the first set and none is left for the second or for controls.
    for by in ("mean", "zero"):
        found = AblatedGeometry(**SMALL, least=-2.0, by=by)(at)
        assert found["heads_ablated"].values.tolist() == [[0, 4, 0, 0, 0]] * 2
        separable, aligned = found["ablated_separability"].values, found["ablated_alignment"].values
        gone = ABLATED.index("previous-token")
        assert (aligned[:, gone] == 0.5).all()
        # All layers see the same noise and nothing else.
        assert (separable[:, gone] == separable[:, gone, :1]).all()
        for control in (2, 3, 4):
            assert torch.equal(separable[:, control], separable[:, 0])
            assert torch.equal(aligned[:, control], aligned[:, 0])


@torch.no_grad()
def test_intact_is_what_the_other_measure_says(seed):
    at = checkpoint((seed, seed + 1))
    intact, found = ContextGeometry(**SMALL)(at), AblatedGeometry(**SMALL)(at)
    assert torch.equal(found["ablated_separability"].values[:, 0], intact["separability"].values[:, -1, :, 0])
    assert torch.equal(found["ablated_alignment"].values[:, 0], intact["output_alignment"].values[:, -1])


@torch.no_grad()
def test_head_scores_of_uniform_attention():
    at = checkpoint((0, 1), shake=0.0)
    for name, value in at.population.parameters().items():
        if "qkv" in name:
            value.zero_()
    found = ContextGeometry(**SMALL)(at)
    # Position 9 of four shots pays 1 / 10; the labels stand at 1, 3, 5 and 7: (1/2 + 1/4 + 1/6 + 1/8) / 4.
    expected = dict(
        previous_token_score=0.1, label_to_item_score=25 / 96, induction_score=0.0, early_induction_score=0.0
    )
    for name, score in expected.items():
        torch.testing.assert_close(found[name].values, torch.full((2, 2, 2), score), atol=1e-6, rtol=0)


@torch.no_grad()
def test_alone_and_in_company(seed):
    seeds = (seed, seed + 1, seed + 2)
    for measure in (ContextGeometry(**SMALL), AblatedGeometry(**SMALL)):
        together, alone = measure(checkpoint(seeds)), measure(checkpoint(seeds[1:2]))
        for name, value in alone.items():
            assert torch.equal(value.values.nan_to_num(9), together[name].values[1:2].nan_to_num(9)), name


@torch.no_grad()
def test_a_neighbour_that_diverged_harms_nobody():
    at = checkpoint((0, 1, 2))
    clean = {name: value.values.clone() for name, value in ContextGeometry(**SMALL)(at).items()}
    at.population.flat[1] = math.nan
    found = ContextGeometry(**SMALL)(at)
    for name, value in found.items():
        assert torch.equal(value.values[[0, 2]].nan_to_num(9), clean[name][[0, 2]].nan_to_num(9)), name
    assert found["separability"].values[1].isnan().all()


def test_nothing_before_its_step_and_what_cannot_be_measured():
    assert AblatedGeometry(**SMALL, since=10)(checkpoint((0, 1), step=9)) == {}
    with pytest.raises(UserError, match="multiple of 4, got 6"):
        ContextGeometry(queries=6)
    with pytest.raises(UserError, match="by mean or zero, got 'noise'"):
        AblatedGeometry(by="noise")
    teacher = LinearTeacher(strengths=(1.0,), inputs=2, outputs=2)
    at = checkpoint((0, 1))
    wrong = Checkpoint(population=at.population, task=teacher, world=None, streams=at.streams, step=0)
    with pytest.raises(UserError, match="needs InContextClassification, got LinearTeacher"):
        ContextGeometry()(wrong)
