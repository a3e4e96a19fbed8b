"""Semantic conflict: whether a context's graph still leads the geometry when the words have an order of their own."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.hidden_states import hidden_states
from ontogeny.measures.node_means import node_means
from ontogeny.measures.relabelling import relabellings
from ontogeny.measures.spectral_alignment import spectral_alignment
from ontogeny.measures.traced_prediction import tracing
from ontogeny.streams import Streams
from ontogeny.tasks.graph_walks import Walks
from ontogeny.tasks.graphs import Circulant

BANDS = {"1-2": (0, 2), "3-5": (2, 3)}  # principal components: the first, and how many
NULL = 200  # relabelled graphs
LEVEL = 0.95  # of the null


class SemanticConflict(Measure):
    """Alignment of node means with a circulant walked in the context, with neutral names and with names in conflict.

    - `context_alignment`, `context_alignment_null` `[member, words, layer, components]`: mean over the walks that
      visited every node of `spectral_alignment` with the context's graph, of the node means as they are (names
      included) in the second half of the walk, and the 95 % point of the same for relabelled graphs.

    `words` are `neutral`, any tokens in any places, or `conflict`: the first tokens of a semantic ring in any order, in
    the mode that says that they mean what they always do;
    `components` are the first and second principal component, or the third to fifth. NaN where no walk visited all.
    """

    graph: Circulant = Circulant()
    samples: int = 256

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Reads the walks of each condition once."""
        task, streams = tracing(at), at.streams.of("conflict")
        found, nulls = [], []
        for names in (None, range(self.graph.nodes)):
            walks = task.traces(self.graph, streams, self.samples, names=names, semantic=names is not None)
            hidden = torch.cat([h for _, h in hidden_states(at.population, walks.inputs, at_once=32)], 2)
            here, null = self._alignment(hidden[:, 1:], walks, task.length)
            found.append(here)
            nulls.append(null)
        layers = range(1, found[0].shape[1] + 1)
        labels = {"words": ["neutral", "conflict"], "layer": layers, "components": list(BANDS)}
        dims = ("member", "words", "layer", "components")
        return {
            "context_alignment": Labelled(torch.stack(found, 1), dims, labels),
            "context_alignment_null": Labelled(torch.stack(nulls, 1), dims, labels),
        }

    def _alignment(
        self, hidden: Float[Tensor, "member layer sample position width"], walks: Walks, length: int
    ) -> tuple[Float[Tensor, "member layer band"], Float[Tensor, "member layer band"]]:
        here, nodes = slice(length - length // 2, length), self.graph.nodes
        visited = walks.nodes[:, None, :, here].expand(-1, hidden.shape[1], -1, -1)
        means, seen = node_means(hidden[..., 1:, :][..., here, :], visited, nodes)
        among = seen.all(-1)
        edges = self.graph.draw(Streams((0,), device=hidden.device))[0, 0]
        orders = relabellings(edges, NULL)
        found, nulls = [], []
        for first, count in BANDS.values():
            mine = spectral_alignment(means.double(), edges, first=first, count=count)
            null = spectral_alignment(means.double(), edges, first=first, count=count, orders=orders)
            found.append(average(mine, among))
            nulls.append(average(null.movedim(-1, 2), among[:, :, None].expand(-1, -1, NULL, -1)).quantile(LEVEL, -1))
        return torch.stack(found, -1), torch.stack(nulls, -1)
