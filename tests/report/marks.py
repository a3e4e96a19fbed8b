"""One example of every kind of mark, for the tests of what draws them."""

import numpy as np

from ontogeny.report.figure import Axis, Band, Contour, Heatmap, Line, Points, Rule, Shade, Text

GRID = np.arange(12.0).reshape(3, 4)

EXAMPLES = [
    Line([1, 2, 4, 8], [3.25, np.nan, 1.5, 0.125], name="line", dash="dash"),
    Band([1, 2, 4, 8], [1, 2, np.nan, 4], [2, 3, 4, 5], name="band"),
    Points([1, 2, 4], [3.5, 2.5, 1.5], low=[3, 2, 1], high=[4, 3, 3], name="points", symbol="ring"),
    Points([1, 2, 4], [3.5, 2.5, 1.5], values=[1, 10, 100], scale=Axis("score", log=True), symbol="x"),
    Heatmap([1, 2, 4, 8], [1, 2, 3], GRID, scale=Axis("heat", "K"), palette="diverging"),
    Heatmap([1, 2, 4, 8], [1, 2, 3], GRID % 3, categories=("a", "b", "c"), opacity=GRID / 12),
    Contour([1, 2, 4, 8], [1, 2, 3], GRID, scale=Axis("height", "m")),
    Rule(x=3, label="here"),
    Rule(y=2, label="there"),
    Shade(x=(0, 3), label="early"),
    Shade(y=(1, 2)),
    Text(2, 2, "a word", anchor="right"),
]
