"""Differences to a baseline with their intervals, as inline SVG for a page."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from lesionkit.metrics.intervals.comparison import BETTER, WORSE, Comparison
from lesionkit.pages.page import ends, points
from lesionkit.pages.svg import BAD, INK, OURS, QUIET, svg
from lesionkit.text import as_text

_COLOURS = {BETTER: OURS, WORSE: BAD}


def differences(compared: Sequence[tuple[str, Comparison]], *, name: str) -> str:
    """Returns each difference in points as a dot, with its interval at 95% (thick) and for all at once (thin).

    Args:
        compared: (name, comparison) from the top, of shares such as accuracies.
        name: of the figure.
    """
    told = [f"{points(one.difference)} ({ends(one.adjusted, 'points')}), {one.verdict}" for _, one in compared]

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        for place, ((label, one), text) in enumerate(zip(compared, told, strict=True)):
            colour = _COLOURS.get(one.verdict, QUIET)
            axis.plot([0, 0], [place - 0.13, place + 0.3], color=INK, lw=1)
            for pair, width in ((one.adjusted, 1.2), (one.interval, 3.5)):
                axis.plot([100 * end for end in pair], [place, place], color=colour, lw=width, solid_capstyle="butt")
            seeds = [100 * each for each in one.by_seed]
            axis.plot(seeds, [place + 0.2] * len(seeds), "|", color=colour, ms=5)
            axis.plot(100 * one.difference, place, "o", color=colour, ms=6.5)
            where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "color": INK}
            axis.annotate(_short(label), (0, place - 0.42), ha="left", **where)
            axis.annotate(text, (0, place - 0.2), ha="left", **{**where, "color": colour})
        axis.set(ylim=(len(compared) - 0.55, -0.75), yticks=[], xlabel="points more than the baseline")
        axis.grid(axis="y", visible=False)
        axis.spines["left"].set_visible(False)

    label = "; ".join(f"{as_text(one)} {text}" for (one, _), text in zip(compared, told, strict=True))
    return svg(draw, name=name, label=f"Points more than the baseline: {label}.", height=48 + 62 * len(compared))


def _short(name: str) -> str:
    shown = as_text(name)
    return shown if len(shown) <= 48 else f"\N{HORIZONTAL ELLIPSIS}{shown[-47:]}"
