"""The charts of a report, as inline SVG, from what stands in report.json."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lesionkit.pages.page import between, number, percent, points
from lesionkit.pages.svg import INK, OTHER, OURS, PAPER, QUIET, svg

Points = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Whisker:
    """A line of :func:`whiskers`.

    Attributes:
        name: what it is.
        value: a share in 0..1.
        interval: its interval, if there is one.
        reference: whether it is something to compare with.
    """

    name: str
    value: float
    interval: Sequence[float] | None = None
    reference: bool = False


def whiskers(lines: Sequence[Whisker], *, name: str, what: str) -> str:
    """Returns shares in 0..1 with their intervals below each other, as dots with whiskers."""
    told = [f"{percent(line.value)}{between(line.interval)}" for line in lines]

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        for place, (line, text) in enumerate(zip(lines, told, strict=True)):
            colour = OTHER if line.reference else OURS
            if line.interval:
                axis.plot(line.interval, [place, place], color=colour, lw=2.2, solid_capstyle="butt")
            axis.plot(line.value, place, "D" if line.reference else "o", color=colour, ms=5 if line.reference else 6.5)
            where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "bottom"}
            axis.annotate(line.name, (0, place - 0.2), ha="left", color=INK, **where)
            axis.annotate(text, (1, place - 0.2), ha="right", color=INK, **where)
        axis.set(xlim=(-0.015, 1.015), ylim=(len(lines) - 0.65, -0.85), yticks=[])
        axis.grid(axis="y", visible=False)
        axis.spines["left"].set_visible(False)
        axis.xaxis.set_major_formatter(PercentFormatter(1))
        axis.tick_params(axis="x", length=0)

    label = "; ".join(f"{line.name} {text}" for line, text in zip(lines, told, strict=True))
    return svg(draw, name=name, label=f"{what}: {label}.", height=28 + 35 * len(lines))


def history(
    values: Mapping[str, Sequence[float | None]],
    score: str,
    *,
    name: str,
    test: float | None = None,
    best_epoch: int | None = None,
) -> str:
    """Returns a figure of training by epoch, on training and on validation images, with the test figure as a line.

    Args:
        values: ``TrainingRun.history``.
        score: which of its entries.
        name: of the figure.
        test: the figure on the test images.
        best_epoch: the epoch of the least validation loss, from 1.
    """
    lines = {"training": (values[score], OURS, "o-"), "validation": (values.get(f"val_{score}"), OTHER, "s--")}
    known = {label: line for label, line in lines.items() if line[0]}
    epochs = len(values[score])

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        for label, (line, colour, style) in known.items():
            shown = [float("nan") if value is None else value for value in line or ()]
            axis.plot(range(1, epochs + 1), shown, style, color=colour, ms=4 if epochs < 40 else 0, label=label)
        if test is not None:
            axis.axhline(test, color=QUIET, ls="-.", lw=1.3, label="test, as shipped")
        if best_epoch:
            axis.axvline(best_epoch, color=QUIET, ls=":", lw=1.3, label="least validation loss")
        axis.set(xlabel="epoch", xlim=(0.5, epochs + 0.5))
        if score != "loss":
            axis.yaxis.set_major_formatter(PercentFormatter(1))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside upper left", ncols=2, handlelength=2.4, columnspacing=1.2)

    show = number if score == "loss" else percent
    last = ", ".join(f"{label} {show((line[0] or [None])[-1])}" for label, line in known.items())
    return svg(draw, name=name, label=f"{score} in {epochs} epochs; after the last: {last}.", height=240)


def class_curves(roc: Points | None, precision_recall: Points | None, *, share: float, name: str, label: str) -> str:
    """Returns the ROC and the precision-recall curve of one class, side by side, each beside that of chance.

    Args:
        roc: false positive rate and sensitivity.
        precision_recall: recall and precision.
        share: of the images that are of the class: the precision of chance.
        name: of the figure.
        label: what is seen.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots(1, 2)
        kinds = (
            (roc, (0, 1), "1 \N{MINUS SIGN} specificity", "sensitivity"),
            (precision_recall, (share, share), "sensitivity", "precision"),
        )
        for axis, (line, chance, below, beside) in zip(axes, kinds, strict=True):
            axis.plot((0, 1), chance, color=QUIET, ls=":", lw=1.3)
            if line:
                axis.plot(*zip(*line, strict=True), color=OURS, lw=1.6)
            else:
                axis.text(0.5, 0.5, "not known", ha="center", color=QUIET)
            ticks = {"xticks": (0, 0.5, 1), "yticks": (0, 0.5, 1), "xlim": (-0.02, 1.02), "ylim": (-0.02, 1.02)}
            axis.set(xlabel=below, ylabel=beside, aspect="equal", **ticks)
            axis.tick_params(length=0, labelsize=9)
            axis.xaxis.label.set_size(9.5)
            axis.yaxis.label.set_size(9.5)

    return svg(draw, name=name, label=label, width=300, height=162)


def reliability(bins: Mapping[str, Sequence[Mapping[str, Any]]], *, name: str, label: str) -> str:
    """Returns a reliability diagram, and below it how many images have which confidence.

    Args:
        bins: what it is of -> its :class:`~lesionkit.metrics.calibration.Bin` as data, one or two of them.
        name: of the figure.
        label: what is seen.
    """

    def draw(figure: Figure) -> None:
        axis, counts = figure.subplots(2, height_ratios=[3, 1], sharex=True)
        axis.plot((0, 1), (0, 1), color=QUIET, ls=":", lw=1.3, label="as it should be")
        for (told, found), (colour, mark), way in zip(bins.items(), ((OURS, "o"), (OTHER, "s")), (-1, 1), strict=False):
            kept = [one for one in found if one["n"]]
            at, hits = ([one[key] for one in kept] for key in ("confidence", "accuracy"))
            for one in kept:
                if one["interval"]:
                    axis.plot([one["confidence"]] * 2, one["interval"], color=colour, lw=1.1, alpha=0.6)
            axis.plot(at, hits, mark, color=colour, label=told)
            wide = (found[0]["high"] - found[0]["low"]) * 0.8 / len(bins)
            off = way * wide / 2 if len(bins) > 1 else 0.0
            middle = [(one["low"] + one["high"]) / 2 + off for one in found]
            counts.bar(middle, [one["n"] for one in found], width=wide, color=colour)
        axis.set(ylabel="share that is right", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        counts.set(xlabel="probability of the likeliest class", ylabel="images")
        counts.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        for one in (axis.xaxis, axis.yaxis):
            one.set_major_formatter(PercentFormatter(1))
        figure.legend(loc="outside upper left", ncols=3, handlelength=1.4, columnspacing=1.2)

    return svg(draw, name=name, label=label, height=340)


def coverage(told: Mapping[str, Any], *, name: str) -> str:
    """Returns accuracy against the share of images that are answered, from a ``Selective`` as data."""
    answered = told["answered"]

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        axis.axhline(told["accuracy"], color=QUIET, ls=":", lw=1.3, label="in a random order")
        axis.plot(told["coverage"], told["accuracy_at"], color=OURS, label="the surest first")
        for one in answered:
            axis.plot([one["coverage"]] * 2, one["interval"], color=OURS, lw=1.3)
            axis.plot(one["coverage"], one["accuracy"], "o", color=OURS, ms=5.5)
        axis.set(
            xlabel="share of the images that is answered", ylabel="accuracy on them", xlim=(0, 1.02), ylim=(0, 1.02)
        )
        for one in (axis.xaxis, axis.yaxis):
            one.set_major_formatter(PercentFormatter(1))
        figure.legend(loc="outside upper left", ncols=2, handlelength=2, columnspacing=1.2)

    points = ", ".join(f"{percent(one['accuracy'])} on the surest {percent(one['coverage'], 0)}" for one in answered)
    return svg(draw, name=name, label=f"Accuracy by the share of images that is answered: {points}.", height=270)


def robustness(
    rows: Sequence[Mapping[str, Any]], figure_name: str, *, told: Collection[str], name: str, label: str
) -> str:
    """Returns a figure of each artefact at each strength, with its interval; from the rows of a ``Stress`` as data.

    Args:
        rows: strength by strength for each artefact.
        figure_name: which figure of the rows: ``flip_rate``, or a change of a score.
        told: the verdicts that say that a change can be told from none: these dots are filled.
        name: of the figure.
        label: what is seen.
    """
    share = figure_name == "flip_rate"
    artefacts = list(dict.fromkeys(row["artefact"] for row in rows))

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        for row in rows:
            place = artefacts.index(row["artefact"]) + 0.2 * row["strength"] - 0.28
            if row["intervals"]:
                axis.plot(row["intervals"][figure_name], [place] * 2, color=OURS, lw=1.6, solid_capstyle="butt")
            inside = OURS if share or row["verdict"] in told else PAPER
            axis.plot(row[figure_name], place, "o", mec=OURS, mfc=inside, ms=3.5 + row["strength"], mew=1.3)
        for place, artefact in enumerate(artefacts):
            where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center"}
            axis.annotate(artefact.replace("_", " "), (0, place - 0.36), color=INK, **where)
        axis.set(ylim=(len(artefacts) - 0.5, -0.65), yticks=[])
        axis.axvline(0, color=QUIET, lw=1, zorder=0)
        axis.grid(axis="y", visible=False)
        axis.spines["left"].set_visible(False)
        axis.xaxis.set_major_formatter(lambda value, _: percent(value, 0) if share else points(value, 0))

    return svg(draw, name=name, label=label, height=40 + 56 * len(artefacts))
