"""What the benchmark's figures rest on: the plain script is of the same task, and tables go between their marks."""

import sys
from pathlib import Path

import pytest
import torch

from ontogeny.streams import Streams
from ontogeny.tasks.noisy_arithmetic import NoisyArithmeticChain

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """The folder of the benchmark on the path, as for its scripts."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:  # such as `plain`, which another test may mean otherwise
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(ROOT / "benchmarks")):
            del sys.modules[name]


def test_marks():
    from page import between

    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
    assert between(text, "x", "new") == "a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb\n"
    assert between(between(text, "x", "new"), "x", "new") == between(text, "x", "new")
    for wrong in ("no marks", "<!-- /x --> <!-- x -->", "<!-- x -->", text + text):
        with pytest.raises(ValueError, match="once each"):
            between(wrong, "x", "new")


def test_a_page_that_is_not_there_is_said_before_anything_is_measured(tmp_path, capsys):
    from page import options

    with pytest.raises(SystemExit):
        options(None).parse_args(["--out", str(tmp_path / "none.md")])
    assert "none.md is not there: copy docs/performance.md" in capsys.readouterr().err


@pytest.mark.parametrize("mark", ["took", "populations", "modules", "growth", "measuring", "starting", "study"])
def test_the_page_has_the_marks(mark):
    from page import between

    assert between((ROOT / "docs" / "performance.md").read_text(), mark, "new").count("\nnew\n") == 1


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.00034, "0.34 ms"), (0.0996, "100 ms"), (3.44, "3.4 s"), (119, "119 s"), (750, "12 min")]
)
def test_duration(seconds, said):
    from page import duration

    assert duration(seconds) == said


def test_ratios_are_medians_over_rounds():
    from timing import Turns

    # A slow third round slows both ways: ratios are 2, 2, 2 and the share of the peak 0.5 in every round.
    turns = Turns({"fast": [1.0, 1.0, 10.0], "slow": [2.0, 2.0, 20.0]}, [4.0, 4.0, 0.4])
    assert turns.ratio("slow", "fast") == 2.0
    assert turns.share_of_peak("fast", 2.0) == 0.5
    assert turns.seconds("fast") == 1.0


def test_gap_in_standard_errors():
    from study import gap

    # Means 1 and 5, variances 2 and 2: a standard error of sqrt(2 / 2 + 2 / 2).
    assert gap([0.0, 2.0], [4.0, 6.0]) == pytest.approx(4 / 2**0.5)
    assert (gap([1.0, 1.0], [1.0, 1.0]), gap([1.0, 1.0], [2.0, 2.0])) == (0.0, float("inf"))


def test_the_script_writes_chains_of_the_task():
    import plain_study

    task = NoisyArithmeticChain(prompt_noise=0.2, step_noise=0.3)
    size = 20_000
    tokens, product, c, minus, answer = plain_study.chains(torch.Generator().manual_seed(3), size, 0.2, 0.3)
    written = task.read(tokens)
    truth = {"op": minus, "c": c}
    assert torch.equal(answer, task.answer(product, truth))
    assert torch.equal(written["answer"], answer)
    assert torch.equal(written["op"], minus)
    ours = task.sample(None, Streams((1,)), 1).inputs[0, 0]
    literals = [1, 5, 9]  # *, => and =>
    assert (tokens[:, literals] == ours[literals]).all()
    assert task.text(tokens[0]).split()[-1] == "END"
    # One of a and b is wrong with 0.2, which changes what the prompt implies unless the other is 0; the step with 0.3.
    for seen, chance in (
        (written["product"] != product, 0.3),
        (task.product(written) != product, 0.2 * (1 - 1 / 11)),
    ):
        assert abs(seen.double().mean() - chance) < 4 * (chance * (1 - chance) / size) ** 0.5


@pytest.mark.parametrize(("reads", "asked"), [("step", (1.0, 0.0)), ("prompt", (0.0, 1.0))])
def test_the_script_asks_who_follows_and_who_skips(reads, asked):
    import plain_study

    task = NoisyArithmeticChain()

    def network(tokens):
        written = task.read(tokens)
        product = written["product"] if reads == "step" else task.product(written)
        logits = torch.zeros(*tokens.shape, 16)
        logits[:, plain_study.ANSWER] = torch.nn.functional.one_hot(task.answer(product, written), 16).float()
        return logits

    found = plain_study.ask(network, torch.Generator().manual_seed(1))
    assert (found["following"], found["skipping"]) == asked
    assert found["accuracy"] == 1.0
