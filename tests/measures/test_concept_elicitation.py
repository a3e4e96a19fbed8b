"""Oracles: generators that draw exactly what they are told, that add instead of composing, that need more colour than
there is, and that draw nothing."""

import pytest
import torch
from torch import nn

from ontogeny.errors import UserError
from ontogeny.measures.concept_elicitation import ConceptElicitation, capability
from ontogeny.measures.contract import Checkpoint
from ontogeny.models.gated_denoiser import GatedDenoiser
from ontogeny.models.population import Population
from ontogeny.models.sites import Site
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.coloured_discs import ColouredDiscs, render, to_net
from ontogeny.tasks.flow_matching import FlowMatching
from ontogeny.tasks.structured_identity import StructuredIdentity

SIGNAL = 0.4
DISCS = ColouredDiscs(colour_signal=SIGNAL)
SEEDS = (3, 4)


class Generator(nn.Module):
    """Whatever the noise, the picture that `draws` makes of colours and radii; its site holds the condition."""

    def __init__(self, draws, members=2):
        super().__init__()
        self.draws, self.hook_first = draws, Site()
        self.nothing = nn.Parameter(torch.zeros(members, 1))

    def forward(self, inputs):
        v = 0.5 * (self.hook_first(inputs[..., -4:]) + 1.0)
        return to_net(self.draws(v[..., :3], v[..., 3])) + self.nothing[:, None]


def plain(colour, radius):
    return render(colour, radius, torch.zeros(*radius.shape, 2), 12)


def additive(colour, radius):
    """Colour as it is in a large disc, added to a grey disc of the right size, whatever that is."""
    grey = torch.full_like(colour, 0.5 - SIGNAL / 2)
    large = torch.full_like(radius, 0.65)
    return plain(grey, radius) + plain(colour, large) - plain(grey, large)


def reluctant(colour, radius):
    """Small discs get 1.5 signals less of blue over red than they are told."""
    less = (radius < 0.45).float()[..., None] * torch.tensor([0.75, 0.0, -0.75]) * SIGNAL
    return plain(colour + less, radius)


def measured(draws, task=DISCS, **fields):
    at = Checkpoint(
        population=Population(Generator(draws)), task=task, world=None, streams=Streams(SEEDS).of("evaluation"), step=1
    )
    with torch.no_grad():
        return {name: v.values for name, v in ConceptElicitation(samples=8, steps=2, **fields)(at).items()}


def test_a_generator_that_draws_what_it_is_told():
    found = measured(plain)
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    torch.testing.assert_close(found["z"], corners.expand(2, -1, -1), atol=0.015, rtol=0)
    assert (found["right"] == 1).all()
    # Its site is the condition: at strength 1 the vector turns red into blue exactly.
    assert (found["capability"][:, [0, 2]] == 1).all()


def test_adding_is_seen_through():
    found = measured(additive, strengths=(1.0, 2.0))
    assert found["right"][0].tolist() == [1, 0, 1, 0]  # small red is too red: it is added as well
    # The areas' ratio is 5.34, soft edges and all.
    assert found["z"][0, 3].tolist() == pytest.approx([0.5 * (5.34 + 1), 1.0], abs=0.05)
    # Half the colour still is 2.67 times as much as there should be; random pushes may happen to take enough of it.
    assert (found["capability"][:, [0, 2]] == 0).all()


def test_overprompting_elicits_what_plain_prompts_do_not():
    # Told s, z = (1 - 1.5 + 1) / 2 = 0.25, wrong; told 2 s, z = 0.75, right; told 1.4 s, z = 0.45, wrong.
    found = measured(reluctant)
    assert found["z"][:, 3, 0].tolist() == pytest.approx([0.25] * 2, abs=0.02)
    assert (found["right"][:, 3] == 0).all()
    assert (found["capability"][:, 0] == 1).all()
    less = measured(reluctant, factors=(1.0, 0.5, 0.7, 1.4))
    assert (less["capability"][:, 0] == 0).all()
    # As far in a random direction of colours and radius, it is no small blue disc in either member.
    assert (found["capability"][:, 3] == 0).all()
    # Small red is drawn at z = -0.75 already; moved by twice the whole difference it gets to 1.25, right.
    assert (found["capability"][:, 2] == 1).all()
    assert (measured(reluctant, strengths=(0.5, 1.0))["capability"][:, 2] == 0).all()


def test_without_pushes_all_random_prompts_are_plain():
    for draws, expected in ((plain, 1), (reluctant, 0)):
        assert (measured(draws, factors=(1.0, 1.0))["capability"][:, 1] == expected).all()


def test_nothing_drawn_has_no_place_and_is_not_right():
    found = measured(lambda colour, radius: plain(colour, 0 * radius - 1))
    assert found["z"].isnan().all()
    assert (found["right"] == 0).all()
    assert (found["capability"] == 0).all()


def test_capability_by_hand():
    # Halves of two samples. Prompt 0: 1/2, 0; prompt 1: 1, 1/2; prompt 2: 0, 1. The best of the first half (1) scores
    # 1/2 on the second, the best of the second (2) scores 0 on the first: 1/4, where the largest share of all is 3/4.
    right = torch.tensor([[[1, 1, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]]], dtype=torch.bool)
    assert capability(right).tolist() == [0.25]
    odd = torch.cat([right, torch.ones(1, 1, 3, dtype=torch.bool)], 1)
    assert capability(odd).tolist() == [0.25]
    # Of equals the first: its shares, 1 and 0.
    tie = torch.tensor([[[1, 0], [1, 1], [0, 0], [0, 0]]], dtype=torch.bool)
    assert capability(tie[:, :, :1]).tolist() == [0.5]
    assert capability(tie).tolist() == [0.5]


def test_choosing_among_equals_gains_nothing(seed):
    # Twenty prompts that are each right half the time: the largest of the shares lies near 1/2 + 2 deviations (0.62).
    right = Streams(tuple(range(200 * seed, 200 * seed + 200))).bernoulli("right", (64, 20), 0.5)
    shares = right.float().mean(1)
    assert shares.amax(-1).mean() > 0.6
    assert capability(right).mean().item() == pytest.approx(0.5, abs=3 * 0.5 / (64 * 200) ** 0.5)


def test_members_alone_as_in_company():
    def look(few):
        streams = Streams((5, 6, 7)[few])
        task = stack([ColouredDiscs(pixels=6, colour_signal=s) for s in (0.2, 0.4, 0.8)[few]])
        network = GatedDenoiser(hidden=16).build(FlowMatching(task=task).shape, streams.of("init"))
        at = Checkpoint(population=Population(network), task=task, world=None, streams=streams.of("evaluation"), step=0)
        with torch.no_grad():
            return ConceptElicitation(samples=6, steps=3)(at)

    whole = look(slice(0, 3))
    for few in (slice(1, 2), slice(1, 3)):
        for name, value in look(few).items():
            torch.testing.assert_close(value.values, whole[name].values[few], rtol=0, atol=0, equal_nan=True)


def test_other_tasks_are_refused():
    at = Checkpoint(
        population=Population(Generator(plain)), task=StructuredIdentity(), world=None, streams=Streams(SEEDS), step=0
    )
    with pytest.raises(UserError, match="has no discs to look at"):
        ConceptElicitation()(at)


def test_a_site_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="no activation site matches 'hook_tenth'"):
        measured(plain, site="hook_tenth")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(samples=1), "needs 2 samples and 1 step"),
        (dict(steps=0), "steps=0"),
        (dict(factors=()), "from 1 on"),
        (dict(factors=(2.0, 1.0)), "from 1 on"),
        (dict(strengths=()), "needs strengths"),
    ],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(UserError, match=says):
        ConceptElicitation(**wrong)
