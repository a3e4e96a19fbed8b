"""Oracle: what every member draws for itself, bit for bit."""

import torch

from ontogeny.streams import Streams
from ontogeny.tasks.shared_draws import each_seed_once


def test_all_get_what_they_would_draw():
    streams = Streams((7, 3, 7, 9, 3)).of("data").at(4, 5)
    own, place = each_seed_once(streams)
    assert own.seeds == (7, 3, 9)
    assert torch.equal(own.normal("noise", (6, 2))[place], streams.normal("noise", (6, 2)))


def test_different_seeds_stay_as_they_are():
    own, place = each_seed_once(Streams((2, 1)))
    assert own == Streams((2, 1))
    assert place == [0, 1]
