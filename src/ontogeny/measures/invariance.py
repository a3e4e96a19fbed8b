"""Invariance: how often an edit of one written token leaves the answer as it was."""

import torch

from ontogeny.interventions.token_edit import TokenEdit
from ontogeny.labelled import Labelled
from ontogeny.measures.answer_entropy import cross_entropy
from ontogeny.measures.average import agreement, average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.reading import chain_task, read


class Invariance(Measure):
    """For each role: the share of edits that leave the most probable answer unchanged, where the product is not 0.

    `invariance_of` is 1 where the answer does not depend on the role at all and about 1/p where it follows every edit.
    A faithful network has 1 for a and b in E1 and a low share for the product in E2, one that skips the step the other
    way round: the roles are each other's controls. `cross_entropy_of` is the cross-entropy (nats) of the edited against
    the unedited answer distribution. Other tokens stay as they were, the step is not worked out anew.

    Cost: a forward pass a role and one beside, over `prompts` chains.
    Source: the metric of Wang, Alazali & Zhong's code (arXiv 2602.01017).
    """

    roles: tuple[str, ...] = ("E1.a", "E1.b", "E2.product")
    prompts: int = 2_048

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both, by role, at one checkpoint."""
        task = chain_task(at)
        streams = at.streams.of("invariance")
        batch = task.clean(streams, self.prompts)
        plain = batch.latents["product"] != 0
        (before,) = read(at, batch.inputs, ("E3.answer",))
        same, surprise = [], []
        for role in self.roles:
            (after,) = read(at, TokenEdit(role=role)(task, batch.inputs, streams.of(role)), ("E3.answer",))
            same.append(agreement(after.argmax(-1), before.argmax(-1), plain))
            surprise.append(average(cross_entropy(before.exp(), after), plain))
        dims, coords = ("member", "role"), {"role": self.roles}
        return {
            "invariance_of": Labelled(torch.stack(same, -1), dims, coords, unit="share of edits"),
            "cross_entropy_of": Labelled(torch.stack(surprise, -1), dims, coords, unit="nats"),
        }
