"""Oracles: autograd, SciPy from many starts, a redrawn picture, symmetry, and the force between two far clusters."""

import numpy as np
import pytest
import scipy.optimize
import torch

from ontogeny.errors import UserError
from ontogeny.measures.loo_map import FrozenTSNE, loo_map
from ontogeny.measures.map_reliability import jump, perturbation_score, principal_directions, singularity_score, tail
from ontogeny.measures.plane_minima import minimise
from ontogeny.measures.tsne import descend, polish, principal_start


def points(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def picture(x, perplexity):
    frozen = FrozenTSNE(x, torch.zeros_like(x[:, :2]), perplexity)
    y = polish(frozen.joint, descend(frozen.joint, principal_start(x), steps=250, exaggerated=0))
    return frozen.at(y)


@pytest.fixture(params=[0, 1])
def frozen(request):
    x = points(50, 2, request.param)
    x[:25, 0] += 3
    x[25:, 0] -= 3
    return picture(x, 12.0)


def loss_by_hand(frozen, p, at, moved):
    """The leave-one-out loss of one query, written down from its definition."""
    keep = torch.ones(len(frozen.y), dtype=torch.bool)
    if moved is not None:
        keep[moved] = False
    others = frozen.y[keep]
    d = (at - others).square().sum(-1)
    between = (others[:, None] - others).square().sum(-1)
    off = ~torch.eye(len(others), dtype=torch.bool)
    z = (1 / (1 + between[off])).sum() + 2 * (1 / (1 + d)).sum()
    return 2 * (p[keep] * (1 + d).log()).sum() + z.log()


@pytest.mark.parametrize("moved", [None, torch.tensor([4, 30])])
def test_landscape_is_the_loss_and_its_derivatives(frozen, moved):
    queries = frozen.data.x[[4, 30]] + 0.3
    p = frozen.similarities(queries, moved)
    at = points(2, 2, 7)
    value, slope, curve = frozen.landscape(p, moved)(at, torch.arange(2))
    for i in range(2):
        own = None if moved is None else int(moved[i])

        def loss(y, i=i, own=own):
            return len(frozen.y) * loss_by_hand(frozen, p[i], y, own)

        assert value[i].item() == pytest.approx(loss(at[i]).item(), rel=1e-12)
        np.testing.assert_allclose(slope[i], torch.autograd.functional.jacobian(loss, at[i]), rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(curve[i], torch.autograd.functional.hessian(loss, at[i]), rtol=1e-8, atol=1e-9)


def test_the_place_is_the_lowest_minimum_that_scipy_finds_from_everywhere(frozen):
    queries = frozen.data.x[[1, 20, 40]] + 0.25
    place, _ = loo_map(frozen, queries)
    p = frozen.similarities(queries, None)
    lowest = frozen.landscape(p, None)
    for i in range(3):
        which = torch.tensor([i])

        def loss(y, which=which):
            value, slope, _ = lowest(torch.as_tensor(y)[None], which)
            return value.item(), slope[0].numpy()

        found = [scipy.optimize.minimize(loss, y, jac=True, method="BFGS", tol=1e-9) for y in frozen.y[::10].numpy()]
        best = min(found, key=lambda r: r.fun)
        assert loss(place[i].numpy())[0] == pytest.approx(best.fun, abs=1e-8)
        np.testing.assert_allclose(place[i], best.x, atol=1e-4)


def test_a_point_that_did_not_move_stays(frozen):
    n = len(frozen.y)
    place, other = loo_map(frozen, frozen.data.x, torch.arange(n))
    # Its own place is a minimum of its loss, but another valley may be lower: in a good picture that is rare.
    stays = (place - frozen.y).norm(dim=-1) < 1e-4
    assert stays.double().mean() > 0.9
    assert (other >= 0).all()


def test_freezing_the_picture_is_legitimate(seed):
    # Adding one point and settling the whole picture anew moves the others little beside the picture's size.
    x = points(60, 2, seed)
    frozen = picture(x[:-1], 15.0)
    place, _ = loo_map(frozen, x[-1:])
    whole = FrozenTSNE(x, torch.cat([frozen.y, place]), 15.0)
    y = polish(whole.joint, whole.y)
    shift = (y[:-1] - frozen.y) - (y[:-1] - frozen.y).mean(0)
    assert shift.norm() / frozen.y.norm() < 0.1
    assert (y[-1] - y[:-1].mean(0) - place[0] + frozen.y.mean(0)).norm() < 0.1 * frozen.y.norm(dim=-1).max()


def test_scores_do_not_see_rotation_and_translation(frozen):
    angle = torch.tensor(0.7, dtype=torch.float64)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    turned = frozen.at(frozen.y @ turn.T + 5)
    x = frozen.data.x
    some = torch.arange(0, 50, 7)
    np.testing.assert_allclose(perturbation_score(turned, x, some), perturbation_score(frozen, x, some), rtol=1e-5)
    p = frozen.joint
    np.testing.assert_allclose(singularity_score(p, turned.y), singularity_score(p, frozen.y), rtol=1e-6)


def test_between_two_far_clusters_the_force_is_hyperbolic():
    # A point at the midpoint of two tight clusters a distance 2 theta apart, equally similar to both: attraction
    # gives the loss 2 P [ln(1 + |y - theta|^2) + ln(1 + |y + theta|^2)], for small y and large theta
    # 4 P (ln theta^2 + (y_perp^2 - y_par^2) / theta^2): it flees along the axis and is held across it. Its gradient is
    # proportional to (-y_par, y_perp) / theta^2; the force, its negative, to (y_par - y_perp) / theta^2.
    theta = 50.0
    n = 20
    y = points(2 * n, 2, 0) * 1e-3
    y[:n, 0] += theta
    y[n:, 0] -= theta
    frozen = FrozenTSNE(points(2 * n, 2, 1), y, 5.0)
    p = torch.full((1, 2 * n), 1 / (2 * n) ** 2, dtype=torch.float64)
    at = torch.tensor([[0.5, 0.0], [0.0, 0.5]], dtype=torch.float64)
    _, slope, _ = frozen.landscape(p.expand(2, -1), None)(at, torch.arange(2))
    attraction = 8 * n * p[0, 0] * 0.5 / theta**2 * len(y)  # times the number of points, as the landscape is
    np.testing.assert_allclose(slope[0], [-attraction, 0], rtol=0.02, atol=float(attraction) * 0.02)
    np.testing.assert_allclose(slope[1], [0, attraction], rtol=0.02, atol=float(attraction) * 0.02)


def test_minimise_finds_the_valley_of_each_start():
    # f = (x^2 - 1)^2 + y^2 has valleys at (1, 0) and (-1, 0) and a saddle between them, where one problem starts.
    def landscape(at, query):
        x, y = at.unbind(-1)
        value = (x**2 - 1) ** 2 + y**2
        slope = torch.stack([4 * x * (x**2 - 1), 2 * y], -1)
        curve = torch.stack([12 * x**2 - 4, 0 * x, 0 * x, 0 * x + 2], -1).unflatten(-1, (2, 2))
        return value, slope, curve

    start = torch.tensor([[0.4, 2.0], [-3.0, -1.0], [0.0, 0.0]], dtype=torch.float64)
    place, value = minimise(landscape, start, torch.arange(3), reach=0.5)
    np.testing.assert_allclose(place[:2], [[1, 0], [-1, 0]], atol=1e-8)
    np.testing.assert_allclose(place[2].abs(), [1, 0], atol=1e-8)
    np.testing.assert_allclose(value, 0, atol=1e-15)


def test_jump_and_tail_by_hand():
    path = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 3.0], [2.0, 3.0]])
    assert jump(path).item() == pytest.approx(3 / 5)
    assert jump(torch.zeros(4, 2)).isnan()
    assert tail(torch.tensor([1.0, 1.0, 1.0, 3.0, 3.1])).tolist() == [False, False, False, False, True]


def test_directions_are_principal(seed):
    x = points(200, 3, seed) * torch.tensor([1.0, 5.0, 2.0])
    ways = principal_directions(x, 2)
    assert ways.shape == (4, 3)
    np.testing.assert_allclose(ways[:2], -ways[2:])
    assert ways[0, 1].abs() > 0.9
    assert ways[1, 2].abs() > 0.9
    assert len(principal_directions(x[:, :2])) == 4


def test_a_singular_point_and_a_saddle():
    # Two points feel nothing wherever they are (see the t-SNE tests): every direction is flat, up to rounding.
    p = torch.tensor([[0.0, 0.5], [0.5, 0.0]], dtype=torch.float64)
    y = torch.tensor([[0.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    assert (singularity_score(p, y) == 1e10).all()
    # Five points in one place feel no force. With P = 1 / 20 and Z = 20, p - 1/Z = 0, q = 1 and g = 0: all blocks are
    # 4 sum (p - 1/Z) I = 0, singular. If points 0 and 1 are less similar (P lower by e, others higher by e / 9 to keep
    # the sum), the block of point 0 is 4 (-e + 3 e / 9) I < 0, a maximum; that of point 2 is 4 * 4 e / 9 I.
    e = 0.009
    p = torch.full((5, 5), 1 / 20 + e / 9, dtype=torch.float64).fill_diagonal_(0)
    p[0, 1] = p[1, 0] = 1 / 20 - e
    score = singularity_score(p, torch.zeros(5, 2, dtype=torch.float64))
    assert score[:2].isnan().all()
    np.testing.assert_allclose(score[2:], 9 / (16 * e), rtol=1e-10)


def test_what_is_no_picture_is_refused():
    with pytest.raises(UserError, match="one pair of coordinates for each of the 10 rows"):
        FrozenTSNE(points(10, 3, 0), points(9, 2, 0), 3.0)
