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
from ontogeny.models.prefixes import after_every_token, after_prefixes, with_last
from ontogeny.tasks.markov_mixture import Chains, MarkovMixture, dirichlet_chains, walk
from ontogeny.tasks.markov_predictors import ALGORITHMS, bigram_inference, predictions

FITS = ("four", "six")
CONTEXTS = ("OOD", "ID")


@dataclass(frozen=True)
class Questions:
    """Contexts with what is known of them, whatever the networks: a case is a set of contexts and one of the lengths.

    Behind the cases `predictions` has those of the two controls: for the next natural context, and on the strange ones
    by retrieval of chains never trained on.
    """

    strange: Chains
    fresh: Chains
    walks: Int[Tensor, "member path length"]
    natural: Int[Tensor, "member context length"]
    shuffled: Int[Tensor, "member context last"]  # the strange contexts of the last length
    references: tuple[Tensor, Tensor]  # what bigram inference makes of those, and of the shuffled ones
    truth: Float[Tensor, "member case context state"]  # law of the next state under the chain walked
    predictions: Float[Tensor, "member fit algorithm context state"]
    between: Float[Tensor, "member case algorithm algorithm"]


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
        known = at.once(self, lambda: self._questions(at))
        answers = self._answers(at, known)
        shuffled = _law(at.population(known.shuffled, self.lengths[-1] - 1)[:, :, -1])
        utilisation = bigram_utilisation(answers[:, len(self.lengths) - 1], shuffled, *known.references)
        return {
            **self._fits(known, answers),
            **self._distances(known, answers, at.world),
            "utilisation": Labelled(utilisation, ("member",)),
        }

    def _questions(self, at: Checkpoint) -> Questions:
        world, states, streams = at.world, at.world.states, at.streams.of("in-context algorithms")
        strange = dirichlet_chains(streams.of("OOD"), self.paths, states)
        fresh = dirichlet_chains(streams.of("fresh"), world.weights.shape[1], states)
        paths = torch.arange(self.paths, device=streams.device).expand(at.members, -1)
        walks = walk(strange, streams.of("OOD"), paths, max(self.lengths))
        batch = at.batch("natural contexts", self.paths * states)
        natural = batch.inputs[..., : max(self.lengths)]
        # One walk on each strange chain, followed once by every state.
        after = torch.arange(states, device=streams.device).expand(at.members, self.paths, -1)
        contexts = [with_last(walks[..., :length], after) for length in self.lengths]
        contexts += [natural[..., :length] for length in self.lengths]
        last = contexts[len(self.lengths) - 1]
        order = streams.permutation("shuffle", last.shape[1:2], last.shape[2] - 1)
        shuffled = torch.cat((last[..., :-1].gather(-1, order), last[..., -1:]), -1)
        members = torch.arange(at.members, device=streams.device)[:, None]
        walked = [strange.transitions.flatten(1, 2)] * len(self.lengths)
        walked += [
            world.transitions[members, batch.latents["chain"], natural[..., length - 1]] for length in self.lengths
        ]
        expected = torch.stack([predictions(each, world) for each in contexts], 1)
        controls = expected[:, -1].roll(1, dims=-2), predictions(last, fresh)
        return Questions(
            strange=strange,
            fresh=fresh,
            walks=walks,
            natural=natural,
            shuffled=shuffled,
            references=(bigram_inference(last, states), bigram_inference(shuffled, states)),
            truth=torch.stack(walked, 1),
            predictions=torch.cat((expected, torch.stack(controls, 1)), 1),
            between=mean_over(kl(expected[:, :, :, None], expected[:, :, None])),
        )

    def _answers(self, at: Checkpoint, known: Questions) -> Float[Tensor, "member case context state"]:
        """What the networks expect after each context, float64."""
        strange = after_every_token(at.population, known.walks, self.lengths, at.world.states)
        natural = after_prefixes(at.population, known.natural, self.lengths)
        return _law(torch.cat((strange.transpose(1, 2).flatten(2, 3), natural.transpose(1, 2)), 1))

    def _fits(self, known: Questions, answers: Tensor) -> dict[str, Labelled]:
        choices = torch.ones(len(FITS), len(ALGORITHMS), dtype=torch.bool, device=answers.device)
        choices[0, 4:] = False
        # The two controls are fitted along.
        controls = answers[:, [-1, len(self.lengths) - 1]]
        fit = algorithm_mixture(torch.cat((answers, controls), 1), known.predictions, choices)

        def labelled(x: Tensor, *rest: str, unit: str = "nats") -> Labelled:
            """`x [member, case, ...]` with the cases as contexts and lengths."""
            values = x[:, : answers.shape[1]].unflatten(1, (len(CONTEXTS), len(self.lengths)))
            return Labelled(values, ("member", "contexts", "length", *rest), self._coords(*rest), unit)

        uniform = mean_over(kl(answers, torch.full_like(answers, 1.0 / answers.shape[-1])))[..., None]
        share = torch.where(uniform > 0, fit.residual[:, : answers.shape[1]] / uniform, torch.nan)
        return {
            "mixture": labelled(fit.weights, "fit", "algorithm", unit=""),
            "residual": labelled(fit.residual, "fit"),
            "residual_share": labelled(share, "fit", unit=""),
            "fit_gap": labelled(fit.gap, "fit"),
            "algorithm_kl": labelled(known.between, "algorithm", "other"),
            "truth_kl": labelled(mean_over(kl(known.truth, answers))),
            "permuted_residual": Labelled(fit.residual[:, -2, 0], ("member",), unit="nats"),
            "fresh_mixture": Labelled(fit.weights[:, -1, 0], ("member", "algorithm"), {"algorithm": ALGORITHMS}),
        }

    def _distances(self, known: Questions, answers: Tensor, trained: Chains) -> dict[str, Labelled]:
        by_length, relative = [], []
        for i in range(len(self.lengths)):
            both = (answers[:, i], known.predictions[:, i])
            model, predicted = (x.unflatten(-2, (self.paths, trained.states)) for x in both)
            by_length.append(distance_to_predictors(model, predicted, known.strange.stationary))
            near = (nearest_chain(model, chains.transitions, chains.stationary) for chains in (trained, known.fresh))
            relative.append(relative_distance(*near))
        coords = {"length": self.lengths}
        dims = ("member", "length", "algorithm")
        return {
            "distance": Labelled(torch.stack(by_length, 1), dims, coords | {"algorithm": ALGORITHMS}, unit="nats"),
            "relative_distance": Labelled(torch.stack(relative, 1), dims[:2], coords),
        }

    def _coords(self, *rest: str) -> dict[str, tuple]:
        known = {"fit": FITS, "algorithm": ALGORITHMS, "other": ALGORITHMS}
        return {"contexts": CONTEXTS, "length": self.lengths} | {name: known[name] for name in rest}


def _law(outputs: Float[Tensor, "*context state"]) -> Float[Tensor, "*context state"]:
    """What the networks expect, float64."""
    return torch.softmax(outputs.double(), -1)
