"""Classification in context: two classes have two labels for one episode, and its examples tell which has which."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task

UNSCORED = 2  # pairs at the start of an episode that ask for nothing: their labels cannot be known


@dataclass(frozen=True)
class Examples:
    """What episodes show before they ask: two classes, their labels, and examples of both in random order."""

    centres: Float[Tensor, "member episode 2 dimension"]
    labels: Int[Tensor, "member episode 2"]
    shots: Int[Tensor, "member episode"]  # how many of the pairs are shown
    items: Float[Tensor, "member episode pair dimension"]
    which: Int[Tensor, "member episode pair"]  # of the two classes


class InContextClassification(Task):
    """Pairs of an item and its label, then an item and a separator, at which its label is asked for.

    An episode has two classes and gives them two different labels, both drawn at random, so that a label means nothing
    outside of its episode. With six shots, three of either class:

        position   0    1    2    3    4    5   ...   10   11   12   13
        input     x_1  y_1  x_2  y_2  x_3  y_3  ...  x_6  y_6  x_q  SEP
        in loss                        x         x    x               x
        target                        y_3       ...  y_6             y_q

    An item is its class's centre, N(0, I / d) and the same for all episodes of a member, plus `noise` N(0, I / d). It
    is real-valued, and a label or the separator one-hot: an input is [item | labels | separator] with zeros elsewhere.
    An episode's number of shots is drawn from `shots`; after its separator a shorter one holds zeros.

    The separator is the same for all queries, so that what is known of the query there has been fetched.

    Latents: `label` of the query, `other` (the label of the other class), `which` of the two classes the query is of,
    and `separator`, its position.

    Source: the controlled setting is ours; the question is that of Yang et al., arXiv 2505.18752.
    """

    classes: int = 8
    held_out: int = 8  # classes that training never shows
    labels: int = 4
    shots: tuple[int, ...] = (6,)
    dimensions: int = 16
    noise: PerMember = 0.3

    def check(self) -> None:
        """Two classes of either kind, two labels, and shots that both classes share evenly."""
        for name, least in dict(classes=2, held_out=2, labels=2, dimensions=1).items():
            if getattr(self, name) < least:
                raise UserError(f"InContextClassification: {name} is {least} or more, got {getattr(self, name)}")
        if not self.shots or min(self.shots) < 0 or any(n % 2 for n in self.shots):
            raise UserError(f"InContextClassification: shots are even numbers, half a class, got {self.shots}")

    @property
    def shape(self) -> Shape:
        """Real vectors in, labels out."""
        return Shape(features=self.dimensions + self.labels + 1, outputs=self.labels, length=2 * (max(self.shots) + 1))

    def world(self, streams: Streams) -> Float[Tensor, "member class dimension"]:
        """The centres of the member's classes, those held out from training last."""
        drawn = streams.normal("centres", (self.classes + self.held_out, self.dimensions))
        return drawn * self.dimensions**-0.5

    def sample(self, world: Float[Tensor, "member class dimension"], streams: Streams, size: int) -> Batch:
        """Fresh episodes of the training classes, whose query is of either class alike."""
        examples = self.examples(world, streams, size)
        which = streams.integers("query", (size,), 2)
        return self.ask(examples, which[..., None], streams)

    def examples(
        self, world: Float[Tensor, "member class dimension"], streams: Streams, size: int, *, held_out: bool = False
    ) -> Examples:
        """The examples of `size` episodes, with the training classes or those held out."""
        pool = self.held_out if held_out else self.classes
        chosen = streams.permutation("classes", (size,), pool)[..., :2] + (self.classes if held_out else 0)
        member = torch.arange(world.shape[0], device=world.device)[:, None, None]
        centres = world[member, chosen]
        pairs = max(self.shots)
        counts = torch.tensor(self.shots, device=world.device)
        shots = counts[streams.integers("shots", (size,), len(self.shots))]
        # Of the pairs that are shown, the half with the lower keys is of the first class.
        hidden = torch.arange(pairs, device=world.device) >= shots[..., None]
        key = streams.uniform("order", (size, pairs)) + 2.0 * hidden
        rank = torch.argsort(torch.argsort(key, dim=-1, stable=True), dim=-1)
        which = (rank >= shots[..., None] // 2).long()
        return Examples(
            centres=centres,
            labels=streams.permutation("labels", (size,), self.labels)[..., :2],
            shots=shots,
            items=self._items(centres, which, streams.of("examples")),
            which=which,
        )

    def ask(self, examples: Examples, which: Int[Tensor, "member episode query"], streams: Streams) -> Batch:
        """Whole samples: every episode's examples, followed by each of its queries, the classes of which are given.

        A batch of episode times query samples, those of one episode together.
        """
        each = which.shape[-1]
        query = self._items(examples.centres, which, streams.of("query items")).flatten(1, 2)
        labels, shots, items, seen = (
            value.repeat_interleave(each, 1)
            for value in (examples.labels, examples.shots, examples.items, examples.which)
        )
        place = torch.arange(items.shape[2] + 1, device=items.device)
        shown, asked = place < shots[..., None], place == shots[..., None]
        items = torch.where(asked[..., None], query[:, :, None], F.pad(items, (0, 0, 0, 1)))
        items = items.where((shown | asked)[..., None], 0.0)
        label = torch.where(asked, which.flatten(1)[..., None], F.pad(seen, (0, 1)))
        label = labels.gather(-1, label)
        written = F.one_hot(label.where(shown, self.labels), self.labels + 1).to(items.dtype)
        written = written.where((shown | asked)[..., None], 0.0)
        first, second = F.pad(items, (0, self.labels + 1)), F.pad(written, (self.dimensions, 0))
        scored = shown & (place >= UNSCORED)
        return Batch(
            inputs=torch.stack([first, second], 3).flatten(2, 3),
            targets=torch.stack([label, label], 3).flatten(2, 3),
            weights=torch.stack([scored, asked], 3).flatten(2, 3).to(items.dtype),
            latents={
                "label": labels.gather(-1, which.flatten(1)[..., None])[..., 0],
                "other": labels.gather(-1, 1 - which.flatten(1)[..., None])[..., 0],
                "which": which.flatten(1),
                "separator": 2 * shots + 1,
            },
        )

    def _items(self, centres: Tensor, which: Int[Tensor, "member episode place"], streams: Streams) -> Tensor:
        noise = torch.as_tensor(self.noise, dtype=torch.float32, device=centres.device).view(-1, 1, 1, 1)
        drawn = streams.normal("noise", (*which.shape[1:], self.dimensions)) * self.dimensions**-0.5
        return torch.where(which[..., None] == 0, centres[:, :, :1], centres[:, :, 1:]) + noise * drawn

    def posterior(
        self,
        centres: Float[Tensor, "member episode 2 dimension"],
        items: Float[Tensor, "member episode query dimension"],
    ) -> Float[Tensor, "member episode query"]:
        r"""Probability that an item is of the first of two known classes: the optimal prediction of its label.

        $$P = \sigma\big((\lVert x - \mu_2 \rVert^2 - \lVert x - \mu_1 \rVert^2) / 2 s^2\big), \qquad s^2 = \nu^2 / d$$

        of two equally frequent classes, with $\nu$ the `noise`. No predictor without the centres does better.
        """
        far = (items[:, :, :, None] - centres[:, :, None]).square().sum(-1)
        noise = torch.as_tensor(self.noise, dtype=items.dtype, device=items.device).view(-1, 1, 1)
        scaled = (far[..., 1] - far[..., 0]) * self.dimensions / (2 * noise**2)
        return 0.5 * (1 + torch.tanh(0.5 * scaled))
