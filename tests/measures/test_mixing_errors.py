"""Oracles: pairs of numbers mixed by hand, and networks that write known characters."""

import pytest
import torch
from adders import checkpoint

from ontogeny.errors import UserError
from ontogeny.measures.mixing_errors import KINDS, MixingErrors, mixing_kind
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.balanced_comparison import BalancedComparison
from ontogeny.tasks.balanced_sorting import BalancedSorting
from ontogeny.tasks.digit_text import digits_of


@pytest.mark.parametrize(
    ("written", "true", "kind"),
    [
        ((1527, 1723), (1527, 1723), "right"),
        ((1523, 1727), (1527, 1723), "swap"),  # last digits exchanged
        ((1531, 1727), (1527, 1731), "swap"),  # last two exchanged
        ((1527, 1727), (1527, 1723), "repeat"),
        ((1523, 1723), (1527, 1723), "repeat"),
        ((1531, 1731), (1527, 1731), "repeat"),
        ((1529, 1729), (1527, 1723), "other"),  # alike, but neither of the true tails
        ((1723, 1527), (1527, 1723), "misorder"),
        ((1524, 1723), (1527, 1723), "other"),
        ((1727, 1523), (1527, 1723), "other"),  # tails in place, heads exchanged
        ((1727, 1523), (1523, 1727), "misorder"),
        ((1537, 1727), (1527, 1737), "swap"),  # equal last digits: the last two are exchanged
        ((5, 3), (3, 5), "swap"),  # equal heads: exchanged tails are exchanged numbers
    ],
)
def test_by_hand(written, true, kind):
    numbers = [digits_of(torch.tensor([pair]), 4) for pair in (written, true)]
    assert KINDS[mixing_kind(*numbers).item()] == kind


def test_a_network_that_writes_zeros(seed):
    task = BalancedSorting()
    network = Transformer(layers=1, width=16, heads=2).build(task.shape, Streams((seed, seed)).of("init"))
    network.unembed.weight.data.zero_()
    found = MixingErrors(items=12)(checkpoint(task, Population(network), seed))
    assert found["mixing"].values.tolist() == [[[0, 0, 0, 0, 1]] * 2] * 2
    assert found["sorted"].values.tolist() == [0, 0]
    assert found["mixing"].coords == {"test": ("conflicting", "agreeing"), "kind": KINDS}


def test_what_is_written_is_what_is_judged(seed, monkeypatch):
    task = BalancedSorting()

    def written(population, prompts, length):
        """The right lists, but for the last digits of the middle numbers of half of those that start with 1000."""
        numbers = prompts.unflatten(-1, (4, 5))[..., :4]
        value = (numbers * torch.tensor([1000, 100, 10, 1])).sum(-1)
        ordered = value.sort(-1).values
        low, high = ordered[..., 1], ordered[..., 2]
        mixed = ordered.clone()
        mixed[..., 1], mixed[..., 2] = low // 10 * 10 + high % 10, high // 10 * 10 + low % 10
        chosen = (ordered[..., 0] == 1_000) & (low // 1_000 < 5)
        return task.write(value, torch.where(chosen[..., None], mixed, ordered))[..., 20:]

    monkeypatch.setattr("ontogeny.measures.mixing_errors.generate", written)
    network = Transformer(layers=1, width=16, heads=2).build(task.shape, Streams((seed,)).of("init"))
    found = MixingErrors(items=400)(checkpoint(task, Population(network), seed))
    swapped = found["mixing"].values[0, :, KINDS.index("swap")]
    assert ((swapped > 0.35) & (swapped < 0.54)).all()  # first digits 1 to 4 of 9
    assert (found["mixing"].values[0, :, 0] + swapped).tolist() == pytest.approx([1, 1])
    assert found["sorted"].values.item() == 1


def test_other_tasks_are_refused():
    task = BalancedComparison()
    network = Transformer(layers=1, width=16, heads=2).build(task.shape, Streams((0,)).of("init"))
    with pytest.raises(UserError, match="this measure reads sorted lists"):
        MixingErrors()(checkpoint(task, Population(network)))
