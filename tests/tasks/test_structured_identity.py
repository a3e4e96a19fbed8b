"""Oracles: moments of large samples against the formula, the loss of linear maps written out, and values by hand."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.structured_identity import PopulationIdentity, StructuredIdentity
from ontogeny.training.objectives import SquaredError


def test_second_moments_by_hand():
    # mu = 1, 3; sigma = 0.5, 0.7; two concepts in three dimensions: 0.25 + 1/2, 0.49 + 9/2, 0.
    task = StructuredIdentity(spacing=2.0, spread=0.5, widening=0.2, dimensions=3)
    torch.testing.assert_close(task.second_moment, torch.tensor([[0.75, 4.99, 0.0]], dtype=torch.float64))
    assert task.corner.tolist() == [[1.0, 3.0, 0.0]]
    assert task.shape.features == task.shape.outputs == 3


def test_samples_have_the_moments_of_the_formula(seed):
    task = StructuredIdentity(concepts=3, spacing=0.5, spread=0.3, widening=0.2, dimensions=4)
    n = 60_000
    x = task.sample(None, Streams((seed,)), n).inputs[0].double()
    moment = x.mT @ x / n
    # Products of two coordinates have deviations of at most 4 here.
    assert (moment - torch.diag(task.second_moment[0])).abs().max() < 4 * 4 / n**0.5
    assert (x[:, 3] == 0).all()


def test_clusters_sit_on_their_axes_in_turn(seed):
    task = StructuredIdentity(concepts=2, spacing=1.0, spread=0.0)
    batch = task.sample(None, Streams((seed,)), 5)
    assert batch.inputs[0].tolist() == [[1, 0], [0, 2], [1, 0], [0, 2], [1, 0]]
    assert torch.equal(batch.targets, batch.inputs)
    assert batch.latents["cluster"].tolist() == [[0, 1, 0, 1, 0]]


def test_a_few_points_give_the_loss_of_the_population(seed):
    # 1/2 Tr (W - I) A (W - I)^T for any W, where A is scaled to have 2 as its largest entry.
    task = PopulationIdentity(concepts=3, spread=0.4)
    w = torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    batch = task.sample(None, Streams((seed,)), 6)
    found = SquaredError()(batch.inputs @ w.mT, batch)
    off = w - torch.eye(3, dtype=torch.float64)
    scaled = 2 * task.second_moment / task.second_moment.max()
    torch.testing.assert_close(found[0], 0.5 * torch.trace(off @ torch.diag(scaled[0]) @ off.mT))


def test_the_population_is_the_limit_of_samples(seed):
    fields = dict(concepts=2, spread=0.3, widening=0.3)
    few, many = PopulationIdentity(**fields), StructuredIdentity(**fields)
    w = torch.tensor([[0.5, 0.2], [-0.3, 0.8]], dtype=torch.float64)
    exact, sampled = few.sample(None, Streams((seed,)), 2), many.sample(None, Streams((seed,)), 50_000)
    scale = float(few.rates.max() / few.second_moment.max())
    one = SquaredError()(exact.inputs @ w.mT, exact)
    other = scale * SquaredError()(sampled.inputs.double() @ w.mT, sampled)
    torch.testing.assert_close(one, other, rtol=0.03, atol=0)


@pytest.mark.parametrize("kind", [StructuredIdentity, PopulationIdentity])
def test_members_have_their_own_distances_alone_as_in_company(kind):
    apart = [kind(spacing=0.0), kind(spacing=1.0, widening=0.5), kind(spacing=2.0)]
    together = stack(apart)
    streams = Streams((3, 4, 5))
    batch = together.sample(None, streams, 10)
    for i, task in enumerate(apart):
        assert torch.equal(batch.inputs[i], task.sample(None, streams.take([i]), 10).inputs[0])
        assert torch.equal(together.corner[i], task.corner[0])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(concepts=0), "got 0 and 0"),
        (dict(concepts=3, dimensions=2), "got 3 and 2"),
        (dict(spacing=-1.0), "distances above 0"),
        (dict(widening=-1.0), "spreads are 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(UserError, match=says):
        StructuredIdentity(**wrong)
