"""What each variant is worth, as a picture: a forest plot of differences to the baseline."""

import textwrap
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from lesionkit.comparison import BETTER, CANNOT_TELL, WORSE, Comparison

_COLOURS = {BETTER: "#0072b2", WORSE: "#c44e00", CANNOT_TELL: "#6b6b6b"}


def forest(compared: Sequence[tuple[str, Comparison]], baseline: float, under: Sequence[str]) -> Figure:
    """Returns a picture of each variant's difference to the baseline, in points, with its intervals and its verdict.

    Args:
        compared: (name, comparison) of each variant, from the top.
        baseline: the baseline's balanced accuracy.
        under: lines below the title.
    """
    figure = Figure(
        figsize=(9.5, 2.4 + 0.5 * max(len(compared), 1)), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    )
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.axvline(0, color="black", linewidth=1, zorder=1)
    for place, (_, one) in enumerate(compared):
        colour = _COLOURS[one.verdict]
        for ends, width in ((one.adjusted, 1.3), (one.interval, 4.5)):
            axis.plot([100 * end for end in ends], [place, place], color=colour, lw=width, solid_capstyle="butt")
        seeds = [100 * each for each in one.by_seed]
        axis.plot(seeds, [place + 0.27] * len(seeds), "|", color=colour, ms=6, mew=1.2)
        axis.plot(100 * one.difference, place, "o", ms=8.5, color=colour, zorder=3)
        told = f"{100 * one.difference:+.1f}  {one.verdict}"
        axis.annotate(
            told, (1.015, place), xycoords=("axes fraction", "data"), va="center", fontsize=10.5, color=colour
        )
    names = [textwrap.fill(name, 30) for name, _ in compared]
    axis.set_yticks(range(len(compared)), labels=names, fontsize=10.5, parse_math=False)
    axis.set_ylim(max(len(compared), 1) - 0.4, -0.6)
    axis.set_xlabel(f"points of balanced accuracy more than the baseline ({100 * baseline:.1f}%)", fontsize=11)
    axis.grid(axis="x", alpha=0.3)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    figure.suptitle("What each improvement is worth", fontsize=14)
    axis.set_title(
        "\n".join(textwrap.fill(line, 90) for line in under), fontsize=9.5, color="#444444", parse_math=False
    )
    key = [
        Line2D([], [], color="#444444", lw=4.5, label="95%"),
        Line2D([], [], color="#444444", lw=1.3, label="for all comparisons at once: the verdict"),
        Line2D([], [], color="#444444", ls="", marker="|", ms=6, mew=1.2, label="each seed"),
    ]
    figure.legend(handles=key, loc="outside lower center", ncols=3, fontsize=9.5, frameon=False)
    return figure
