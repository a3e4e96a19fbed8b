"""Traced prediction: how well networks predict walks over graphs, and what cutting their heads does to it."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.interventions.head_ablation import Edits, ablated, matched_heads, mean_writes
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.head_scores import induction_score, previous_token_score
from ontogeny.measures.neighbour_mass import neighbour_mass
from ontogeny.models.population import Population
from ontogeny.tasks.graph_walks import GraphTracing, Walks
from ontogeny.tasks.graphs import Graph
from ontogeny.tasks.walk_predictors import visited_before, walked_before

WORKS = 0.3  # of a head's attention, beyond what is even where it induces
RESTS = 0.1  # heads between the two do some of the work, and tell nothing as a control
SHARES = "blocks.*.attn.shift.hook_share"
CUTS = ("nothing", "induction heads", "other heads", "token before")


def tracing(at: Checkpoint) -> GraphTracing:
    """The task of a checkpoint, which has to be graph tracing.

    Raises: `UserError` for any other task.
    """
    if not isinstance(at.task, GraphTracing):
        raise UserError(f"this measure traces graphs: it needs GraphTracing, got {type(at.task).__name__}")
    return at.task


def held_out(at: Checkpoint, name: str, graph: Graph, size: int) -> Walks:
    """Walks that are the same at every checkpoint and for every measure."""
    return tracing(at).traces(graph, at.streams.of("traces").of(name), size)


def head_scores(
    population: Population, walks: Walks
) -> tuple[Float[Tensor, "member layer head"], Float[Tensor, "member layer head"]]:
    """Induction and previous-token scores of every head, mean over the walks."""
    _, seen = population.record(walks.inputs, "blocks.*.attn.hook_pattern")
    induction = [induction_score(pattern, walks.inputs).nanmean(1) for pattern in seen.values()]
    previous = [previous_token_score(pattern).mean(1) for pattern in seen.values()]
    return torch.stack(induction, 1), torch.stack(previous, 1)


def cuts(
    at: Checkpoint, graph: Graph, samples: int
) -> tuple[dict[str, Edits], Bool[Tensor, "member"], dict[str, Float[Tensor, "member layer head"]]]:
    """What each of `CUTS` edits, which members have other heads, and the scores it was told by.

    Cutting the token before sets the shares of shifted keys to 0, and takes the means of the heads that look at it.
    Other heads are those that do neither, with both scores under 0.1.
    """
    walks = held_out(at, "scores", graph, samples)
    induction, previous = head_scores(at.population, walks)
    means = mean_writes(at.population, walks.inputs).mean(2, keepdim=True)
    induces, looks_back = induction > WORKS, previous > WORKS
    busy = (induction > RESTS) | (previous > RESTS)
    others, enough = matched_heads(at.streams, induces, busy, 1), ~busy.flatten(1).all(1)
    edits = {
        "nothing": {},
        "induction heads": ablated(at.population, induces[:, None], means),
        "other heads": ablated(at.population, others, means),
        "token before": {**ablated(at.population, looks_back[:, None], means), SHARES: torch.zeros_like},
    }
    return edits, enough, {"induction_score": induction, "previous_token_score": previous}


class TracedPrediction(Measure):
    """Mass on neighbours at the steps `times` of held-out walks, mean over `samples` walks on each of `graphs`.

    - `neighbour_mass`, `fresh_mass` `[member, graph, time]`: see `ontogeny.measures.neighbour_mass`; probabilities are
      those among all tokens.
    - `bigram_fresh_mass`, `unigram_fresh_mass` `[member, graph, time]`: what `walked_before` and `visited_before` have
      on the same walks.
    - `cut_fresh_mass` `[member, cut, graph]`: at the last of the times under each of `CUTS`; NaN for other heads in
      members that have none; all of them where there are fewer than induce.
    - `induction_score`, `previous_token_score` `[member, layer, head]`, on the first of the graphs.

    Induction heads, and heads that look at the token before, are those with a score over 0.3; other heads have both
    under 0.1. Needs a network with shifted keys.
    """

    graphs: Mapping[str, Graph]
    times: tuple[int, ...]
    samples: int = 256

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Reads every walk once, and again under every cut."""
        places = torch.tensor(self.times) - 1
        edits, enough, scores = cuts(at, next(iter(self.graphs.values())), self.samples // 4)
        found: dict[str, list[Tensor]] = {}

        def keep(name: str, value: Tensor) -> None:
            found.setdefault(name, []).append(value.double())

        for name, graph in self.graphs.items():
            walks = held_out(at, name, graph, self.samples)
            count = graph.nodes
            mine = neighbour_mass(_on_nodes(at.population, walks), walks.nodes, walks.edges)
            keep("neighbour_mass", mine.all[..., places].mean(1))
            keep("fresh_mass", mine.fresh[..., places].mean(1))
            for told, law in (("bigram", walked_before), ("unigram", visited_before)):
                other = neighbour_mass(law(walks.nodes, count), walks.nodes, walks.edges)
                keep(f"{told}_fresh_mass", other.fresh[..., places].mean(1))
            under = []
            for cut, edit in edits.items():
                with at.population.edit(edit):
                    cut_mass = neighbour_mass(_on_nodes(at.population, walks), walks.nodes, walks.edges)
                mass = cut_mass.fresh[..., places[-1]].mean(1).double()
                under.append(mass.where(enough, torch.nan) if cut == "other heads" else mass)
            keep("cut_fresh_mass", torch.stack(under, 1))
        graphs = {"graph": list(self.graphs)}
        labels: dict[str, Any] = {**graphs, "time": list(self.times)}
        values = {
            name: Labelled(torch.stack(parts, 1), ("member", "graph", "time"), labels, unit="probability")
            for name, parts in found.items()
            if name != "cut_fresh_mass"
        }
        values["cut_fresh_mass"] = Labelled(
            torch.stack(found["cut_fresh_mass"], 2),
            ("member", "cut", "graph"),
            {**graphs, "cut": list(CUTS)},
            unit="probability",
        )
        layers = {"head_layer": range(1, scores["induction_score"].shape[1] + 1)}
        return values | {
            name: Labelled(value, ("member", "head_layer", "head"), layers, unit="attention")
            for name, value in scores.items()
        }


def _on_nodes(population: Population, walks: Walks) -> Float[Tensor, "member sample step node"]:
    """Probabilities of the graph's nodes as the next step, at every step of the walks."""
    with torch.no_grad():
        among_all = torch.softmax(population(walks.inputs)[:, :, 1:], -1)
    return torch.take_along_dim(among_all, walks.names[:, :, None], -1)
