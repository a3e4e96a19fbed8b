"""Oracles: a memory written by hand, and the closed form of a training whose gradients are known."""

import pytest
import torch

from ontogeny import every, seeds, zipped
from ontogeny.errors import UserError
from ontogeny.factors import Table
from ontogeny.measures.adam_stability import gamma_for
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.update_size import UpdateSize
from ontogeny.measures.weight_growth import WeightGrowth
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.parts import factor
from ontogeny.streams import Streams
from ontogeny.tasks.token_lookup import TokenLookup
from ontogeny.training.experiment import Training
from ontogeny.training.k_adam import KAdam
from ontogeny.training.optimizers import SGD

STREAMS = Streams((0, 1))


def shown(memory, step=3):
    task = TokenLookup(vocabulary=4)
    network = Population(MLP(layers=1, width=2).build(task.shape, STREAMS))
    return Checkpoint(population=network, task=task, world=None, streams=STREAMS, step=step, memory=memory)


def test_by_hand():
    update = torch.tensor([[0.5, -2.0, 0.0], [0.0, 0.0, 0.0]])
    got = UpdateSize(beta=0.0, gamma=0.75)(shown({"update": update}))
    assert got["largest_update"].values.tolist() == [2.0, 0.0]
    # beta = 0: the bound is sqrt((1 - 0.75^3) / (1 - 0.75)) = 1.5207 at the third update
    assert got["bound_share"].values.tolist() == [pytest.approx(2 / 1.5207, rel=1e-4), 0.0]


def test_before_the_first_update_both_are_zero():
    got = UpdateSize()(shown({"update": torch.zeros(2, 3)}, step=0))
    assert [v.values.tolist() for v in got.values()] == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("measure", [UpdateSize(), WeightGrowth(matrices=("output.weight",), rate=1.0)])
def test_a_checkpoint_without_updates_is_refused(measure):
    with pytest.raises(UserError, match="reads the last update: train with KAdam"):
        measure(shown({}))


def table(count: int = 2) -> Table:
    kappas = (-0.05, 0.05)
    return zipped(kappa=kappas, gamma=tuple(gamma_for(0.9, k) for k in kappas)) * seeds(count, first=0)


def trained(rows=None, **changes):
    fields = dict(
        factors=table(),
        task=TokenLookup(vocabulary=16),
        model=MLP(layers=2, width=4, activation="tanh"),
        optimizer=KAdam(lr=1e-3, gamma=factor("gamma"), eps=1e-12),
        batch=4,
        steps=12,
        measures=(UpdateSize(gamma=factor("gamma")),),
        at=every(1),
    )
    run = Training(**fields | changes)
    rows = rows or run.factors.rows()
    cohort = run.open(rows, torch.device("cpu"))
    records = [r.values for r in cohort.records() if r.step is not None]
    return cohort, torch.stack([r["largest_update"].values for r in records], 1), records


def test_a_measure_sees_every_update_and_training_goes_on_as_ever():
    cohort, largest, records = trained()
    assert largest.shape == (4, 13)
    assert largest[:, 0].tolist() == [0.0] * 4
    torch.testing.assert_close(largest[:, 1], torch.ones(4))  # Adam's first update has size 1
    assert all((r["bound_share"].values <= 1.0001).all() for r in records)
    plain = Training(
        factors=table(),
        task=TokenLookup(vocabulary=16),
        model=MLP(layers=2, width=4, activation="tanh"),
        optimizer=KAdam(lr=1e-3, gamma=factor("gamma"), eps=1e-12),
        batch=4,
        steps=12,
    ).open(table().rows(), torch.device("cpu"))
    for _ in plain.records():
        pass
    assert torch.equal(plain.population.flat, cohort.population.flat)


def test_a_member_is_measured_alone_as_in_company():
    _, together, _ = trained()
    _, alone, _ = trained(rows=[table().rows()[2]])
    assert torch.equal(together[2:3], alone)


def test_an_optimizer_without_a_last_update_is_refused():
    with pytest.raises(UserError, match="with KAdam or NetworkRMS"):
        trained(optimizer=SGD(lr=0.1))
