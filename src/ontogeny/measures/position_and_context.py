"""Hidden geometry: what positions and contexts do to the hidden states of networks that learned topic bigrams."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.clusters import adjusted_rand, cluster_contrast, k_means
from ontogeny.measures.context_decomposition import Decomposition, decompose
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.hidden_states import hidden_states
from ontogeny.measures.position_geometry import (
    incoherence,
    low_frequency_share,
    optimal_rank,
    relative_norm,
    stable_rank,
)
from ontogeny.measures.subspaces import principal_angle_cosines, principal_directions
from ontogeny.models.stacked import affine
from ontogeny.streams import Streams
from ontogeny.tasks.topic_bigrams import TopicBigrams
from ontogeny.tasks.topic_predictors import next_token

DIRECTIONS = 5  # of each part, between which angles are taken
FLOATS = ("pos_share", "context_share", "residual_share")


def position_statistics(
    parts: Decomposition, orders: Int[Tensor, "order position"]
) -> dict[str, Float[Tensor, "*lead"]]:
    """Of the position part: ranks, smoothness (and that of it with the positions in other orders), and its norm."""
    positions = parts.positions
    mixed = torch.stack([low_frequency_share(positions[..., order, :]) for order in orders], -1)
    return {
        "stable_rank": stable_rank(positions),
        "rank": optimal_rank(positions),
        "low_frequency": low_frequency_share(positions),
        "low_frequency_permuted": mixed.mean(-1),
        "relative_norm": relative_norm(parts),
    }


def coherence_statistics(
    parts: Decomposition, rotations: Float[Tensor, "member rotation width width"]
) -> dict[str, Float[Tensor, "*lead"]]:
    """Of both parts together: mean |cos|, the largest cosine of principal angles, and both with one part rotated."""
    count = min(DIRECTIONS, *parts.positions.shape[-2:], parts.contexts.shape[-2])
    of_positions = principal_directions(parts.positions, count, centre=False)
    of_contexts = principal_directions(parts.contexts, count, centre=False)
    turned, angles = [], []
    for rotation in rotations.unbind(1):
        # Not `@` with a broadcast axis: of a lone member that is a view, in company a copy laid out otherwise.
        turned.append(incoherence(affine(parts.positions, rotation.contiguous()), parts.contexts))
        angles.append(principal_angle_cosines(rotation[:, None].mT @ of_positions, of_contexts)[..., 0])
    rotated = torch.stack(turned, -1)
    return {
        "cosine": incoherence(parts.positions, parts.contexts),
        "cosine_rotated": rotated.mean(-1),
        "cosine_rotated_most": rotated.quantile(0.95, -1),
        "angle_cosine": principal_angle_cosines(of_positions, of_contexts)[..., 0],
        "angle_cosine_rotated": torch.stack(angles, -1).mean(-1),
    }


def cluster_statistics(
    contexts: Float[Tensor, "member layer context width"],
    topics: Int[Tensor, "context"],
    starts: Int[Tensor, "member start topic"],
    others: Int[Tensor, "member context"],
) -> dict[str, Float[Tensor, "member layer"]]:
    """Of the context part: contrast by topic, and how far k-means finds the topics, and labels in another order."""
    members, layers = contexts.shape[:2]
    each = starts[:, None].expand(-1, layers, -1, -1).flatten(0, 1)
    found = k_means(contexts.flatten(0, 1), each)
    truth = topics.expand(len(found), -1)
    kinds = starts.shape[-1]
    shuffled = topics[others][:, None].expand(-1, layers, -1).flatten(0, 1)
    return {
        "contrast": cluster_contrast(contexts, topics),
        "topics_found": adjusted_rand(found, truth, kinds).view(members, layers),
        "topics_found_shuffled": adjusted_rand(found, shuffled, kinds).view(members, layers),
    }


def rotations(streams: Streams, count: int, width: int) -> Float[Tensor, "member rotation width width"]:
    """Uniform orthogonal tables."""
    q, r = torch.linalg.qr(streams.normal("rotations", (count, width, width)).double())
    return q * torch.sign(r.diagonal(0, -2, -1))[..., None, :]


class HiddenGeometry(Measure):
    """The four parts of the hidden states of `contexts` held-out contexts without copies, layer by layer.

    Layer 0 is the embedding with the position, l the stream after l blocks; position 0 is left out. All
    `[member, layer]`:

    - `pos_share`, `context_share`, `residual_share`: shares of the sum of squares around the mean;
      `shuffled_pos_share`: that of positions when every context has them in an order of its own, and
      `shuffled_expected`, what it is on average; `noise_share`, `[member]`: that of noise.
    - `stable_rank`, `rank`, `low_frequency`, `low_frequency_permuted`, `relative_norm`: see `position_statistics`.
    - `cosine`, `cosine_rotated`, `cosine_rotated_most`, `angle_cosine`, `angle_cosine_rotated`: see
      `coherence_statistics`.
    - `contrast`, `topics_found`, `topics_found_shuffled`: see `cluster_statistics`, on every fourth context.
    - `position_map` `[member, layer, position, axis]`: positions on their three main axes.
    - `excess_loss` `[member]`: cross-entropy on held-out sequences, copies among them, less the optimal predictor's.

    Raises: `UserError` for another task than `TopicBigrams`.
    """

    contexts: int = 4_096
    orders: int = 20
    starts: int = 10

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Reads every context once, a few hundred at a time."""
        task = at.task
        if not isinstance(task, TopicBigrams):
            raise UserError(f"this measure reads topics: it needs TopicBigrams, got {type(task).__name__}")
        streams = at.streams.of("geometry")
        batch = task.contexts(at.world, streams, self.contexts)
        as_is, mixed = decompose(self._chunks(at, batch.inputs, streams)).each()
        times, width = as_is.positions.shape[-2:]
        orders = Streams((0,), device=streams.device).of("orders").permutation("order", (self.orders,), times)[0]
        some = torch.arange(0, self.contexts, 4, device=streams.device)
        some = some + (some // 4) % task.topics  # every fourth, of all topics in turn
        some = some[some < self.contexts]
        count = len(some)
        starts = streams.permutation("starts", (self.starts,), count)[..., : task.topics]
        others = streams.permutation("labels", (1,), count)[:, 0]
        values = {
            **dict(zip(FLOATS, as_is.shares.unbind(-1), strict=True)),
            "shuffled_pos_share": mixed.shares[..., 0],
            "shuffled_expected": as_is.shuffled_share,
            **position_statistics(as_is, orders),
            **coherence_statistics(as_is, rotations(streams, self.orders, width)),
            **cluster_statistics(as_is.contexts[..., some, :], batch.latents["topic"][0, some], starts, others),
        }
        layers = {"layer": range(as_is.positions.shape[1])}
        found = {name: Labelled(value, ("member", "layer"), layers) for name, value in values.items()}
        found["noise_share"] = Labelled(torch.full_like(as_is.total[:, 0], as_is.floor), ("member",))
        found["position_map"] = Labelled(_map(as_is.positions), ("member", "layer", "position", "axis"), layers)
        found["excess_loss"] = Labelled(self._excess(at, task), ("member",), unit="nats")
        return found

    def _chunks(
        self, at: Checkpoint, inputs: Int[Tensor, "member sample position"], shuffle: Streams
    ) -> Iterator[Float[Tensor, "2 member layer sample position width"]]:
        """Hidden states as they are, and with the positions of every context in an order of its own."""
        for done, (_, hidden) in enumerate(hidden_states(at.population, inputs, at_once=128), 1):
            later = hidden[:, :, :, 1:]
            order = shuffle.permutation(f"positions.{done}", (later.shape[2],), later.shape[3])
            yield torch.stack([later, torch.take_along_dim(later, order[:, None, ..., None], 3)])

    def _excess(self, at: Checkpoint, task: TopicBigrams) -> Float[Tensor, "member"]:
        batch = at.batch("loss", max(16, self.contexts // 16))
        with torch.no_grad():
            mine = F.log_softmax(at.population(batch.inputs).double(), -1)
        best = next_token(at.world, batch.inputs, task.copies).log()
        told = torch.take_along_dim(best - mine, batch.targets[..., None], -1)[..., 0]
        return told.mean(2).mean(1)


def _map(positions: Float[Tensor, "member layer position width"]) -> Float[Tensor, "member layer position axis"]:
    """Positions on their main axes, with the sign that has the last position at the right, whatever the solver."""
    u, sigma, _ = torch.linalg.svd(positions, full_matrices=False)
    on = u[..., :3] * sigma[..., None, :3]
    return on * torch.where(on[..., -1:, :] < 0, -1.0, 1.0)
