"""Head effect: what a head does to two classes, seen in features before and after it, of any encoder."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.linear_readout import mean_difference
from ontogeny.streams import Streams

SITE = "hook_features"


def signal_ratio(
    features: Float[Tensor, "*member sample feature"], labels: Float[Tensor, "*member sample"]
) -> Float[Tensor, "*member"]:
    """J = |mean of y f| over the root mean square entry of what is left, f - y mean(y f), for labels -1 or 1.

    How far the classes lie from the middle, in units of the spread along a typical direction. An offset that both
    classes share counts as spread: centre the features to leave it out. Infinite for classes without spread.
    """
    middle = mean_difference(features, labels)
    rest = features - labels[..., None] * middle[..., None, :]
    return middle.square().sum(-1).sqrt() / rest.square().mean((-2, -1)).sqrt()


def read_out_accuracy(
    features: Float[Tensor, "*member draw sample feature"],
    labels: Float[Tensor, "*member draw sample"],
    test: Float[Tensor, "*member test feature"],
    truth: Float[Tensor, "*member test"],
) -> Float[Tensor, "*member draw"]:
    """Share of test samples that the mean difference of each draw, centred on the mean of its samples, gets right."""
    centre = features.mean(-2)
    w = mean_difference(features - centre[..., None, :], labels)
    scores = test @ w.mT - (centre * w).sum(-1)[..., None, :]
    return (scores * truth[..., None] > 0).to(features.dtype).mean(-2)


def head_effect(
    before: Float[Tensor, "sample feature"],
    after: Float[Tensor, "sample other"],
    labels: Float[Tensor, "sample"],
    *,
    sizes: tuple[int, ...] = (16, 64, 256),
    draws: int = 50,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The effect of any model's head on one distinction, from features before and after it and labels -1 or 1.

    - `gain`: J after over J before, of centred features: above 1 the head expands the classes' distance, below it
      shrinks it;
    - `before` and `after`: accuracies `[size]` of the mean-difference read-out, means over `draws` random sets of so
      many labelled samples, tested on the half of the samples that no set is drawn from.

    Raises: `UserError` for a size beyond half of the samples, or labels other than -1 and 1.
    """
    half = len(labels) // 2
    if not (labels.abs() == 1).all():
        raise UserError("a head's effect is on two classes: give labels -1 and 1")
    if max(sizes) > half:
        raise UserError(f"half of {len(labels)} samples are for testing: {max(sizes)} labelled ones are too many")
    streams = Streams((seed,), "head effect")
    order = streams.permutation("halves", (), len(labels))[0]
    both = [(f - f.mean(0)).double()[order] for f in (before, after)]
    y = labels.double()[order]
    found = {"gain": signal_ratio(both[1], y) / signal_ratio(both[0], y)}
    for name, f in zip(("before", "after"), both, strict=True):
        rows = []
        for size in sizes:
            chosen = streams.of(f"{size}").permutation("sets", (draws,), half)[0, :, :size]
            rows.append(read_out_accuracy(f[chosen], y[chosen], f[half:], y[half:]).mean())
        found[name] = torch.stack(rows)
    return found


class HeadEffect(Measure):
    """Of an encoder with a projector, on clean samples: `signal_before`, `signal_after`, `accuracy_before`, `_after`.

    J is that of `test` samples, accuracies are means over `draws` sets of `labelled` samples, tested on them.
    """

    labelled: int = 50
    draws: int = 100
    test: int = 4_000

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All four, the features being those at `hook_features` and at the end."""
        batch = at.batch("head effect", self.test + self.draws * self.labelled)
        clean, y = batch.latents["clean"], batch.targets.double() * 2 - 1
        after, sites = at.population.record(clean.to(at.population.flat), SITE)
        values = {}
        for name, f in (("before", sites[SITE]), ("after", after)):
            f = f.double()
            test, truth = f[:, : self.test], y[:, : self.test]
            sets, labels = (v[:, self.test :].unflatten(1, (self.draws, self.labelled)) for v in (f, y))
            values[f"signal_{name}"] = Labelled(signal_ratio(test, truth), ("member",), unit="spreads")
            accuracy = read_out_accuracy(sets, labels, test, truth).mean(-1)
            values[f"accuracy_{name}"] = Labelled(accuracy, ("member",), unit="share")
        return values
