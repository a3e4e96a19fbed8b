"""Parts: filled, stacked, described, compared."""

import functools

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import Part, PerMember, describe, digest, factor, factors_of, resolve, stack, structure


class Inner(Part):
    rate: PerMember
    betas: tuple[PerMember, PerMember] = (0.9, 0.99)
    width: int = 8

    def check(self) -> None:
        if self.width % 2:
            raise UserError(f"width must be even, got {self.width}")


class Outer(Part):
    inner: Inner
    clip: PerMember | None = None
    names: tuple[str, ...] = ("a",)


def test_an_unknown_field_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="Inner has no field 'widht': did you mean 'width'"):
        Inner(rate=1.0, widht=4)


def test_factors_are_found_and_filled_however_deep():
    waiting = Outer(inner=Inner(rate=factor("lr"), width=factor("w")), clip=factor("clip"))
    assert factors_of(waiting) == {"lr", "w", "clip"}
    filled = resolve(waiting, dict(lr=0.1, w=4, clip=1.0, seed=3))
    assert filled == Outer(inner=Inner(rate=0.1, width=4), clip=1.0)


def test_a_factor_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="no factor 'lrr' in this study: did you mean 'lr'"):
        resolve(Inner(rate=factor("lrr")), dict(lr=0.1))


def test_values_that_cannot_work_name_the_member():
    with pytest.raises(UserError, match=r"width must be even, got 3 \(in the member with w=3, seed=7\)"):
        resolve(Inner(rate=1.0, width=factor("w")), dict(w=3, seed=7))


def test_stacking_makes_tensors_of_per_member_fields_only():
    stacked = stack([Outer(inner=Inner(rate=float(i), betas=(0.1 * i, 0.5)), clip=2.0) for i in range(3)])
    assert stacked.inner.rate.tolist() == [0, 1, 2]
    assert stacked.inner.betas[0].tolist() == [0.0, 0.1, 0.2]
    assert stacked.clip.dtype == torch.float64
    assert stacked.inner.width == 8
    assert stacked.names == ("a",)


def test_structure_ignores_per_member_numbers_and_nothing_else():
    base = Outer(inner=Inner(rate=1.0), clip=1.0)
    assert structure(base) == structure(Outer(inner=Inner(rate=2.0, betas=(0.5, 0.5)), clip=3.0))
    assert structure(base) != structure(Outer(inner=Inner(rate=1.0, width=10), clip=1.0))
    assert structure(base) != structure(Outer(inner=Inner(rate=1.0)))  # no clipping is another program


OFFSET = 3


def helper(x):
    return x + OFFSET


def plus(x):
    return helper(x)


def make_documented():
    def plus(x):
        """A docstring."""
        # and a comment
        return helper(x)

    return plus


def test_a_digest_changes_with_values_and_code_and_not_with_words(monkeypatch):
    base = digest(plus)
    bare, documented = describe(plus), describe(make_documented())
    assert bare["source"] != documented["source"] or bare["function"] != documented["function"]
    monkeypatch.setitem(plus.__globals__, "OFFSET", 4)
    assert digest(plus) != base, "a constant that a helper uses"
    assert digest(functools.partial(plus, x=1)) != digest(functools.partial(plus, x=2))
    assert digest(Inner(rate=1.0)) != digest(Inner(rate=1.5))


def test_comments_and_docstrings_do_not_change_a_digest(tmp_path):
    import importlib.util

    def load(name, source):
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location("same", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.f

    one = load("a", "def g(x):\n    return x\n\ndef f(x):\n    return g(x) + 1\n")
    two = load(
        "b", '# words\ndef g(x):\n    """More."""\n    return x\n\ndef f(x):\n    return g(x)   + 1  # and so on\n'
    )
    three = load("c", "def g(x):\n    return -x\n\ndef f(x):\n    return g(x) + 1\n")
    assert digest(one) == digest(two)
    assert digest(one) != digest(three)
