"""Oracles: networks whose way of answering is known, and the posterior's own probabilities."""

import math

import pytest
import torch
from reasoners import bayesian, checkpoint, follower, ignorant, skipper, undecided

from ontogeny.errors import UserError
from ontogeny.measures.faithfulness import Faithfulness, mixedness, probability_of
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.tasks.noisy_arithmetic import LAYOUTS, NoisyArithmeticChain

N = 600


def measured(task, *answers, seed=0):
    return {
        name: found.values for name, found in Faithfulness(prompts=N)(checkpoint(task, *answers, seed=seed)).items()
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_follower_and_skipper(layout, seed):
    task = NoisyArithmeticChain(layout=layout, prompt_noise=0.01, step_noise=0.1)
    found = measured(task, follower, skipper, seed=seed)
    assert found["following"].tolist() == [[1, 1], [0, 0]]
    assert found["skipping"].tolist() == [[0, 0], [1, 1]]
    assert found["invariance"].tolist() == [0, 1]  # each edit changes the product, and with it the follower's answer
    assert found["accuracy"].tolist() == [1, 1]
    assert found["step_accuracy"].tolist() == [1, 1]
    assert found["entropy"].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert found["edit_cross_entropy"].tolist() == pytest.approx([30, 0], abs=1e-4)  # logits 30 apart
    assert found["alarm"].tolist() == pytest.approx([0.5, 0.5])


def test_an_undecided_network_is_mixed_and_alarmed(seed):
    # On edited chains both answers have 1/2 each: ln 2 nats; on clean ones they are the same: 0. The tie goes to the
    # step by a hair.
    found = measured(NoisyArithmeticChain(), undecided, undecided, seed=seed)
    assert found["entropy"][0].item() == pytest.approx(math.log(2), abs=1e-3)
    assert found["alarm"].tolist() == [1, 1]
    assert found["following"][0].tolist() == [1, 1]


def test_an_ignorant_network_has_one_in_p_of_each(seed):
    found = measured(NoisyArithmeticChain(modulus=5), ignorant, ignorant, seed=seed)
    three_sigma = 3.5 * math.sqrt(0.2 * 0.8 / (0.6 * N))
    for name in ("following", "skipping"):
        assert found[name][0, 0].item() == pytest.approx(0.2, abs=three_sigma)
    assert found["accuracy"][0].item() == pytest.approx(0.2, abs=three_sigma)
    assert found["invariance"].tolist() == [1, 1]
    assert found["entropy"][0].item() == pytest.approx(math.log(5), abs=1e-4)


def test_the_posterior_reads_itself_as_optimal(seed):
    # At eps2 = 5 eps1 = .05, t0 != 0, x != t0, x != 0: weights of the skipped answer .99 * .05 / 10 = 4.95e-3, of the
    # followed one (.01 / 10) * .95 = 9.5e-4, of the other nine 5e-6 each. Every pair with non-zero a, b leads to every
    # other t in exactly two of the twenty ways (t = 0 too), so this holds for x = 0 as well.
    total = 4.95e-3 + 9.5e-4 + 9 * 5e-6
    task = NoisyArithmeticChain(prompt_noise=0.01, step_noise=0.05)
    found = measured(task, bayesian, follower, seed=seed)
    assert found["optimal_skipping"][:, 0].tolist() == pytest.approx([4.95e-3 / total] * 2, rel=1e-5)
    assert found["optimal_following"][:, 0].tolist() == pytest.approx([9.5e-4 / total] * 2, rel=1e-5)
    shares = torch.tensor([4.95e-3, 9.5e-4] + [5e-6] * 9) / total
    assert found["optimal_entropy"][0].item() == pytest.approx(-(shares * shares.log()).sum().item(), rel=1e-4)
    assert found["entropy"][0].item() == pytest.approx(found["optimal_entropy"][0].item(), rel=1e-4)
    assert found["excess"][0].item() == pytest.approx(0, abs=1e-5)
    assert found["excess"][1].item() > 1
    assert found["skipping"][0, 0] == 1  # arg-max of the posterior, above the switch
    assert found["following"][0, 0] == 0


def test_the_posteriors_side_changes_with_the_noise():
    for eps2, following in ((0.005, 1), (0.02, 0)):
        found = measured(NoisyArithmeticChain(prompt_noise=0.01, step_noise=eps2), bayesian, bayesian)
        assert found["following"][0, 0] == following


def test_without_any_noise_the_optimum_is_undefined():
    found = measured(NoisyArithmeticChain(prompt_noise=0.0, step_noise=0.0), follower, skipper)
    assert found["optimal_following"].isnan().all()
    assert found["excess"].isnan().all()
    assert found["following"].tolist() == [[1, 1], [0, 0]]


def test_mixedness_by_hand():
    following = torch.tensor([1.0, 0.5, 0.7, 0.2, 0.25])
    skipping = torch.tensor([0.0, 0.5, 0.1, 0.2, 0.25])
    found = mixedness(following, skipping)
    assert found[:3].tolist() == pytest.approx([0, 1, 0.4])
    assert found[3].isnan()
    assert found[4] == 1


def test_probability_of_an_option_by_hand():
    p = torch.tensor([[0.1, 0.9], [0.4, 0.6], [1.0, 0.0]])
    among = torch.tensor([True, True, False])
    assert probability_of(p, torch.tensor([1, 0, 0]), among).item() == pytest.approx((0.9 + 0.4) / 2)


def test_it_asks_for_written_chains():
    task = LinearTeacher(strengths=(1.0,), inputs=2, outputs=2)
    at = checkpoint(task, follower, follower)
    with pytest.raises(UserError, match="needs NoisyArithmeticChain, got LinearTeacher"):
        Faithfulness()(at)
