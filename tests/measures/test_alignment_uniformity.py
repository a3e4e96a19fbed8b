"""Oracles: pairs of points by hand, and the formula over all pairs."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.alignment_uniformity import AlignmentUniformity, alignment, uniformity
from ontogeny.measures.contract import Checkpoint
from ontogeny.models.population import Population
from ontogeny.models.projector import Projector
from ontogeny.streams import Streams
from ontogeny.tasks.two_gaussian_views import TwoGaussianViews


def test_by_hand():
    # Sample 1: views at right angles (2); sample 2: opposite (4). First views at right angles: ln e^{-2 * 2}.
    views = torch.tensor([[[[3.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [0.0, -5.0]]]])
    assert alignment(views).tolist() == pytest.approx([3.0])
    assert uniformity(views).tolist() == pytest.approx([-4.0])


def test_ends_of_the_range():
    alike = torch.ones(1, 5, 2, 3)
    assert alignment(alike).item() == 0.0
    assert uniformity(alike).item() == pytest.approx(0.0, abs=1e-5)
    poles = torch.tensor([[[[1.0], [1.0]], [[-1.0], [-1.0]]]])
    assert uniformity(poles).item() == pytest.approx(-8.0)
    with pytest.raises(UserError, match="pairs of samples, got 1"):
        uniformity(torch.ones(1, 1, 2, 3))


def test_uniformity_is_over_all_pairs(seed):
    views = torch.randn(2, 7, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for i in range(2):
        z = torch.nn.functional.normalize(views[i, :, 0], dim=-1)
        expected = torch.pdist(z).square().mul(-2).exp().mean().log()
        torch.testing.assert_close(uniformity(views)[i], expected)


def test_alone_as_in_company():
    task = TwoGaussianViews(dimensions=5)

    def measured(seeds):
        population = Population(Projector().build(task.shape, Streams(seeds)))
        at = Checkpoint(population=population, task=task, world=None, streams=Streams(seeds), step=0)
        return AlignmentUniformity(samples=33)(at)

    together = measured((1, 2, 3))
    for name, values in measured((2,)).items():
        assert torch.equal(values.values, together[name].values[1:2])
    # Views of samples of variance 1 + 4 / 5 with noise of variance 1: neither alike nor unrelated.
    assert ((together["alignment"].values > 0.1) & (together["alignment"].values < 1.9)).all()
    assert (together["uniformity"].values.detach() < 0).all()
