"""Oracles: the model's own weights, multiplied."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.population import Population
from ontogeny.models.rescaled import Rescaled
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=5, outputs=5, length=4)
PLAIN = Transformer(layers=1, width=8, heads=2)


def weights(model, seeds=(3, 4)):
    return Population(model.build(SHAPE, Streams(seeds))).parameters()


def test_only_the_named_weights_change():
    plain, found = weights(PLAIN), weights(Rescaled(model=PLAIN, times={"embed.weight": 10.0, "unembed.weight": 0.5}))
    assert set(found) == set(plain)
    for name, value in found.items():
        factor = {"embed.weight": 10.0, "unembed.weight": 0.5}.get(name, 1.0)
        torch.testing.assert_close(value, plain[name] * factor)


def test_an_unknown_name_is_refused():
    with pytest.raises(UserError, match=r"no parameter 'embd.weight' to rescale: did you mean 'embed.weight'"):
        weights(Rescaled(model=PLAIN, times={"embd.weight": 2.0}))
