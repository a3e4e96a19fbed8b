"""The study from end to end at smoke scale, and its statistics on traces whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.report.figure import Figure
from ontogeny.run import run
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


def dataset(loss, **factors):
    """Losses [member, step]."""
    coords = {name: ("member", list(levels)) for name, levels in factors.items()}
    values = np.array(loss, float)
    return xr.Dataset({"ood_loss": (("member", "step"), values)}, {**coords, "step": np.arange(values.shape[1])})


UP = [1.0, 0.4, 0.6, 0.0]  # a swing of 0.2
UP_MORE = [1.0, 0.4, 0.9, 0.0]
DOWN = [1.0, 0.6, 0.3, 0.0]
TWICE = [1.0, 0.4, 0.6, 0.2, 0.5, 0.0]


def test_a_swing_by_goes_down_up_by_a_tenth_and_down():
    ds = dataset(loss=[UP, UP_MORE, DOWN, [1.0, 0.4, 0.45, 0.0]], seed=range(4))
    assert m.swings_by(ds).values.tolist() == [True, True, False, False]


def test_more_turns_are_allowed_with_more_concepts_only():
    ds = dataset(loss=[TWICE] * 4, concepts=[2, 3, 4, 5], seed=[0] * 4)
    assert m.turns_as_expected(ds).values.tolist() == [False, False, True, True]
    assert m.turns_as_expected(dataset(loss=[UP, DOWN], concepts=[2, 5], seed=[0, 0])).values.tolist() == [True, False]


def test_half_a_step_is_compared_with_a_whole_one():
    ds = dataset(loss=[UP_MORE, UP], lr=[m.STEP, m.STEP / 2], seed=[0, 0])
    assert m.half_step(ds).item() == pytest.approx(0.6)  # 0.2 / 0.5 - 1


def test_the_last_rate_is_over_the_least_second_moment():
    # Distances 1 and 2, spread 0.05: a = 0.5025 and 2.0025, scaled to 0.50187 and 2. A loss e^{-8 a t} gives 1.
    least = 2 * 0.5025 / 2.0025
    t = m.STEP * np.arange(1_000)
    world = {name: [value] * 2 for name, value in m.WORLD.items()}
    ds = dataset(loss=[np.exp(-8 * least * t), np.exp(-2 * least * t)], seed=[0, 0], **world)
    np.testing.assert_allclose(m.final_rate(ds).values[0], 1.0, rtol=1e-9)
    assert pytest.approx((1 + 0.5) / (0.0025 + 0.5)) == m.RATIO
