"""Head importance: how much worse a network gets in each function class without a head, or several."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.interventions.head_ablation import ablated, matched_heads, mean_writes
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.in_context_error import at_the_end, classes_of, episodes, error_by_examples
from ontogeny.models.population import Population
from ontogeny.models.transformer import TransformerNetwork
from ontogeny.tasks.contract import Batch

WITHOUT = ("none", "most important", "least important", "random", "other random")

Heads = Bool[Tensor, "member layer head"]


def extremes(importance: Float[Tensor, "member layer head"], count: int) -> tuple[Heads, Heads]:
    """The `count` heads of the most and of the least importance; of equal ones the first in order counts as less."""
    rank = torch.argsort(torch.argsort(importance.flatten(1), dim=-1, stable=True), dim=-1)
    shape = importance.shape[1:]
    return (rank >= rank.shape[1] - count).unflatten(1, shape), (rank < count).unflatten(1, shape)


class HeadImportance(Measure):
    r"""What ablating heads does to the error in each class: `head_importance` and `ablated_error`, by degree.

        head_importance  $(E^{-h} - E) / E$, the relative rise of the error when a head gives its mean over episodes of
                         that class at every position, whatever it reads; by layer and head
        ablated_error    the error without a share of all heads (rounded down, one at least) at once: the most and the
                         least important ones for the first class, and of two disjoint random sets, a mean over `draws`

    Errors are means over the `last` pairs of `size` episodes, the same for all members. From step `since` on.

    Raises: `UserError` for a model other than a `Transformer`, or for heads so few that two sets would overlap.
    """

    size: int = 256
    share: float = 1 / 3
    draws: int = 4
    last: int = 3
    since: int = 0

    def check(self) -> None:
        """Two disjoint sets."""
        if not 0 < self.share <= 0.5:
            raise UserError(f"HeadImportance: share is above 0 and at most a half, got {self.share}")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both; nothing before `since`."""
        if at.step < self.since:
            return {}
        network = at.population.network
        if not isinstance(network, TransformerNetwork):
            raise UserError(f"HeadImportance ablates heads of a Transformer, got {type(network).__name__}")
        layers, heads = network.model.layers, network.model.heads
        if layers * heads < 2:
            raise UserError("HeadImportance compares heads: the network has one")
        device = at.population.flat.device
        classes = classes_of(at.task)
        batches = [episodes(one, at.members, self.size, device) for one in classes]
        instead = [mean_writes(at.population, batch.inputs.to(at.population.flat.dtype)) for batch in batches]

        def errors(marked: Heads) -> Float[Tensor, "member degree"]:
            return torch.stack(
                [self._error(at.population, b, marked, m) for b, m in zip(batches, instead, strict=True)], 1
            )

        each = torch.eye(layers * heads, dtype=torch.bool, device=device).view(-1, 1, layers, heads)
        whole = errors(torch.zeros_like(each[0]).expand(at.members, -1, -1))
        rise = torch.stack([errors(one.expand(at.members, -1, -1)) / whole - 1 for one in each], -1)
        importance = rise.unflatten(-1, (layers, heads))
        most, least = extremes(importance[:, 0], max(1, int(self.share * layers * heads)))
        pairs = [self._random(at, most, draw) for draw in range(self.draws)]
        random = [torch.stack([errors(pair[i]) for pair in pairs]).mean(0) for i in (0, 1)]
        degrees = {"degree": [one.degree for one in classes]}
        return {
            "head_importance": Labelled(
                importance,
                ("member", "degree", "layer", "head"),
                {**degrees, "layer": range(layers), "head": range(heads)},
            ),
            "ablated_error": Labelled(
                torch.stack([whole, errors(most), errors(least), *random], 1),
                ("member", "without", "degree"),
                {"without": WITHOUT, **degrees},
                unit="E y²",
            ),
        }

    def _error(self, population: Population, batch: Batch, marked: Heads, instead: Tensor) -> Float[Tensor, "member"]:
        with population.edit(ablated(population, marked[:, None], instead)):
            return at_the_end(error_by_examples(population, batch), self.last)

    def _random(self, at: Checkpoint, like: Heads, draw: int) -> tuple[Heads, Heads]:
        """Two disjoint sets of as many heads."""
        streams = at.streams.of("head importance").of(f"{draw}")
        one = matched_heads(streams.of("one"), like, torch.zeros_like(like), 1)[:, 0]
        return one, matched_heads(streams.of("other"), like, one, 1)[:, 0]
