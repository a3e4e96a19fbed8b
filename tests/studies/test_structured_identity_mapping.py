"""The study from end to end at smoke scale, and its statistics on traces whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.report.figure import Figure
from ontogeny.run import prepare, run
from ontogeny.store import load
from ontogeny.studies import structured_identity_mapping as m


class Blind:
    def begin(self, *_): ...
    def look(self, *_): ...
    def end(self, *_): ...
    def say(self, *_): ...


def test_every_claim_can_be_read_and_every_figure_drawn(tmp_path):
    prepared = prepare(find("structured-identity-mapping"), "smoke", {}, None, "cpu")
    run(prepared, tmp_path / "run", Blind())
    results = {name: load(tmp_path / "run", name) for name in prepared.experiments}
    # W(0) = 0 answers 0: half the squared length of the corner (1, 2), and of (1, 1).
    assert results["one_layer"].ood_loss.isel(step=0).values.tolist() == pytest.approx([2.5, 1.0, 1.0])
    # From 0.1 (0.001 I + 1 1^T) the answer at (1, 2) is (0.3001, 0.3002).
    aligned = m.narrow(results["aligned"], dict(alignment=1.0, coupled=1.0, lr=m.STEP))
    np.testing.assert_allclose(aligned.concept_output.isel(member=0, step=0), [0.3001, 0.1501])
    verdicts = {claim.id: judge(claim, results, "smoke") for claim in m.study.claims}
    assert {v.verdict for v in verdicts.values()} == {"inconclusive"}
    assert all(isinstance(figure(results), Figure) for figure in m.study.figures)


def dataset(outputs=None, loss=None, steps=None, **factors):
    """Outputs [member, step, concept] and losses [member, step]."""
    values = {}
    if outputs is not None:
        values["concept_output"] = (("member", "step", "concept"), np.array(outputs, float))
    if loss is not None:
        values["ood_loss"] = (("member", "step"), np.array(loss, float))
    count = next(iter(values.values()))[1].shape[1]
    coords = {name: ("member", list(levels)) for name, levels in factors.items()}
    coords["step"] = np.arange(count) if steps is None else steps
    ds = xr.Dataset(values, coords=coords)
    return ds.assign_coords(concept=np.arange(1, ds.sizes["concept"] + 1)) if outputs is not None else ds


def learned_at(*when, count=40):
    """Outputs that are 1 from these steps on."""
    return (np.arange(count)[:, None] >= np.array(when)).astype(float)


def test_order_and_lateness_by_hand():
    ds = dataset([learned_at(20, 5), learned_at(5, 20), learned_at(50, 5), learned_at(8, 8)], seed=range(4))
    assert m.times(ds).values.tolist() == [[20, 5], [5, 20], [np.inf, 5], [8, 8]]
    assert m.strongest_first(ds).values.tolist() == [True, False, True, False]
    assert m.lateness(ds).values.tolist() == [2.0, -2.0, np.inf, 0.0]
    assert m.all_learned(ds).values.tolist() == [True, True, False, True]


def test_concepts_that_are_not_there_do_not_count():
    two = np.concatenate([learned_at(20, 5), np.full((40, 1), np.nan)], -1)
    assert m.strongest_first(dataset([two], seed=[0])).values.tolist() == [True]
    both = dataset([two, learned_at(30, 20, 5)], seed=[0, 1])
    assert m.times(both).values[1].tolist() == [30, 20, 5]


UP = [1.0, 0.4, 0.6, 0.0]  # a swing of 0.2
UP_MORE = [1.0, 0.4, 0.9, 0.0]
DOWN = [1.0, 0.6, 0.3, 0.0]
TWICE = [1.0, 0.4, 0.6, 0.2, 0.5, 0.0]


def test_swings_by_hand():
    ds = dataset(loss=[UP, UP_MORE, DOWN, [1.0, 0.4, 0.45, 0.0]], seed=range(4))
    np.testing.assert_allclose(m.amplitude(ds), [0.2, 0.5, 0.0, 0.05])
    assert m.swings_by(ds).values.tolist() == [True, True, False, False]
    assert m.turns(ds).values.tolist() == [2, 2, 0, 2]


def test_more_turns_are_allowed_with_more_concepts_only():
    ds = dataset(loss=[TWICE] * 4, concepts=[2, 3, 4, 5], seed=[0] * 4)
    assert m.turns_as_expected(ds).values.tolist() == [False, False, True, True]
    assert m.turns_as_expected(dataset(loss=[UP, DOWN], concepts=[2, 5], seed=[0, 0])).values.tolist() == [True, False]


def test_growth_is_from_one_level_to_the_next():
    # In another order than that of the levels, and with a second factor.
    rows = [(3, 0.1, UP_MORE), (2, 0.1, UP), (3, 0.01, DOWN), (2, 0.01, UP)]
    concepts, scale, loss = zip(*rows, strict=True)
    ds = dataset(loss=loss, concepts=concepts, scale=scale, steps=range(4), seed=[0] * 4)
    assert sorted(np.round(m.growth_with_concepts(ds).values, 9)) == [-0.2, 0.3]
    ds = dataset(loss=[DOWN, UP, UP_MORE], alignment=[0.5, 0.7, 1.0], seed=[0] * 3)
    np.testing.assert_allclose(m.growth_with_alignment(ds), [0.2, 0.3])


def test_half_a_step_is_compared_with_a_whole_one():
    ds = dataset(loss=[UP_MORE, UP], lr=[m.STEP, m.STEP / 2], seed=[0, 0])
    assert m.half_step(ds).item() == pytest.approx(0.6)  # 0.2 / 0.5 - 1


def test_only_runs_that_swing_have_a_top_to_come_before():
    ds = dataset(loss=[UP, UP, DOWN], seed=range(3))
    entry = np.zeros((3, 4, 2, 2))
    entry[:, :, 0, 1] = [[0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]  # before the top at step 2, at it, and no top
    entry[:, :, 0, 0] = [[0, 0, 0, 1]] * 3
    ds["jacobian"] = (("member", "step", "output", "input"), entry)
    ds = ds.assign_coords(output=[1, 2], input=[1, 2])
    assert m.borrowed_peaks_first(ds).values.tolist() == [True, False]
    assert m.own_peaks_first(ds).values.tolist() == [False, False]
    assert m.borrowed_peaks_first(ds.isel(member=[2])).values.tolist() == []


def test_the_last_rate_is_over_the_least_second_moment():
    # Distances 1 and 2, spread 0.05: a = 0.5025 and 2.0025, scaled to 0.50187 and 2. A loss e^{-8 a t} gives 1.
    least = 2 * 0.5025 / 2.0025
    t = m.STEP * np.arange(1_000)
    world = {name: [value] * 2 for name, value in m.WORLD.items()}
    ds = dataset(loss=[np.exp(-8 * least * t), np.exp(-2 * least * t)], seed=[0, 0], **world)
    np.testing.assert_allclose(m.final_rate(ds).values[0], 1.0, rtol=1e-9)
    assert pytest.approx((1 + 0.5) / (0.0025 + 0.5)) == m.RATIO
