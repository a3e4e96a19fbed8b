"""In-context algorithms: which predictors a sequence model acts by on walks of known and unknown Markov chains."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.algorithm_mixture import algorithm_mixture
from ontogeny.measures.bigram_utilisation import bigram_utilisation
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.distance_to_predictors import distance_to_predictors, nearest_chain, relative_distance
from ontogeny.measures.divergence import kl, mean_over
from ontogeny.streams import Streams
from ontogeny.tasks.markov_mixture import Chains, MarkovMixture, dirichlet_chains, walk
from ontogeny.tasks.markov_predictors import ALGORITHMS, bigram_inference, predictions

FITS = ("four", "six")
CONTEXTS = ("OOD", "ID")


@dataclass(frozen=True)
class Asked:
    """Contexts of one length with what is known of them and what a model makes of them."""

    contexts: Int[Tensor, "member context length"]
    truth: Float[Tensor, "member context state"]  # law of the next state under the chain walked
    predictions: Float[Tensor, "member algorithm context state"]
    model: Float[Tensor, "member context state"]


class InContextAlgorithms(Measure):
    """Decomposes what a model does on contexts of each of `lengths` into the predictors of `ALGORITHMS`.

    Two sets of contexts, the same at every checkpoint. OOD: `paths` walks, each on a chain never trained on, each
    followed once by every state. ID: as many natural walks of the member's own mixture. Predictors see exactly the
    tokens that the model sees. Gives, in nats where a unit is not said:

        mixture           weights of the fit with the paper's `four` predictors and with all `six`
        residual          what the fit leaves
        residual_share    the same over KL(model || uniform); NaN for a model that is exactly uniform
        fit_gap           bound on how far the residual is above the least possible
        algorithm_kl      mean KL of one predictor to `other`: where it is about 0, their weights tell nothing
        truth_kl          mean KL of the chain walked to the model
        distance          of each predictor's transition matrix to the model's (OOD)
        relative_distance nearest training chain over nearest of as many fresh ones (OOD)

    and at the last of the lengths

        utilisation         `bigram_utilisation` (OOD; a ratio)
        permuted_residual   of the four-way fit to the predictions for other contexts (ID): a control
        fresh_mixture       the four-way fit when retrieval knows as many fresh chains instead (OOD): a control

    Raises: `UserError` for a task other than `MarkovMixture`, or one whose walks are shorter than a length.
    """

    lengths: tuple[int, ...]
    paths: int = 40

    def check(self) -> None:
        if self.paths < 2:
            raise UserError(f"InContextAlgorithms needs 2 paths or more, got paths={self.paths}")
        if not self.lengths or min(self.lengths) < 2:
            raise UserError(f"InContextAlgorithms needs lengths of 2 or more, got lengths={self.lengths}")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All of the above, `[member, ...]`."""
        if not isinstance(at.task, MarkovMixture):
            raise UserError(f"InContextAlgorithms measures models of a MarkovMixture, got a {type(at.task).__name__}")
        if max(self.lengths) >= at.task.length:
            raise UserError(
                f"InContextAlgorithms needs contexts of {max(self.lengths)} states, but the task's walks have "
                f"{at.task.length}, the last one a target: give shorter lengths"
            )
        streams = at.streams.of("in-context algorithms")
        strange = dirichlet_chains(streams.of("OOD"), self.paths, at.task.states)
        fresh = dirichlet_chains(streams.of("fresh"), at.task.chains, at.task.states)
        asked = {"OOD": self._ask_strange(at, strange, streams.of("OOD")), "ID": self._ask_natural(at)}
        return {
            **self._fits(asked, fresh),
            **self._distances(asked, strange, at.world, fresh),
            **self._utilisation(at, asked["OOD"][-1], streams),
        }

    def _ask_strange(self, at: Checkpoint, chains: Chains, streams: Streams) -> list[Asked]:
        """One walk on each strange chain, cut to each length less one, and each state after it."""
        states = chains.states
        which = torch.arange(self.paths, device=streams.device).expand(at.members, -1)
        walks = walk(chains, streams, which, max(self.lengths))
        last = torch.arange(states, device=streams.device).expand(at.members, self.paths, -1)
        asked = []
        for length in self.lengths:
            stem = walks[:, :, None, : length - 1].expand(-1, -1, states, -1)
            contexts = torch.cat((stem, last[..., None]), -1).flatten(1, 2)
            model = _laws(at, contexts)[..., -1, :]
            asked.append(Asked(contexts, chains.transitions.flatten(1, 2), predictions(contexts, at.world), model))
        return asked

    def _ask_natural(self, at: Checkpoint) -> list[Asked]:
        """Walks of the task itself, asked for what follows their first states: a causal model needs one pass."""
        batch = at.batch("natural contexts", self.paths * at.world.states)
        laws = _laws(at, batch.inputs[..., : max(self.lengths)])
        members = torch.arange(at.members, device=laws.device)[:, None]
        asked = []
        for length in self.lengths:
            contexts = batch.inputs[..., :length]
            truth = at.world.transitions[members, batch.latents["chain"], contexts[..., -1]]
            asked.append(Asked(contexts, truth, predictions(contexts, at.world), laws[..., length - 1, :]))
        return asked

    def _fits(self, asked: dict[str, list[Asked]], fresh: Chains) -> dict[str, Labelled]:
        cases = [a for name in CONTEXTS for a in asked[name]]
        model, predicted = torch.stack([a.model for a in cases], 1), torch.stack([a.predictions for a in cases], 1)
        strange, natural = asked["OOD"][-1], asked["ID"][-1]
        choices = torch.ones(len(FITS), len(ALGORITHMS), dtype=torch.bool, device=model.device)
        choices[0, 4:] = False
        # The two controls are fitted along: the next context's predictions, and retrieval of chains never trained on.
        fit = algorithm_mixture(
            torch.cat((model, natural.model[:, None], strange.model[:, None]), 1),
            torch.cat(
                (
                    predicted,
                    natural.predictions.roll(1, dims=-2)[:, None],
                    predictions(strange.contexts, fresh)[:, None],
                ),
                1,
            ),
            choices,
        )

        def labelled(x: Tensor, *rest: str, unit: str = "nats") -> Labelled:
            """`x [member, case, ...]` with the cases as contexts and lengths."""
            values = x[:, : len(cases)].unflatten(1, (len(CONTEXTS), len(self.lengths)))
            return Labelled(values, ("member", "contexts", "length", *rest), self._coords(*rest), unit)

        uniform = mean_over(kl(model, torch.full_like(model, 1.0 / model.shape[-1])))[..., None]
        share = torch.where(uniform > 0, fit.residual[:, : len(cases)] / uniform, torch.nan)
        between = mean_over(kl(predicted[:, :, :, None], predicted[:, :, None]))
        truth = mean_over(kl(torch.stack([a.truth for a in cases], 1), model))
        return {
            "mixture": labelled(fit.weights, "fit", "algorithm", unit=""),
            "residual": labelled(fit.residual, "fit"),
            "residual_share": labelled(share, "fit", unit=""),
            "fit_gap": labelled(fit.gap, "fit"),
            "algorithm_kl": labelled(between, "algorithm", "other"),
            "truth_kl": labelled(truth),
            "permuted_residual": Labelled(fit.residual[:, -2, 0], ("member",), unit="nats"),
            "fresh_mixture": Labelled(fit.weights[:, -1, 0], ("member", "algorithm"), {"algorithm": ALGORITHMS}),
        }

    def _distances(
        self, asked: dict[str, list[Asked]], strange: Chains, trained: Chains, fresh: Chains
    ) -> dict[str, Labelled]:
        by_length, relative = [], []
        for a in asked["OOD"]:
            model, predicted = (x.unflatten(-2, (self.paths, strange.states)) for x in (a.model, a.predictions))
            by_length.append(distance_to_predictors(model, predicted, strange.stationary))
            near = (nearest_chain(model, chains.transitions, chains.stationary) for chains in (trained, fresh))
            relative.append(relative_distance(*near))
        coords = {"length": self.lengths}
        dims = ("member", "length", "algorithm")
        return {
            "distance": Labelled(torch.stack(by_length, 1), dims, coords | {"algorithm": ALGORITHMS}, unit="nats"),
            "relative_distance": Labelled(torch.stack(relative, 1), dims[:2], coords),
        }

    def _utilisation(self, at: Checkpoint, asked: Asked, streams: Streams) -> dict[str, Labelled]:
        size, length = asked.contexts.shape[1:]
        order = streams.permutation("shuffle", (size,), length - 1)
        shuffled = torch.cat((asked.contexts[..., :-1].gather(-1, order), asked.contexts[..., -1:]), -1)
        model = _laws(at, shuffled)[..., -1, :]
        reference = (bigram_inference(c, at.world.states) for c in (asked.contexts, shuffled))
        return {"utilisation": Labelled(bigram_utilisation(asked.model, model, *reference), ("member",))}

    def _coords(self, *rest: str) -> dict[str, tuple]:
        known = {"fit": FITS, "algorithm": ALGORITHMS, "other": ALGORITHMS}
        return {"contexts": CONTEXTS, "length": self.lengths} | {name: known[name] for name in rest}


def _laws(
    at: Checkpoint, contexts: Int[Tensor, "member context length"]
) -> Float[Tensor, "member context length state"]:
    """What the model expects after each position, float64."""
    return torch.softmax(at.population(contexts).double(), -1)
