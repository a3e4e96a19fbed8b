"""Oracles: the sizes asked for, and the plain transformer everywhere else."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.population import Population
from ontogeny.models.quiet_embeddings import QuietEmbeddings
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=50, outputs=50, length=40)


def test_tables_start_small_and_nothing_else_changes(seed):
    model = QuietEmbeddings(width=32, tokens_at=0.02, positions_at=0.005)
    mine = Population(model.build(SHAPE, Streams((seed, seed + 1)))).parameters()
    plain = Population(Transformer(width=32).build(SHAPE, Streams((seed, seed + 1)))).parameters()
    for name, value in plain.items():
        factor = {"embed.weight": 0.2, "positions.weight": 0.05}.get(name, 1.0)
        torch.testing.assert_close(mine[name], factor * value)
    assert mine["positions.weight"].std().item() == pytest.approx(0.005, rel=0.1)
    alone = Population(model.build(SHAPE, Streams((seed + 1,)))).parameters()
    assert torch.equal(alone["positions.weight"], mine["positions.weight"][1:])


def test_what_has_no_such_tables_is_refused():
    with pytest.raises(UserError, match="positions are learned"):
        QuietEmbeddings(positions="rotary")
    with pytest.raises(UserError, match="no vocabulary"):
        QuietEmbeddings(width=8).build(Shape(features=3, outputs=2, length=4), Streams((0,)))
