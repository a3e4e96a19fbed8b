"""Oracles: a planted stream that holds the context's graph, and one that holds nothing but the order of the words."""

import math

import torch
from torch import nn
from walkers import Block, checkpoint, transformers

from ontogeny.measures.semantic_conflict import SemanticConflict
from ontogeny.models.population import Population

MEASURE = SemanticConflict(samples=48)


class Words(nn.Module):
    """A stream in which every token has its place on a circle, whatever the context."""

    def __init__(self) -> None:
        super().__init__()
        angle = 2 * math.pi * torch.arange(14) / 9
        table = torch.stack([angle.cos(), angle.sin(), 0.1 * angle, 0.1 * angle**2, 0.1 * (7 * angle).cos()], -1)
        self.table = nn.Parameter(table.expand(3, -1, -1).clone())
        self.blocks = nn.ModuleList([Block()])

    def forward(self, inputs):
        x = self.blocks[0].hook_in(self.table[torch.arange(3)[:, None, None], inputs])
        return self.blocks[0].hook_out(x)


def test_words_that_keep_their_places_do_not_show_the_context():
    found = MEASURE(checkpoint(Population(Words())))
    aligned = found["context_alignment"].values
    assert aligned.shape == (3, 2, 1, 2)
    # Names are in any order: two of eight dimensions are shared by chance, and relabelled graphs do as well.
    assert (aligned - 0.25).abs().max() < 0.1
    assert (found["context_alignment_null"].values > 0.2).all()


def test_alone_and_in_company_and_conditions():
    together, alone = MEASURE(checkpoint(transformers())), MEASURE(checkpoint(transformers((4,)), (4,)))
    assert list(together["context_alignment"].coords["words"]) == ["neutral", "conflict"]
    for name, value in alone.items():
        assert torch.equal(value.values, together[name].values[1:2]), name
    assert (together["context_alignment"].values[:, 0] != together["context_alignment"].values[:, 1]).all()


def test_words_in_conflict_are_told_to_mean_what_they_always_do():
    class Listener(Words):
        """The same, which keeps what it reads."""

        def forward(self, inputs):
            read.append(inputs)
            return super().forward(inputs)

    read: list[torch.Tensor] = []
    MEASURE(checkpoint(Population(Listener())))
    inputs = torch.cat(read, 1)
    assert torch.equal(inputs[0, :, 0], torch.tensor([12] * 48 + [13] * 48))
    assert inputs[:, 48:, 1:].max() == 8  # the first nine tokens


def test_a_stream_that_holds_the_graph_is_aligned():
    class Places(Words):
        """A stream in which a token stands where its node does, by the names the walks have."""

        def forward(self, inputs):
            names = next(self.names)
            node = (inputs[..., None] == names[:, :, None]).long().argmax(-1)
            x = self.blocks[0].hook_in(self.table[torch.arange(3)[:, None, None], node])
            return self.blocks[0].hook_out(x)

    at, network = checkpoint(Population(Words())), Places()
    streams = at.streams.of("conflict")
    walks = [at.task.traces(MEASURE.graph, streams, 48, names=names) for names in (None, range(9))]
    network.names = (some for walk in walks for some in walk.names.split(32, 1))
    found = MEASURE(checkpoint(Population(network)))["context_alignment"].values
    assert found[..., 0].min() > 0.85  # 1 but for the three smaller features, which are no waves of the graph
