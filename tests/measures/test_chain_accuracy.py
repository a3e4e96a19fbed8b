"""Oracles: networks that write a wrong step, or a wrong rest of the chain, on purpose."""

import pytest
import torch
from reasoners import HIGH, Reasoner, checkpoint, follower, skipper

from ontogeny.measures.chain_accuracy import ChainAccuracy, joint_table
from ontogeny.tasks.noisy_arithmetic import NoisyArithmeticChain

TASK = NoisyArithmeticChain()


class Spoilt(Reasoner):
    """Puts another token than it should at one position: the product where it is even, or the copied c."""

    def __init__(self, task, answers, role):
        super().__init__(task, answers)
        self.role = role

    def forward(self, tokens):
        out = super().forward(tokens)
        place = self.task.position(self.role) - 1
        if tokens.shape[-1] > place:
            product = self.task.product(self.task.read(tokens))
            wrong = (product + 1) % self.task.modulus
            out[:, :, place].scatter_(-1, wrong[..., None], torch.where(product % 2 == 0, 2 * HIGH, -HIGH)[..., None])
        return out


def table(network):
    return ChainAccuracy(prompts=500)(checkpoint(TASK, network=network))["generated"].values


def test_faultless_chains():
    assert table(Reasoner(TASK, (follower, skipper))).tolist() == [[[1, 0], [0, 0]]] * 2


def test_a_wrong_step_spoils_the_answer_of_a_follower_only():
    found = table(Spoilt(TASK, (follower, skipper), "E2.product"))
    even = found[0, 1].sum().item()
    assert 0.4 < even < 0.75  # products are even in 6 of 11 values, 0 being the most common
    assert found[0, 1].tolist() == [0, even]  # [wrong step, right answer]: never
    assert found[1, 1].tolist()[1] == 0  # a skipper's answer is right after its wrong step
    assert found.sum((-1, -2)).tolist() == pytest.approx([1, 1])


def test_a_broken_copy_counts_as_a_wrong_answer():
    found = table(Spoilt(TASK, (follower, skipper), "E2.c"))
    assert (found[:, 0, 1] > 0.4).all()
    assert found[:, 1].sum() == 0


def test_joint_table_by_hand():
    one = torch.tensor([True, True, False, False])
    other = torch.tensor([True, False, True, True])
    assert joint_table(one, other).tolist() == [[0.25, 0.25], [0.5, 0.0]]
