"""The legend of a figure: one entry a name, however many marks share it."""

from dataclasses import dataclass

from ontogeny.report.figure import Band, Figure, Heatmap, Line, Points, Series, palette_of


@dataclass(frozen=True)
class Entry:
    """What stands before a name: a line, a band, a point, a cell, or a line on a band."""

    name: str
    colour: str
    line: Line | None = None
    band: Band | None = None
    points: Points | None = None

    @property
    def cell(self) -> bool:
        """Whether it stands for cells of a heat map."""
        return self.line is None and self.band is None and self.points is None


def legend_of(figure: Figure) -> list[Entry]:
    """The entries of a figure's legend, in order of appearance. A single series needs none: the axis names it."""
    palette = palette_of(figure)
    found: dict[str, dict] = {}
    for mark in (m for panel in figure.panels for m in panel.marks):
        match mark:
            case Series() if mark.name:
                found.setdefault(mark.name, {}).setdefault(type(mark).__name__.lower(), mark)
            case Heatmap():
                for index, name in enumerate(mark.categories):
                    found.setdefault(name, {"colour": mark.colour_of(index)})
    return [Entry(name, looks.pop("colour", palette.get(name, "ink")), **looks) for name, looks in found.items()]
