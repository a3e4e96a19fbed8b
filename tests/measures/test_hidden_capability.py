"""Oracles: runs drawn by hand, whose times are read off."""

import numpy as np
import pytest
import xarray as xr

from ontogeny.measures import hidden_capability as m
from ontogeny.measures.concept_elicitation import MEANS
from ontogeny.tasks.coloured_discs import COMBINATIONS

STEPS = [10, 20, 40, 80, 160, 320, 640]
NEVER = [0.0] * 7


def after(i, share=0.9):
    """Nothing right up to measurement i, and a share of samples from it on."""
    return [share * (j >= i) for j in range(7)]


def drawn(prompts, plain, random=None, seed=None, way=None, vector=None):
    """A dataset with a member for each row, drawing the unseen combination by prompts, plainly and at random."""
    n = len(prompts)
    right, capability = np.zeros((n, 7, 4)), np.zeros((n, 7, 4))
    right[:, :, 3], right[:, :, 0] = plain, 1.0
    capability[:, :, 0] = prompts
    capability[:, :, 1] = NEVER if random is None else random
    capability[:, :, 2] = 0.7 * np.array(after(1)) if vector is None else vector
    capability[:, :, 3] = 0.3
    z = np.zeros((n, 7, 4, 2))
    z[:, :, 3] = np.zeros((7, 2)) if way is None else way
    return xr.Dataset(
        dict(
            right=(("member", "step", "combination"), right),
            capability=(("member", "step", "means"), capability),
            z=(("member", "step", "combination", "concept"), z),
        ),
        dict(
            step=STEPS,
            combination=list(COMBINATIONS),
            means=list(MEANS),
            concept=["colour", "size"],
            seed=("member", list(range(n)) if seed is None else seed),
        ),
    )


def test_how_much_later_plain_prompts_work():
    # Seed 1: 160 over 20 and 80 over 40, ln 8 and ln 2; seed 2: 40 over 40 and one never; seed 3: never either.
    ds = drawn(
        prompts=[after(1), after(2), after(2), after(2), NEVER],
        plain=[after(4), after(3), after(2), NEVER, NEVER],
        seed=[1, 1, 2, 2, 3],
    )
    found = m.hidden(ds)
    assert found.seed.values.tolist() == [1, 2]
    assert found.values == pytest.approx([np.log(4), 0])
    assert m.measurements_apart(ds).values.tolist() == [2, 0]
    assert m.pairs(ds).item() == 3 / 5
    can, does = m.log_times(ds)
    assert can == pytest.approx([np.log(20), np.log(40), np.log(40), np.log(40), np.inf])
    assert does == pytest.approx([np.log(160), np.log(80), np.log(40), np.inf, np.inf])


def test_one_lucky_measurement_is_not_yet_a_capability():
    lucky = [0, 0.9, 0, 0, 0.9, 0.9, 0]  # for two running at 160
    ds = drawn(prompts=[lucky], plain=[after(5)])
    assert m.hidden(ds).values == pytest.approx([np.log(2)])
    assert m.pairs(drawn(prompts=[after(6)], plain=[after(6)])).item() == 0  # the last measurement cannot hold
    assert m.pairs(drawn(prompts=[after(1, share=0.5)], plain=[after(1)])).item() == 0  # half is not more than half


def test_what_random_directions_gain():
    # By prompts capability appears at measurements 2 and 3: random scores 0.3 and 0.5, the plain prompt 0.1 and 0.2.
    random, plain = [1, 1, 0.3, 0.5, 1, 1, 1], [0, 0, 0.1, 0.2, 0.9, 0.9, 0.9]
    ds = drawn([after(2)], [plain], [random])
    assert m.random_gain(ds).values == pytest.approx([0.25])
    # By the vector at 1 and 2, where a random one scores 0.3.
    assert m.random_gain(ds, "vector").values == pytest.approx([0.25])
    assert m.hidden(ds, "vector").values == pytest.approx([np.log(160 / 20)])
    assert m.pairs(ds, "vector").item() == 1


def bent(i):
    """A way to the right up to measurement i, and up from there."""
    return np.array([[min(j, i), max(j - i, 0)] for j in range(7)], float)


def test_turns_and_what_is_there_before():
    prompts = [[0, 0.1, 0.4, 0.9, 1, 1, 1]]
    ds = drawn(prompts, [NEVER], way=bent(3))
    assert m.before_the_turn(ds).values == pytest.approx([0.4])
    assert m.best(ds).values.tolist() == [1]
    assert m.best(ds, "vector").values == pytest.approx([0.63])
    assert m.turn_and_capability(ds).values == pytest.approx([0], abs=1e-12)
    assert m.turn_and_capability(drawn(prompts, [NEVER], way=bent(2))).values == pytest.approx([np.log(2)])
    assert m.turn_and_capability(drawn(prompts, [NEVER], way=bent(4))).values == pytest.approx([np.log(2)])
    assert m.turns_with_capability(ds).item() == 1
    assert m.turns_with_capability(drawn([NEVER], [NEVER], way=bent(3))).item() == 0
    assert m.turns_with_capability(drawn(prompts, [NEVER])).item() == 0  # it stands still
    assert m.before_the_turn(drawn(prompts, [NEVER])).size == 0


def test_masking_by_hand():
    # Rows: seeds 1 and 2 by masked 0 and 0.6. Plainly 80 to 320 and 80 to 160; by prompts 40 to 80 and 40 to 40.
    ds = drawn(
        prompts=[after(2), after(3), after(2), after(2)],
        plain=[after(3), after(5), after(3), after(4)],
        seed=[1, 1, 2, 2],
    )
    ds = ds.assign_coords(masked=("member", [0.0, 0.6] * 2), colour_signal=("member", [0.4] * 4))
    ds["signal"] = (("member", "step", "concept"), np.ones((4, 7, 2)))
    # A second separation, at which nothing is ever drawn, is left out.
    never = ds.assign(right=0 * ds.right, capability=0 * ds.capability).assign_coords(
        colour_signal=("member", [0.8] * 4)
    )
    both = xr.concat([ds, never], "member")
    assert m.masking_delays(both, plainly=True).values == pytest.approx([np.log(4), np.log(2)])
    assert m.masking_delays(both, plainly=False).values == pytest.approx([np.log(2), np.log(2)])
    assert m.masking_delays(never, plainly=True).size == 0
