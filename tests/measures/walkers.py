"""Populations whose knowledge of a walk is planted, for the tests of what traces graphs."""

import torch
from torch import Tensor, nn

from ontogeny.measures.contract import Checkpoint
from ontogeny.models.key_shift import KeyShiftTransformer
from ontogeny.models.population import Population
from ontogeny.models.sites import Site
from ontogeny.streams import Streams
from ontogeny.tasks.graph_walks import GraphTracing
from ontogeny.tasks.graphs import Circulant

TASK = GraphTracing(graphs=(Circulant(),), tokens=12, length=40, rings=2)


def checkpoint(population: Population, seeds: tuple[int, ...] = (3, 4, 5)) -> Checkpoint:
    return Checkpoint(population=population, task=TASK, world=None, streams=Streams(seeds).of("evaluation"), step=0)


def transformers(seeds: tuple[int, ...] = (3, 4, 5)) -> Population:
    return Population(KeyShiftTransformer(width=16, heads=2).build(TASK.shape, Streams(seeds).of("init")))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hook_in, self.hook_out = Site(), Site()


class Mixer(nn.Module):
    """Its stream is a fixed vector a token before its only block, and the sum of those of the true neighbours after it.

    `own` of the token's own vector is kept. It knows the graph: it is told the walks' names and edges.
    """

    def __init__(self, walks, own: float, width: int = 64) -> None:
        super().__init__()
        members = walks.inputs.shape[0]
        self.table = nn.Parameter(Streams(tuple(range(members))).normal("table", (14, width)))
        self.blocks = nn.ModuleList([Block()])
        self.walks, self.own = walks, own

    def forward(self, inputs: Tensor) -> Tensor:
        members = torch.arange(len(inputs))[:, None, None]
        names = self.walks.names[:, : inputs.shape[1]]
        edges = self.walks.edges[:, : inputs.shape[1]].float()
        vectors = self.table[members, names]
        mixed = edges @ vectors + self.own * vectors
        node = (inputs[..., 1:, None] == names[:, :, None]).long().argmax(-1)
        x = self.blocks[0].hook_in(self.table[members, inputs])
        after = torch.cat([x[:, :, :1], torch.take_along_dim(mixed, node[..., None], 2)], 2)
        return self.blocks[0].hook_out(after)
