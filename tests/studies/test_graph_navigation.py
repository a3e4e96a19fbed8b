"""Oracles: statistics on data drawn by hand, and the whole study at smoke scale."""

import numpy as np
import pytest
import torch
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.streams import Streams
from ontogeny.studies import graph_navigation as nav
from ontogeny.tasks.dag_navigation import DAGNavigation, paths_of, pick_pairs


class Nobody:
    """A watcher that looks away."""

    def begin(self, *_):
        pass

    look = end = say = begin


LENGTHS = range(2, 8)


def drawn(conditions, *, valid, direct, seeds=4):
    """A dataset as a run gives it: `valid` and `direct` (right with a path, right without) by condition and length."""
    members = [(c, 1_000 + s) for c in range(len(conditions)) for s in range(seeds)]
    jitter = np.array([0.0, 0.01, 0.02, 0.03] * len(conditions))[:, None]
    shares = np.array([valid[c] for c, _ in members]) + jitter
    answers = np.array([direct[c] for c, _ in members])
    outcome = np.stack([shares, 1 - shares, 0 * shares], -1)[:, None]
    return xr.Dataset(
        {
            "written": (("member", "step", "length", "outcome"), np.concatenate([0 * outcome, outcome], 1)),
            "direct": (("member", "step", "length", "answer"), np.stack([0 * answers + 0.5, answers], 1)),
        },
        {
            "step": [0, 500],
            "length": list(LENGTHS),
            "outcome": ["valid", "misstep", "planning failure"],
            "answer": ["path", "no path"],
            "cap": ("member", [conditions[c][0] for c, _ in members]),
            "positions": ("member", [conditions[c][1] for c, _ in members]),
            "seed": ("member", [seed for _, seed in members]),
        },
    )


CONDITIONS = [(2, "none"), (3, "none"), (4, "none"), (99, "none"), (3, "learned")]
VALID = [
    [0.9, 0.3, 0.0, 0.0, 0.0, 0.0],
    [0.9, 0.9, 0.4, 0.2, 0.1, 0.1],
    [0.9, 0.9, 0.9, 0.8, 0.7, 0.6],
    [0.9] * 6,
    [0.9, 0.9, 0.0, 0.0, 0.0, 0.0],
]
# 2 A - 1 at lengths 5, 6 and 7: .4 each with a cap of 4 (A = .7), .9 without one.
DIRECT = [[[0.7, 0.7]] * 6, [[0.8, 0.6]] * 6, [[0.8, 0.6]] * 6, [[1.0, 0.9]] * 6, [[0.5, 0.5]] * 6]
CLEAR = drawn(CONDITIONS, valid=VALID, direct=DIRECT)
CLAIMS = {claim.id: claim for claim in nav.study.claims}


def test_gaps_by_hand():
    capped = CLEAR.isel(member=slice(8, 12))
    # Mean of .8, .7, .6 plus the jitter, less .4.
    assert nav.stepwise_gap(capped).values == pytest.approx([0.30, 0.31, 0.32, 0.33])
    # Without a cap .9 + jitter less .9: the difference is .3 in every seed.
    assert nav.gap_from_cap(CLEAR).values == pytest.approx([0.3] * 4)
    assert nav.gain_from_cap(CLEAR).values == pytest.approx([0.7] * 4)
    assert nav.beyond_three(CLEAR.isel(member=slice(4, 8))).values == pytest.approx([0.20, 0.21, 0.22, 0.23])


def test_lengths_without_pairs_are_left_out():
    ds = CLEAR.isel(member=slice(8, 12)).copy(deep=True)
    ds["direct"][dict(length=5, answer=1)] = np.nan  # no unreachable pair seven apart: 5 and 6 are left
    assert nav.stepwise_gap(ds).values == pytest.approx([0.35, 0.36, 0.37, 0.38])


def test_verdicts_on_a_clear_case_and_with_controls_that_fail():
    names = ["stepwise-gap", "gap-from-data", "stitching-grows", "stitching"]
    untrained = CLEAR.isel(step=[0])
    results = {"main": CLEAR, "untrained": untrained}
    assert {judge(CLAIMS[n], results, "desk").verdict for n in names} == {"reproduced"}
    uncorrected = untrained.copy(deep=True)
    uncorrected["direct"][dict(step=0)] = 0.3  # worse than by chance when nothing is known
    assert judge(CLAIMS["stepwise-gap"], {**results, "untrained": uncorrected}, "desk").verdict == "invalid"
    everywhere = CLEAR.copy(deep=True)
    everywhere["direct"] = 0.7 + 0 * CLEAR.direct  # the gap is there without a cap too
    assert judge(CLAIMS["gap-from-data"], {"main": everywhere}, "desk").verdict == "not reproduced"
    bound = drawn(CONDITIONS, valid=[*VALID[:4], VALID[1]], direct=DIRECT)
    assert judge(CLAIMS["stitching"], {"main": bound}, "desk").verdict == "invalid"


def masses(edge, goal):
    shape = ("member", "step")
    return xr.Dataset({"edge_mass": (shape, edge), "goal_mass": (shape, goal)}, {"step": [0, 25, 50, 100]})


def test_order_of_learning_by_hand():
    early, late, never = [0.0, 0.9, 1.0, 1.0], [0.0, 0.2, 0.89, 0.95], [0.0, 0.1, 0.2, 0.3]
    ds = masses([early, late, early, never, late], [late, early, early, never, never])
    assert nav.learning_gap(ds).values == pytest.approx([75, -75, 0, np.nan, 1e9], nan_ok=True)
    assert nav.plans_strictly_later(ds).values == pytest.approx([1, 0, 0, np.nan, 1], nan_ok=True)
    # Beyond a chance of .8 the masses .2, .9, .97 and .98 are -3, .5, .85 and .9: learned at 100, not at 25.
    known = masses([early], [[0.2, 0.9, 0.97, 0.981]]).assign(goal_chance=(("member", "step"), [[0.8] * 4]))
    assert nav.learning_gap(known).values == pytest.approx([0])
    assert nav.learning_gap_beyond_chance(known).values == pytest.approx([75])
    free = dict(cap=("member", [99] * 4), positions=("member", ["none"] * 4))
    three = masses([early] * 4, [late, late, late, early]).assign_coords(free)
    two = masses([early] * 4, [late, late, early, early]).assign_coords(free)
    for ds, word in ((three, "reproduced"), (two, "not reproduced")):
        assert judge(CLAIMS["edges-earlier"], {"main": ds}, "desk").verdict == word
        assert judge(CLAIMS["edges-first"], {"main": ds}, "desk").verdict == "reproduced"


def test_rank_with_temperature_by_hand():
    heat = [0.0, 0.3, 0.5, 0.7, 1.0, 1.25, 1.5, 2.0]
    rows = [
        [0, 1, 2, 3, 4, 5, 6, 0],  # rising over the claimed range, whatever 0 and 2 do
        [0, 2, 1, 3, 4, 5, 6, 0],  # one swap of neighbours: 1 - 6 * 2 / 210
        [0, 6, 5, 4, 3, 2, 1, 9],
        [1] * 8,
    ]
    values = xr.DataArray(np.array(rows, float)[:, None], dims=("member", "step", "temperature"))
    rho = nav.rank_with_temperature(values.assign_coords(temperature=heat)).values
    assert rho == pytest.approx([1, 1 - 12 / 210, -1, 0])
    # Up to 1: 2, 1, 3, 4 has one swap, 1 - 6 * 2 / 60.
    cooler = nav.rank_with_temperature(values.assign_coords(temperature=heat), most=1.0).values
    assert cooler == pytest.approx([1, 0.8, -1, 0])


def found_by_the_law(temperature, seeds, samples=32):
    """Expected diversity of networks that are the law of the task, a value a member, from the chance of every path."""
    task = DAGNavigation(graph=nav.LAYERED, longest=7, cap=nav.NO_CAP)
    world = task.world(Streams(seeds))
    start, goal, there = pick_pairs(Streams(seeds), world.held_out & world.reachable & (world.paths > 1), 128)
    count = paths_of(world, start, goal)
    most = int(count[there].max())
    rank = torch.arange(most, dtype=torch.float64).repeat(1, 128).expand(len(seeds), -1)
    at, goals = (t.repeat_interleave(most, -1) for t in (start, goal))
    chance = torch.ones_like(rank)
    for i, node in enumerate(task.nth_path(world, at, goals, rank).unbind(-1)):
        moves = node < task.graph.nodes
        ways = task.next_node(world, at, goals, i).nan_to_num()
        ways = torch.where(ways > 0, ways ** (1 / temperature), 0.0)
        step = (ways / ways.sum(-1, keepdim=True)).gather(-1, node.where(moves, 0)[..., None])[..., 0]
        chance, at = chance * step.where(moves, 1.0), torch.where(moves, node, at)
    chance = chance.where(rank < count.repeat_interleave(most, -1), 0.0).unflatten(1, (128, most))
    torch.testing.assert_close(chance.sum(-1)[there], torch.ones_like(count[there]))
    share = (1 - (1 - chance) ** samples).sum(-1) / count.clamp(1, samples)
    return [float(mine[real].mean()) for mine, real in zip(share, there, strict=True)]


def test_a_network_that_is_the_law_finds_most_paths_at_a_temperature_of_1(seed):
    found = np.array([found_by_the_law(t, (seed, seed + 100)) for t in nav.CLAIMED]).T[:, None]
    values = xr.DataArray(found, dims=("member", "step", "temperature")).assign_coords(temperature=list(nav.CLAIMED))
    assert (found.argmax(-1) == nav.CLAIMED.index(1.0)).all()
    # At best ranks 1, 2, 3, 6, 4, 5, which is 1 - 6 * 6 / 210: a claim of 0.9 asks for networks that are not the law.
    assert (nav.rank_with_temperature(values) <= 1 - 36 / 210 + 1e-9).all()


def test_smoke_scale_runs_and_is_judged_and_drawn(tmp_path):
    prepared = prepare(find("graph-navigation"), "smoke", {}, None, "cpu")
    run(prepared, tmp_path / "run", Nobody())
    results = {name: load(tmp_path / "run", experiment=name) for name in prepared.experiments}
    ds = results["main"]
    assert ds.sizes["member"] == 10
    np.testing.assert_allclose(ds.written.sum("outcome", skipna=False).fillna(1), 1)
    # One graph and one split a seed: the same pairs are asked for whatever the cap, and a blind stitcher gains by it.
    free, capped = (ds.isel(step=-1, member=ds.cap.values == cap) for cap in (nav.NO_CAP, 2))
    assert (free.blind.fillna(1) == 1).all()
    assert (capped.blind.fillna(0) <= free.blind.fillna(1)).all()
    assert (capped.blind < 1).any()
    assert results["untrained"].step.values.tolist() == [0]
    bias = results["temperature"].length_bias
    assert (abs(bias) < 1e-6).all()
    verdicts = [judge(claim, results, "smoke") for claim in nav.study.claims]
    assert {verdict.verdict for verdict in verdicts} == {"inconclusive"}
    stitching, trade_off, order = (figure(results) for figure in nav.study.figures)
    assert [panel.title for panel in stitching.panels][-1] == "trained on all lengths"
    assert len(trade_off.panels) == 2
    assert order.panels
