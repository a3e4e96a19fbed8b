"""Digests of code: what a user may edit, in which file, and what moves the digest."""

import functools
import importlib.util
import subprocess
import sys

import pytest

from ontogeny.models.from_module import FromModule
from ontogeny.parts import digest, structure

NETS = '''
from torch import nn

WIDTH = 8

class Base(nn.Module):
    """Words."""

    def halves(self, x):
        return x / 2

class Net(Base):
    """More words."""

    kinds = ("relu", "tanh")

    def __init__(self, shape, width=WIDTH):
        super().__init__()
        self.map = nn.Linear(shape.features, width)  # a comment

    def forward(self, x):
        return act(self.halves(self.map(x)))

    @classmethod
    def wide(cls, shape):
        return cls(shape, 64)

def act(x):
    return x.relu()
'''
STUDY = """
import functools
import nets
from nets import Net

def of(width):
    return lambda shape: Net(shape, width)

by_function = lambda shape: nets.Net(shape)
of_width = of(4)
inside = dict(a=1, b=(
    lambda shape: nets.nn.Sequential(nets.nn.Linear(1, 2), nets.nn.ReLU())))["b"]
"""
EDITS = {
    "the forward pass": ("self.halves(self.map(x))", "self.map(x)"),
    "a base class": ("x / 2", "x / 3"),
    "a helper": ("x.relu()", "x.tanh()"),
    "a default's constant": ("WIDTH = 8", "WIDTH = 9"),
    "a class's constant": ('("relu", "tanh")', '("relu",)'),
}
WORDS = {"a comment": ("# a comment", "# another"), "a docstring": ('"""More words."""', '"""Fewer."""')}
WAYS = ["Net", "Net.wide", "by_function", "of_width", "functools.partial(Net, width=3)"]


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Loads the two files afresh, edited, and gives a factory."""

    def load(way, nets=NETS, study=STUDY, place="one"):
        folder = tmp_path / place
        folder.mkdir()
        modules = {}
        for name, text in (("nets", nets), ("study_with_nets", study)):
            (folder / f"{name}.py").write_text(text)
            spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
            modules[name] = importlib.util.module_from_spec(spec)
            monkeypatch.setitem(sys.modules, name, modules[name])
            spec.loader.exec_module(modules[name])
        return eval(way, vars(modules["study_with_nets"]))

    return load


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("edit", [*EDITS, *WORDS])
def test_an_edit_of_code_moves_the_digest_and_one_of_words_does_not(way, edit, loaded):
    before, after = {**EDITS, **WORDS}[edit]
    assert before in NETS
    one = digest(FromModule(factory=loaded(way)))
    other = digest(FromModule(factory=loaded(way, NETS.replace(before, after), place="other")))
    assert (one == other) == (edit in WORDS)


def test_what_a_closure_holds_counts(loaded):
    study = STUDY.replace("of(4)", "of(5)")
    assert digest(loaded("of_width")) != digest(loaded("of_width", study=study, place="other"))


def test_names_in_a_lambda_within_an_expression_count(loaded):
    study = STUDY.replace("nn.ReLU", "nn.Tanh")
    assert digest(loaded("inside")) != digest(loaded("inside", study=study, place="other"))


def test_arguments_count():
    def net(shape, width):
        raise NotImplementedError

    four, five = (FromModule(factory=net, arguments=dict(width=width)) for width in (4, 5))
    assert digest(four) != digest(five)
    assert structure(four) != structure(five)
    assert digest(functools.partial(net, width=4)) != digest(functools.partial(net, width=5))


def test_a_digest_is_the_same_in_another_process(tmp_path):
    (tmp_path / "nets.py").write_text(NETS)
    code = "import nets; from ontogeny.parts import digest; print(digest(nets.Net), digest(nets.Net.wide))"
    said = {
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(said) == 1


def test_a_class_of_an_installed_package_is_its_name():
    from torch import nn

    assert digest(nn.Linear) != digest(nn.Bilinear)
