"""Oracles: scikit-learn on the same split, states that hold the answer or only the pair, and an untrained network."""

import numpy as np
import pytest
import torch
from reasoners import checkpoint
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from ontogeny.measures.inconsistency_probe import InconsistencyProbe, held_out_auroc, held_out_pairs
from ontogeny.models.sites import Site
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.noisy_arithmetic import NoisyArithmeticChain


def test_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(2, 400, 6)) * 5 + 2)
    y = torch.from_numpy(rng.normal(size=(2, 400)) * 8 > -10) & (x[..., 0] > 1)
    fitted = torch.from_numpy(rng.random((2, 400)) < 0.6)
    found = held_out_auroc(x, y, fitted, ~fitted)
    for i in range(2):
        mean, deviation = x[i][fitted[i]].mean(0), x[i][fitted[i]].std(0, correction=0)
        z = (x[i] - mean) / deviation
        model = LogisticRegression(tol=1e-10, max_iter=1_000).fit(z[fitted[i]], y[i][fitted[i]])
        expected = roc_auc_score(y[i][~fitted[i]], model.decision_function(z[~fitted[i]]))
        assert found[i].item() == pytest.approx(expected, abs=1e-9)


def test_held_out_pairs_are_30_percent_of_all_and_go_together(seed):
    a, b = torch.meshgrid(torch.arange(11), torch.arange(11), indexing="ij")
    pairs = [v.flatten().repeat(2).expand(3, -1) for v in (a, b)]
    out = held_out_pairs(Streams(seeds=(seed, seed + 1, seed)), *pairs, 11)
    assert out.sum(-1).tolist() == [2 * 36] * 3  # int(.3 * 121) = 36
    assert torch.equal(out[:, :121], out[:, 121:])
    assert torch.equal(out[0], out[2])
    assert not torch.equal(out[0], out[1])


def test_an_untrained_network_encodes_little(seed):
    # With 1,500 prompts, a quarter of which are tested, the standard error of an AUROC of .5 is about .03.
    task = NoisyArithmeticChain()
    network = Transformer(layers=2, width=16).build(task.shape, Streams(seeds=(seed, seed + 1)))
    found = InconsistencyProbe(prompts=1_500)(checkpoint(task, network=network, seed=seed))
    assert set(found) == {"probe_new_pairs", "probe_new_prompts"}
    for labelled in found.values():
        assert labelled.values.shape == (2, 2)
        assert ((labelled.values > 0.35) & (labelled.values < 0.65)).all()


class Told(torch.nn.Module):
    """A network whose state holds whether prompt and step disagree, or (a, b, product) as one of 125 cases."""

    def __init__(self, task, what):
        super().__init__()
        self.task, self.what = task, what
        self.nothing = torch.nn.Parameter(torch.zeros(2, 1))
        self.blocks = torch.nn.ModuleList([torch.nn.ModuleDict({"hook_out": Site()})])

    def forward(self, tokens):
        written = self.task.read(tokens)
        if self.what == "disagreement":
            state = (written["product"] != self.task.product(written))[..., None].float()
        else:
            state = torch.nn.functional.one_hot((written["a"] * 5 + written["b"]) * 5 + written["product"], 125).float()
        self.blocks[0]["hook_out"](state[:, :, None].expand(-1, -1, tokens.shape[2], -1))
        return torch.zeros(*tokens.shape, self.task.shape.outputs)


@pytest.mark.parametrize("what", ["disagreement", "table"])
def test_new_pairs_tell_knowledge_from_a_table(what, seed):
    task = NoisyArithmeticChain(modulus=5)
    at = checkpoint(task, network=Told(task, what), seed=seed)
    found = {name: labelled.values[:, 0] for name, labelled in InconsistencyProbe(prompts=2_000)(at).items()}
    assert (found["probe_new_prompts"] > 0.99).all()  # every (a, b, product) of modulus 5 has been seen
    expected = 1.0 if what == "disagreement" else 0.5  # on new pairs a table of the old ones says always the same
    assert found["probe_new_pairs"].tolist() == [expected] * 2
