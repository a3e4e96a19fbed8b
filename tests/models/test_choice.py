"""Oracle: the chosen model itself."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.choice import Choice
from ontogeny.models.linear import Linear
from ontogeny.models.mlp import MLP
from ontogeny.parts import factor, resolve, structure
from ontogeny.tasks.contract import Shape

OPTIONS = {"flat": MLP(layers=1), "deep": MLP(layers=3, width=8)}


def test_it_builds_the_one_named(streams):
    shape = Shape(features=4, outputs=2)
    chosen = resolve(Choice(name=factor("network"), options=OPTIONS), {"network": "deep"})
    x = torch.ones(3, 5, 4)
    assert torch.equal(chosen.build(shape, streams)(x), OPTIONS["deep"].build(shape, streams)(x))
    assert structure(chosen) != structure(chosen.replace(name="flat"))
    assert isinstance(chosen.build(shape, streams).output, Linear)


def test_refuses_unknown_names():
    with pytest.raises(UserError, match="did you mean 'deep'"):
        Choice(name="dep", options=OPTIONS)
