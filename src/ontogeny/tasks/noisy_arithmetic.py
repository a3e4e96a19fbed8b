"""Step-by-step modular arithmetic whose prompt and whose written step are each wrong now and then, the answer never.

One sample of the minimal layout, modulo 11 (inputs are tokens 0-10, targets tokens 1-11):

    position   0    1   2    3    4     5    6        7    8     9    10      11
    token      2    *   3    +    4    =>    6        +    4    =>    10      END
    role     E1.a      E1.b E1.op E1.c    E2.product E2.op E2.c    E3.answer
    noise    either a or b, eps1           eps2                     never
    in loss                                  x        x    x     x     x       x

The answer is worked out from the clean values, so a wrong step does not change it: a network that believes the step it
reads is wrong with probability about eps2, one that works the answer out of the prompt again is wrong with about eps1.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task

LAYOUTS = {
    "minimal": "a * b op c => product op c => answer END",
    "parenthesised": "( a * b ) op c => product op c => answer END",
    "extended": "( a first b ) * factor op c => product op c => answer END",
    "extended-bare": "a first b * factor op c => product op c => answer END",
}
"""What is written, token by token: names are variables, all else stands for itself."""

OPERATORS = ("+", "-")
LITERALS = ("*", "=>", "END", "(", ")")


class NoisyArithmeticChain(Task):
    """Chains E1 => E2 => E3 modulo a prime p, with noise in the prompt E1 and in the product that E2 writes down.

    `minimal` and `parenthesised` work out (a * b) op c, the two `extended` layouts ((a first b) * factor) op c; all
    variables are uniform residues, `op` and `first` are + or -, fair. Tokens are the p residues, then + and -, then the
    layout's other symbols in the order of `LITERALS` (p + 5 in the minimal layout; all samples are of one length, so
    none is padding).

    With probability `prompt_noise` exactly one of a and b (fair choice) is written wrong in E1, and independently with
    probability `step_noise` the product is written wrong in E2: replaced by a uniform *different* residue. The rest,
    answer included, is clean. Latents are the clean values by name. Two noise levels of one seed share all random
    numbers: the wrong samples of the lower level are among those of the higher one.

    Source: Wang, Alazali & Zhong (arXiv 2602.01017) and its code.
    """

    modulus: int = 11
    layout: str = "minimal"
    prompt_noise: PerMember = 0.01
    step_noise: PerMember = 0.1

    def check(self) -> None:
        """The modulus is prime, the layout known, the noise a probability."""
        p = self.modulus
        if p < 2 or any(p % k == 0 for k in range(2, int(p**0.5) + 1)):
            raise UserError(f"modular arithmetic with division needs a prime modulus, got {p}: try 11 or 97")
        if self.layout not in LAYOUTS:
            raise UserError(f"no layout {self.layout!r}: {nearest(self.layout, LAYOUTS)}")
        for name, noise in (("prompt_noise", self.prompt_noise), ("step_noise", self.step_noise)):
            if not 0.0 <= float(noise) <= 1.0:
                raise UserError(f"{name} is a probability, got {noise}: give a number from 0 to 1")

    @property
    def shape(self) -> Shape:
        """Next-token prediction: as many outputs as tokens, one position less than a chain is long."""
        size = self.modulus + len(OPERATORS) + len(self._literals)
        return Shape(outputs=size, vocabulary=size, length=len(self._words) - 1, since=self.prompt_length - 1)

    @property
    def roles(self) -> dict[str, int]:
        """Position of every variable as it is written: `E1.a`, `E1.b`, `E2.product`, `E3.answer`..."""
        places: dict[str, int] = {}
        equation = 1
        for position, word in enumerate(self._words):
            equation += word == "=>"
            if word.isalpha() and word != "END":
                places[f"E{equation}.{word}"] = position
        return places

    @property
    def prompt_length(self) -> int:
        """Number of tokens up to and with the first =>: what a network is given to continue."""
        return self._words.index("=>") + 1

    def position(self, role: str) -> int:
        """Where the variable of this role is written; the network predicts it one position before.

        Raises: `UserError` for a role that the layout has not.
        """
        if role not in self.roles:
            raise UserError(f"no role {role!r} in the {self.layout} layout: {nearest(role, self.roles)}")
        return self.roles[role]

    def options(self, role: str) -> range:
        """The tokens that can stand in a role: residues, or the two operators."""
        self.position(role)
        p = self.modulus
        return range(p, p + len(OPERATORS)) if role.split(".")[1] in ("op", "first") else range(p)

    def text(self, tokens: Int[Tensor, "position"]) -> str:
        """A chain as people write it."""
        names = [*map(str, range(self.modulus)), *OPERATORS, *self._literals]
        return " ".join(names[t] for t in tokens.tolist())

    def sample(self, world: None, streams: Streams, size: int) -> Batch:
        """Fresh chains: the written tokens, loss on all that follows the first =>, clean values as latents."""
        p = self.modulus
        clean = {name: streams.integers(name, (size,), p) for name in self._residues}
        clean |= {name: streams.integers(name, (size,), len(OPERATORS)) for name in self._operators}
        clean["product"] = self.product(clean)
        clean["answer"] = self.answer(clean["product"], clean)

        def wrong(name: str) -> Int[Tensor, "member sample"]:
            return (clean[name] + 1 + streams.integers(f"{name} noise", (size,), p - 1)) % p

        in_prompt = streams.bernoulli("prompt noise", (size,), self.prompt_noise)
        in_a = streams.bernoulli("which", (size,), 0.5)
        in_step = streams.bernoulli("step noise", (size,), self.step_noise)
        written = dict(clean)
        written["a"] = torch.where(in_prompt & in_a, wrong("a"), clean["a"])
        written["b"] = torch.where(in_prompt & ~in_a, wrong("b"), clean["b"])
        written["product"] = torch.where(in_step, wrong("product"), clean["product"])
        return self._batch(self.write(written), clean)

    def clean(self, streams: Streams, size: int) -> Batch:
        """Fresh chains without any noise: what a network is tested on."""
        return self.replace(prompt_noise=0.0, step_noise=0.0).sample(None, streams, size)

    def write(self, values: dict[str, Int[Tensor, "*sample"]]) -> Int[Tensor, "*sample position"]:
        """The tokens of whole chains, from the value of every variable as it shall be written."""
        literal = {word: self.modulus + len(OPERATORS) + i for i, word in enumerate(self._literals)}
        columns = []
        for word in self._words:
            if word in literal:
                columns.append(torch.full_like(values["a"], literal[word]))
            else:
                columns.append(values[word] + self.modulus * (word in self._operators))
        return torch.stack(columns, -1)

    def read(self, tokens: Int[Tensor, "*sample position"]) -> dict[str, Int[Tensor, "*sample"]]:
        """The value of every variable where it is first written: what `write` was given, the answer where it is there.

        The answer is left out for inputs, which end before it.
        """
        values: dict[str, Int[Tensor, "*sample"]] = {}
        for role, position in self.roles.items():
            name = role.split(".")[1]
            if name not in values and position < tokens.shape[-1]:
                values[name] = tokens[..., position] - self.options(role).start
        return values

    def product(self, values: dict[str, Int[Tensor, "*sample"]]) -> Int[Tensor, "*sample"]:
        """What E2 should say: a * b mod p, or (a first b) * factor mod p."""
        a, b = values["a"], values["b"]
        if "first" not in values:
            return a * b % self.modulus
        return (a + _sign(values["first"]) * b) * values["factor"] % self.modulus

    def answer(
        self, product: Int[Tensor, "*sample"], values: dict[str, Int[Tensor, "*sample"]]
    ) -> Int[Tensor, "*sample"]:
        """What E3 should say if the product is this: product op c mod p."""
        return (product + _sign(values["op"]) * values["c"]) % self.modulus

    def product_posterior(
        self, written: dict[str, Int[Tensor, "*sample"]], *, read_step: bool = True
    ) -> Float[Tensor, "*sample residue"]:
        """Exact probability of each true product, given prompt and step as written (or the prompt alone).

        A pair (a', b') behind the written (a, b) weighs 1 - eps1 if it is that pair, eps1 / (2 (p - 1)) if it differs
        in exactly one entry, and nothing otherwise; the weights of all pairs, summed by their product t, are what the
        prompt says of t. The step, reading x, says 1 - eps2 for t = x and eps2 / (p - 1) for any other t.

        For a non-zero product that contradicts the step, the odds of prompt against step are
        (1 - eps1) eps2 : eps1 (1 - eps2): the optimum changes sides exactly at eps2 = eps1. If a or b is 0, many pairs
        give one product, and the prompt says more. NaN where what is written cannot be (no noise, and prompt and step
        disagree). With noise levels per member the first axis of what is written is `member`.

        Cost: O(sample * modulus).
        """
        p, seen = self.modulus, self.product(written)
        shift = torch.arange(1, p, device=seen.device)
        every = {name: value[..., None].expand(*seen.shape, p - 1) for name, value in written.items()}
        ways = torch.zeros(*seen.shape, p, dtype=torch.int64, device=seen.device)
        for name in ("a", "b"):
            other = self.product({**every, name: (every[name] + shift) % p})
            ways.scatter_add_(-1, other, torch.ones_like(other))
        eps1, eps2 = (_column(noise, seen.ndim) for noise in (self.prompt_noise, self.step_noise))
        weight = ways * (eps1 / (2 * (p - 1))) + _one_hot(seen, p) * (1 - eps1)
        if read_step:
            weight = weight * torch.where(_one_hot(written["product"], p) > 0, 1 - eps2, eps2 / (p - 1))
        return weight / weight.sum(-1, keepdim=True)

    def answer_posterior(self, written: dict[str, Int[Tensor, "*sample"]]) -> Float[Tensor, "*sample residue"]:
        """Exact probability of each answer, given prompt and step as written: `product_posterior` pushed through op c.

        The optimal prediction at the last =>; its mean cross-entropy is the least that any network can reach there.
        """
        residue = torch.arange(self.modulus, device=written["c"].device)
        product = (residue - (_sign(written["op"]) * written["c"])[..., None]) % self.modulus
        return self.product_posterior(written).gather(-1, product)

    def step_prediction(self, written: dict[str, Int[Tensor, "*sample"]]) -> Float[Tensor, "*sample residue"]:
        """Exact probability of each product to be *written*, given the prompt: the best prediction at the first =>."""
        true = self.product_posterior(written, read_step=False)
        eps2 = _column(self.step_noise, true.ndim - 1)
        return (1 - eps2) * true + eps2 / (self.modulus - 1) * (1 - true)

    @property
    def _words(self) -> list[str]:
        return LAYOUTS[self.layout].split()

    @property
    def _literals(self) -> list[str]:
        return [word for word in LITERALS if word in self._words]

    @property
    def _residues(self) -> list[str]:
        return [word for word in ("a", "b", "c", "factor") if word in self._words]

    @property
    def _operators(self) -> list[str]:
        return [word for word in ("op", "first") if word in self._words]

    def _batch(self, tokens: Int[Tensor, "member sample position"], clean: dict[str, Tensor]) -> Batch:
        weights = torch.zeros(tokens.shape, device=tokens.device)
        weights[..., self.prompt_length :] = 1.0
        return Batch(inputs=tokens[..., :-1], targets=tokens[..., 1:], weights=weights[..., 1:], latents=clean)


def _sign(operator: Int[Tensor, "*sample"]) -> Int[Tensor, "*sample"]:
    return 1 - 2 * operator


def _one_hot(index: Int[Tensor, "*sample"], size: int) -> Int[Tensor, "*sample size"]:
    return torch.nn.functional.one_hot(index, size)


def _column(noise: PerMember, sample_axes: int) -> Float[Tensor, "..."]:
    """A noise level, or one a member, to stand beside `[*sample, residue]`."""
    level = torch.as_tensor(noise, dtype=torch.float64)
    return level.view(*level.shape, *[1] * (sample_axes + 1 - level.ndim))
