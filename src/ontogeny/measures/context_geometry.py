"""Context geometry: after which layers classes in context are separable, then aligned, and which heads do it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.interventions.head_ablation import ablated, matched_heads, mean_writes
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.head_scores import (
    attention_before,
    attention_contrast,
    heads_above,
    labelled_scores,
    patterns,
)
from ontogeny.measures.label_geometry import (
    best_cut,
    directional_alignment,
    output_alignment,
    separability,
    share_along,
    spread,
)
from ontogeny.models.layer_norm import normalised
from ontogeny.models.population import Population
from ontogeny.models.transformer import TransformerNetwork
from ontogeny.tasks.contract import Batch
from ontogeny.tasks.in_context_classification import InContextClassification

ABLATED = ("none", "previous-token", "as many others", "induction", "as many others (induction)")
DRAWS = 5  # of the random controls; each is tried on its own share of the prefixes


@dataclass(frozen=True)
class Sets:
    """Sets of queries after one prefix each, half of each set of either class, and what separates them by chance."""

    batch: Batch
    prefixes: int
    noise: Float[Tensor, "member prefix query width"]

    @property
    def second(self) -> Bool[Tensor, "member prefix query"]:
        """Which queries are of the second class."""
        return self.batch.latents["which"].unflatten(1, (self.prefixes, -1)) == 1

    @property
    def labels(self) -> Int[Tensor, "member prefix 2"]:
        """The labels of the first and the second class."""
        first = self.batch.latents["label"].unflatten(1, (self.prefixes, -1))[..., 0]  # the first query is of class 0
        other = self.batch.latents["other"].unflatten(1, (self.prefixes, -1))[..., 0]
        return torch.stack([first, other], -1)


def sets_of(at: Checkpoint, shots: int, prefixes: int, queries: int) -> Sets:
    """Sets with `shots` examples, the same at every checkpoint and for every ablation."""
    network, task = _network(at.population), _task(at).replace(shots=(shots,))
    streams = at.streams.of(f"geometry with {shots}")
    examples = task.examples(at.world, streams, prefixes)
    which = (torch.arange(queries, device=streams.device) % 2).expand(at.members, prefixes, -1)
    noise = streams.normal("noise", (prefixes, queries, network.model.width))
    return Sets(task.ask(examples, which, streams), prefixes, noise)


def states_at(population: Population, inputs: Tensor, position: int) -> Float[Tensor, "member layer sample width"]:
    """The residual stream at one position: before the first block, then after each."""
    _, seen = population.record(inputs, ("blocks.0.hook_in", "blocks.*.hook_out"))
    return torch.stack([x[:, :, position] for x in seen.values()], 1)


def layer_geometry(
    population: Population, sets: Sets, eta: tuple[float, ...]
) -> Iterator[tuple[str, Float[Tensor, "member ..."]]]:
    """Every quantity of `ContextGeometry` by name, `[member, layer, prefix]`, separability with `eta` behind."""
    network = _network(population)
    states = states_at(population, sets.batch.inputs, -1)
    layers = states.shape[1]
    final = states if network.ln_final is None else network.ln_final(states)
    states, final = (x.unflatten(2, (sets.prefixes, -1)) for x in (states, final))
    second = sets.second[:, None].expand(-1, layers, -1, -1)
    bare = normalised(states)
    tested = torch.arange(second.shape[-1], device=second.device) // 2 % 2 == 1  # pairs of queries in turn
    noise = sets.noise[:, None].to(bare).expand_as(bare)
    yield "separability", torch.stack([separability(bare, second, e * noise, tested) for e in eta], -1)
    assert network.unembed is not None
    rows = network.unembed.weight.mT  # [member, label, width]
    member = torch.arange(rows.shape[0], device=rows.device)[:, None]
    direction = rows[member, sets.labels[..., 0]] - rows[member, sets.labels[..., 1]]
    direction = direction[:, None].expand(-1, layers, -1, -1)
    yield "output_alignment", output_alignment(final, second, direction)
    yield "directional_alignment", directional_alignment(final, second, direction)
    yield "best_along_labels", best_cut((final * direction[..., None, :]).sum(-1), second)
    yield "spread", spread(final)
    yield "share_along_labels", share_along(final, direction)


class ContextGeometry(Measure):
    """The geometry of the query's states at the separator, layer by layer; layer 0 is before the first block.

    A mean over `prefixes` sets; a set is one prefix followed by `queries` queries, half of either class, so that within
    it only the query varies. Pooled over prefixes, whose labels differ, classes would only be apart once they are
    aligned. For each of the task's numbers of shots but 0:

        separability           what a linear probe tells of the class (a share), from states with unit root mean square
                               plus N(0, eta^2) noise, drawn once a set, for each `eta`
        output_alignment       what the readout between the two labels gets right, were it after this layer (a share)
        directional_alignment  cosine of the difference of class means with the labels' difference; NaN at layer 0
        best_along_labels      what the best threshold along the labels' difference gets right: >= output_alignment
        spread                 effective rank of the centred states (directions)
        share_along_labels     share of their variance along the labels' difference; NaN at layer 0

    The last four look at states after the final norm. And on `episodes` random episodes with the most shots:

        query_accuracy         share of queries whose label has the largest output; with classes held out of training
                               `held_out_accuracy`, and without any example `zero_shot_accuracy`
        previous_token_score   attention from the separator to the item before it, by block and head
        label_to_item_score    the same offset, from the labels of the examples to their items
        induction_score        attention from the separator to the labels of the query's class less the other's
        early_induction_score  the same from the query itself: a network may look its label up there, and have it copied

    Raises: `UserError` for a task other than `InContextClassification`, or a model other than an untied `Transformer`.
    """

    prefixes: int = 20
    queries: int = 256
    episodes: int = 256
    eta: tuple[float, ...] = (0.5, 0.0, 0.25, 1.0)

    def check(self) -> None:
        """Queries for the halves of both classes."""
        if self.queries < 4 or self.queries % 4:
            raise UserError(f"ContextGeometry: queries are a multiple of 4, got {self.queries}")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All of the above."""
        shots = [n for n in _task(at).shots if n]
        found: dict[str, list[Tensor]] = {}
        for n in shots:
            for name, values in layer_geometry(at.population, sets_of(at, n, self.prefixes, self.queries), self.eta):
                found.setdefault(name, []).append(values.mean(2))
        units = {"directional_alignment": "cosine", "spread": "directions"}
        labelled = {}
        for name, values in found.items():
            stacked = torch.stack(values, 1)
            dims, coords = ("member", "shots", "layer"), {"shots": shots, "layer": range(stacked.shape[2])}
            if name == "separability":
                dims, coords = (*dims, "eta"), {**coords, "eta": self.eta}
            labelled[name] = Labelled(stacked, dims, coords, unit=units.get(name, "share"))
        return {**labelled, **self._accuracies(at), **{k: labelled_scores(v) for k, v in scores(at, self.episodes)}}

    def _accuracies(self, at: Checkpoint) -> dict[str, Labelled]:
        most = max(_task(at).shots)
        found = {}
        for name, shots, held_out in (
            ("query_accuracy", most, False),
            ("held_out_accuracy", most, True),
            ("zero_shot_accuracy", 0, False),
        ):
            batch = _episodes(at, name, self.episodes, shots, held_out=held_out)
            right = at.population(batch.inputs)[:, :, -1].argmax(-1) == batch.latents["label"]
            found[name] = Labelled(right.double().mean(1), ("member",), unit="share")
        return found


class AblatedGeometry(Measure):
    """Separability (`ablated_separability`) and output alignment (`ablated_alignment`) without some heads, by layer.

    As in `ContextGeometry`, on the same sets with the most shots, with eta = 0.5. `ablated` is what is taken away:

        none
        previous-token   heads with a previous-token score of `least` or more, or else the best one
        as many others   as many heads of any layer that are in neither set, drawn 5 times
        induction        heads with an induction score of `least` or more, up or down, that are not in the first set, or
                         else the best two: with two classes a head that attends to the labels of the other one tells
                         as much, and it would be a poor control
        as many others (induction)

    What a head gives is replaced at every position by its mean over `episodes` random episodes, or with
    `by="zero"` by nothing. `heads_ablated` counts the heads. Measured from step `since` on.

    Raises: as `ContextGeometry`.
    """

    prefixes: int = 20
    queries: int = 256
    episodes: int = 256
    least: float = 0.3
    by: str = "mean"
    since: int = 0

    def check(self) -> None:
        """A known way to ablate, and queries for the halves of both classes."""
        if self.by not in ("mean", "zero"):
            raise UserError(f"AblatedGeometry ablates by mean or zero, got {self.by!r}")
        if self.queries < 4 or self.queries % 4:
            raise UserError(f"AblatedGeometry: queries are a multiple of 4, got {self.queries}")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All three; nothing before `since`."""
        if at.step < self.since:
            return {}
        most = max(_task(at).shots)
        sets = sets_of(at, most, self.prefixes, self.queries)
        instead = None
        if self.by == "mean":
            instead = mean_writes(at.population, _episodes(at, "means", self.episodes, most).inputs)
        heads = self.heads(at)
        separable, aligned = [], []
        for marked in heads:
            away = ablated(at.population, marked.repeat_interleave(self.queries, 1), instead)
            with at.population.edit({} if marked is heads[0] else away):
                found = dict(layer_geometry(at.population, sets, (0.5,)))
            separable.append(found["separability"][..., 0].mean(2))
            aligned.append(found["output_alignment"].mean(2))
        dims, coords = ("member", "ablated", "layer"), {"ablated": ABLATED, "layer": range(separable[0].shape[1])}
        count = torch.stack([marked[:, 0].flatten(1).sum(1) for marked in heads], 1)
        return {
            "ablated_separability": Labelled(torch.stack(separable, 1), dims, coords, unit="share"),
            "ablated_alignment": Labelled(torch.stack(aligned, 1), dims, coords, unit="share"),
            "heads_ablated": Labelled(count, dims[:2], {"ablated": ABLATED}, unit="heads"),
        }

    def heads(self, at: Checkpoint) -> list[Bool[Tensor, "member prefix layer head"]]:
        """The heads that are taken away for every prefix, in the order of `ABLATED`."""
        score = dict(scores(at, self.episodes))
        before = heads_above(score["previous_token_score"], self.least, 1)
        induction = heads_above(score["induction_score"].abs(), self.least, 2, ~before)
        draw = torch.arange(self.prefixes, device=before.device) % DRAWS
        sets = [torch.zeros_like(before)[:, None].expand(-1, self.prefixes, -1, -1)]
        for name, chosen in (("previous-token", before), ("induction", induction)):
            others = matched_heads(at.streams.of(f"instead of {name}"), chosen, before | induction, DRAWS)
            sets += [chosen[:, None].expand(-1, self.prefixes, -1, -1), others[:, draw]]
        return sets


def scores(at: Checkpoint, episodes: int) -> Iterator[tuple[str, Float[Tensor, "member layer head"]]]:
    """The four head scores on random episodes with the most shots."""
    most = max(_task(at).shots)
    batch = _episodes(at, "head scores", episodes, most)
    pattern = patterns(at.population, batch.inputs)
    last = torch.full(batch.inputs.shape[:2], 2 * most + 1, device=pattern.device)
    yield "previous_token_score", attention_before(pattern, last)
    examples = [attention_before(pattern, torch.full_like(last, 2 * i + 1)) for i in range(most)]
    yield "label_to_item_score", sum(examples[1:], examples[0]) / most
    place = torch.arange(pattern.shape[-1], device=pattern.device)
    label = ((place % 2 == 1) & (place < 2 * most))[None, None]
    same = batch.targets == batch.latents["label"][..., None]
    yield "induction_score", attention_contrast(pattern, last, label & same, label & ~same)
    yield "early_induction_score", attention_contrast(pattern, last - 1, label & same, label & ~same)


def _episodes(at: Checkpoint, purpose: str, size: int, shots: int, *, held_out: bool = False) -> Batch:
    streams = at.streams.of("context geometry").of(purpose)
    task = _task(at).replace(shots=(shots,))
    return task.ask(
        task.examples(at.world, streams, size, held_out=held_out), streams.integers("query", (size, 1), 2), streams
    )


def _task(at: Checkpoint) -> InContextClassification:
    if not isinstance(at.task, InContextClassification):
        raise UserError(
            f"this measure looks at episodes: it needs InContextClassification, got {type(at.task).__name__}"
        )
    return at.task


def _network(population: Population) -> TransformerNetwork:
    network = population.network
    if not isinstance(network, TransformerNetwork) or network.unembed is None:
        raise UserError(
            f"this measure reads the residual stream: it needs a Transformer with tied=False, got "
            f"{type(network).__name__}"
        )
    return network
