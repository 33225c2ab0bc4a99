"""How figures are drawn: one style, safe for the colour-blind and legible in a paper. Alone imports matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from math import ceil, log10, sqrt
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter, PercentFormatter
from PIL import Image

from genbench.report.trials import EXACT

FORMATS: dict[str, dict[str, Any]] = {
    "png": {"dpi": 160, "metadata": {"Software": None}},
    "pdf": {"dpi": 300, "metadata": {"CreationDate": None, "Producer": None, "Creator": None}},
    "svg": {"dpi": 300, "metadata": {"Date": None, "Creator": None}},
}
WIDTH = 7.2  # inches
LETTER = 0.055  # inches, in the mean of a name
INK, FAINT = "#222222", "#9a9a9a"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe & Ito
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
MARKERS = "osD^vPX*<>"
REFERENCE: dict[str, Any] = {"truth": (0, (6, 2)), "noise": (0, (1, 2)), "thief": (0, (4, 2, 1, 2)),
                             EXACT: "-"}  # fmt: skip
STYLE: dict[str, Any] = {
    "font.size": 7.5, "axes.titlesize": 8, "axes.labelsize": 7.5, "legend.fontsize": 7.5, "text.parse_math": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "axes.edgecolor": INK,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.grid": True, "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5, "axes.axisbelow": True, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.major.size": 2.5, "ytick.major.size": 2.5, "legend.frameon": False, "lines.linewidth": 1.3,
    "pdf.fonttype": 42, "svg.hashsalt": "genbench", "svg.fonttype": "none", "figure.constrained_layout.use": True,
}  # fmt: skip


def draw(kind: str, data: dict[str, Any]) -> dict[str, bytes]:
    """The figure in every format, byte for byte the same for the same data."""
    made = {}
    style: Any = {**mpl.rcParamsDefault, "backend": "agg", **STYLE}
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        canvas = KINDS[kind](data)
        FigureCanvasAgg(canvas)
        if engine := canvas.get_layout_engine():
            engine.execute(canvas)
            canvas.set_layout_engine("none")  # laid out once, not once a format
        for suffix, how in FORMATS.items():
            out = BytesIO()
            canvas.savefig(out, format=suffix, **how)
            made[suffix] = out.getvalue()
    return made if any(ax.images for ax in canvas.axes) else {**made, "png": fewer(made["png"])}


def fewer(png: bytes) -> bytes:
    """The picture in 256 colours, a third of the bytes: lines on white need no more."""
    out = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return out.getvalue()


def colour(palette: dict[str, int], model: str) -> str:
    return COLOURS[palette[model] % len(COLOURS)] if model in palette else FAINT


def dash(palette: dict[str, int], model: str) -> Any:
    return DASHES[palette[model] // len(COLOURS) % len(DASHES)] if model in palette else REFERENCE.get(model, ":")


def marker(palette: dict[str, int], model: str) -> str:
    return MARKERS[palette[model] % len(MARKERS)] if model in palette else ""


def grid(count: int, widest: int, height: float, extra: float = 0.0) -> tuple[Canvas, list[Axes]]:
    """Panels in even rows of at most `widest`, all of one size; `height` is in parts of a panel's width."""
    rows = ceil(count / widest)
    columns = max(ceil(count / rows), min(3, widest))
    canvas = Canvas(figsize=(WIDTH, rows * height * WIDTH / columns + extra))
    every: list[Axes] = list(canvas.subplots(rows, columns, squeeze=False).flat)
    for unused in every[count:]:
        unused.remove()
    return canvas, every[:count]


def scaled(ax: Axes, values: Iterable[float]) -> None:
    """Limits from the models' own values, logarithmic where they span decades; references may lie outside."""
    seen = np.array([v for v in values if np.isfinite(v)])
    if not len(seen):
        return
    low, high = float(seen.min()), float(seen.max())
    if low > 0 and high / low > 30:
        ax.set_yscale("log")
        decades(ax.yaxis, high / low)
        room = 0.08 * log10(high / low)
        ax.set_ylim(low / 10**room, high * 10**room)
    else:
        room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        ax.set_ylim(low - room, high + room)


def decades(axis: Axis, ratio: float) -> None:
    """Plain numbers on a logarithmic axis, as many as there is room for."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5) if ratio < 10 else (1, 3) if ratio < 100 else (1,), numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def beneath(axes: Sequence[Axes], label: str) -> None:
    """The label of the horizontal axis, under the lowest panel of each column."""
    lowest = {ax.get_subplotspec().colspan.start: ax for ax in axes if ax.get_subplotspec()}  # type: ignore[union-attr]
    for ax in lowest.values():
        ax.set_xlabel(label)


def shown(name: str) -> str:
    """A legend leaves out names that begin with an underscore, so they get a hair's breadth before it."""
    return f"\u200a{name}" if name.startswith("_") else name


def legend(canvas: Canvas, palette: dict[str, int], models: Iterable[str], *, lines: bool) -> None:
    order = sorted(set(models), key=lambda m: (m in palette, palette.get(m, 0), m))
    handles = [
        Line2D([], [], color=colour(palette, m), marker=marker(palette, m), markersize=4,
               linestyle=dash(palette, m) if lines or m not in palette else "")
        for m in order
    ]  # fmt: skip
    names = [shown(m) for m in order]
    wide = int(WIDTH / (0.55 + LETTER * max(map(len, names))))  # names of that length that fit beside each other
    canvas.legend(handles, names, loc="outside lower center", ncols=max(1, min(6, wide, len(order))))


def reference(ax: Axes, lines: dict[str, Any], palette: dict[str, int]) -> None:
    for model in (m for m in lines if m not in palette):
        y = lines[model]["y"]
        level = y[-1] if isinstance(y, list | tuple) else y
        ax.axhline(level, color=FAINT, linestyle=dash(palette, model), linewidth=1, zorder=1)


def curves(data: dict[str, Any]) -> Canvas:
    palette, panels = data["palette"], data["panels"]
    canvas, axes = grid(len(panels), 3, 0.68, 0.65)
    for ax, panel in zip(axes, panels, strict=True):
        seen: list[float] = []
        for model, line in panel["lines"].items():
            if model in panel.get("faint", ()):
                ax.plot(line["x"], line["y"], color=FAINT, linewidth=0.5, alpha=0.7, zorder=1)
                seen += line["y"]
            elif model in palette:
                ink = colour(palette, model)
                ax.fill_between(line["x"], line["low"], line["high"], color=ink, alpha=0.12, linewidth=0)
                ax.plot(
                    line["x"],
                    line["y"],
                    color=ink,
                    linestyle=dash(palette, model),
                    marker=marker(palette, model),
                    markersize=3,
                )
                seen += line["y"] + (line["low"] + line["high"] if data.get("bands") else [])
        reference(ax, panel["lines"], palette)
        scaled(ax, seen)
        ax.set_title(panel["title"])
        ax.set_ylabel(fill(panel["unit"], 18))
        spent = [x for m, line in panel["lines"].items() if m in palette for x in line["x"] if x > 0]
        if spent and max(spent) > data.get("linear", 30) * min(spent) and data["label"] != "training examples":
            ax.set_xscale("log")
            decades(ax.xaxis, max(spent) / min(spent))
        else:
            low, high = min(spent, default=0.0), max(spent, default=1.0)
            ax.set_xlim(low - 0.03 * high if low > 0.3 * high else 0, 1.03 * high)
            if max(spent, default=1.0) >= 1e4:
                ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    beneath(axes, data["label"])
    legend(canvas, palette, (m for p in panels for m in p["lines"] if m not in p.get("faint", ())), lines=True)
    return canvas


def costs(data: dict[str, Any]) -> Canvas:
    palette, panels = data["palette"], data["panels"]
    canvas, axes = grid(len(panels), 3, 0.68, 0.65)
    for ax, panel in zip(axes, panels, strict=True):
        points = {m: p for m, p in panel["lines"].items() if m in palette}
        for path in panel.get("paths", []):
            ends = [points[m] for m in path if m in points]
            ax.plot([p["x"] for p in ends], [p["y"] for p in ends], color=FAINT, linewidth=0.8, zorder=1)
        best = [points[m] for m in panel.get("front", [])]
        ax.plot(
            [p["x"] for p in best], [p["y"] for p in best], color="#cccccc", linewidth=3, zorder=1, marker="o", ms=9
        )
        for model, p in points.items():
            ax.errorbar(
                p["x"],
                p["y"],
                p["half"],
                fmt=marker(palette, model),
                color=colour(palette, model),
                markersize=4.5,
                elinewidth=0.8,
            )
        reference(ax, panel["lines"], palette)
        scaled(ax, [p["y"] for p in points.values()])
        ax.set_xscale("log")
        spent = [p["x"] for p in points.values() if p["x"] > 0]
        decades(ax.xaxis, max(spent) / min(spent))
        ax.set_title(panel["title"])
        ax.set_ylabel(fill(panel["unit"], 18))
    beneath(axes, data.get("label", "seconds of training"))
    legend(canvas, palette, (m for p in panels for m in p["lines"]), lines=False)
    return canvas


def samples(data: dict[str, Any]) -> Canvas:
    palette, sheets, real = data["palette"], data["sheets"], data["real"]
    canvas, axes = grid(len(sheets), 6, 1.1)
    for ax, (model, fake) in zip(axes, sheets.items(), strict=True):
        ax.set_title(model, fontweight="normal")
        ax.grid(visible=False)
        ax.set(xticks=[], yticks=[])
        if real is None:
            ax.imshow(tiled(fake), cmap="gray", vmin=0, vmax=255)
            ax.spines[:].set_visible(False)
            continue
        ax.spines[:].set_visible(True)
        ax.spines[:].set_color("#cccccc")
        if plane := data.get("planes", {}).get(model):
            density, low, high = plane
            half = (high - low) / (len(density) - 1) / 2  # a value is that of its square's middle
            box = (low[0] - half[0], high[0] + half[0], low[1] - half[1], high[1] + half[1])
            shade = {"cmap": "YlOrBr", "alpha": 0.8 * np.sqrt(density), "extent": box}  # white where there is none
            ax.imshow(density, **shade, origin="lower", aspect="auto", zorder=0)
        ax.scatter(real[:, 0], real[:, 1], s=1.2, color="#c9c9c9", linewidths=0, rasterized=True)
        ax.scatter(
            fake[:, 0],
            fake[:, 1],
            s=1.8,
            color=colour(palette, model) if model in palette else INK,
            linewidths=0,
            rasterized=True,
        )
        middle, reach = (real.max(0) + real.min(0)) / 2, float((real.max(0) - real.min(0)).max()) * 0.6 or 1.0
        ax.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach), aspect="equal")
    return canvas


def tiled(images: np.ndarray, side: int = 0) -> np.ndarray:
    """(n, c, h, w) bytes as one sheet, `side` across (a square where none is given), one pixel between the images."""
    n, c, h, w = images.shape
    side = side or ceil(sqrt(n))
    sheet = np.full((ceil(n / side) * (h + 1) - 1, side * (w + 1) - 1, c), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // side * (h + 1), i % side * (w + 1)
        sheet[top : top + h, left : left + w] = image.transpose(1, 2, 0)
    return sheet[..., 0] if c == 1 else sheet


def reconstructions(data: dict[str, Any]) -> Canvas:
    strips = {model: tiled(images, len(images)) for model, images in data["strips"].items()}
    tall, wide = next(iter(strips.values())).shape[:2]
    across = min(0.84, 1 - 0.0075 * max(map(len, strips))) * WIDTH  # of a strip; the rest is for names
    canvas = Canvas(figsize=(WIDTH, len(strips) * (across * tall / wide + 0.04) + 0.1))
    for ax, (model, strip) in zip(canvas.subplots(len(strips), squeeze=False).flat, strips.items(), strict=True):
        ax.imshow(strip, cmap="gray", vmin=0, vmax=255)
        ax.set_anchor("E")
        ax.set_ylabel(model, rotation=0, ha="right", va="center")
        ax.grid(visible=False)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return canvas


def codes(data: dict[str, Any]) -> Canvas:
    planes = data["planes"]
    canvas, axes = grid(len(planes), 3, 0.95)
    for ax, (model, (codes, labels)) in zip(axes, planes.items(), strict=True):
        for i, label in enumerate(np.unique(labels)):
            x, y = codes[labels == label].T
            ink, mark = COLOURS[i % len(COLOURS)], MARKERS[i // len(COLOURS) % len(MARKERS)]
            ax.scatter(x, y, s=5, color=ink, marker=mark, linewidths=0, alpha=0.6, rasterized=True)
            where, box = (float(np.median(x)), float(np.median(y))), {"fc": "white", "alpha": 0.75, "lw": 0, "pad": 1}
            ax.annotate(f"{label:g}", where, fontweight="bold", ha="center", va="center", bbox=box)
        low, high = np.percentile(codes, (1, 99), axis=0)
        room = 0.08 * (high - low) + 1e-9
        ax.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
        ax.set_title(model)
    return canvas


def scaling(data: dict[str, Any]) -> Canvas:
    """Lines over a logarithmic axis, and dotted ones that they are to be held against."""
    palette, panels = data["palette"], data["panels"]
    canvas, axes = grid(len(panels), 3, 0.68, 0.65)
    for ax, panel in zip(axes, panels, strict=True):
        for model, line in panel["lines"].items():
            style = {"linestyle": dash(palette, model), "marker": marker(palette, model), "markersize": 3}
            ax.plot(line["x"], line["y"], color=colour(palette, model), **style)
        every = [x for line in panel["lines"].values() for x in line["x"]]
        ax.set_xscale("log")
        decades(ax.xaxis, max(every) / min(every))
        for level in data["levels"]:
            ax.axhline(level, color=FAINT, linestyle=":", linewidth=1, zorder=1)
        if panel.get("log"):
            heights = [y for line in panel["lines"].values() for y in line["y"]]
            ax.set_yscale("log")
            decades(ax.yaxis, max(heights) / min(heights))
            for guide in panel["guides"]:
                ax.plot(guide["x"], guide["y"], color=FAINT, linestyle=":", linewidth=1, zorder=1)
        else:
            ax.set_ylim(*panel.get("range", (-0.03, 1.03)))
        ax.set_title(panel["title"])
        ax.set_ylabel(fill(panel["unit"], 18))
    beneath(axes, data["label"])
    legend(canvas, palette, (m for p in panels for m in p["lines"]), lines=True)
    return canvas


def traces(data: dict[str, Any]) -> Canvas:
    losses = data["losses"]
    canvas, axes = grid(len(losses), 4, 0.75, 0.2)
    for ax, (model, players) in zip(axes, losses.items(), strict=True):
        values: list[float] = []
        for ink, style, (player, line) in zip(COLOURS * 2, DASHES * 5, players.items(), strict=False):
            ax.plot(line["x"], line["y"], color=ink, linewidth=0.9, label=shown(player), linestyle=style)
            values += line["y"]
        if len(players) > 1:
            ax.legend(fontsize=6, handlelength=1.2, borderaxespad=0.2)
        low, high = np.percentile(values, (1, 99))
        scaled(ax, [float(low), float(high)])
        ax.set_title(model)
        ax.xaxis.set_major_formatter(PercentFormatter(1))
        ax.set_xlim(0, 1.03)
    beneath(axes, "share of the budget")
    return canvas


def ranks(data: dict[str, Any]) -> Canvas:
    """Critical differences, as scikit-posthocs draws them."""
    import pandas as pd
    from scikit_posthocs import critical_difference_diagram, posthoc_nemenyi_friedman

    panels, palette = data["panels"], data["palette"]
    most = max(len(panel["scores"]) for panel in panels)
    canvas = Canvas(figsize=(WIDTH, len(panels) * (0.55 + 0.13 * most)))
    for ax, panel in zip(canvas.subplots(len(panels), squeeze=False).flat, panels, strict=True):
        scores = pd.DataFrame(panel["scores"])
        mean = scores.rank(axis=1, ascending=panel["lower"]).mean()
        inks = {model: colour(palette, model) for model in panel["scores"]}
        alike = posthoc_nemenyi_friedman(scores)
        critical_difference_diagram(mean, alike, ax=ax, color_palette=inks, label_fmt_left="{label} ({rank:.2g}) ",
                                    label_fmt_right=" {label} ({rank:.2g})")  # fmt: skip
        low, high = ax.get_xlim()
        room = LETTER * (max(map(len, inks)) + 6) / WIDTH  # the share of the width that the longest name takes
        room *= (high - low) / (1 - 2 * room)
        ax.set_xlim(low - room, high + room)
        ax.set_title(panel["title"])
        ax.grid(visible=False)
    return canvas


def fields(data: dict[str, Any]) -> Canvas:
    points, panels = data["points"], data["panels"]
    canvas, axes = grid(len(panels), 3, 1.05)
    for ax, (title, arrows) in zip(axes, panels.items(), strict=True):
        length = np.linalg.norm(arrows, axis=1)
        heads = arrows / np.where(length > 1e-9 * length.max(), length, np.inf)[:, None]
        ax.quiver(*points.T, *heads.T, length, cmap="viridis", pivot="mid", scale=22, width=0.006, headwidth=4)
        ax.set_title(title)
        ax.grid(visible=False)
        ax.set_aspect("equal")
    return canvas


def paths(data: dict[str, Any]) -> Canvas:
    palette, window = data["palette"], data["window"]
    canvas, axes = grid(len(data["paths"]), 4, 1.1)
    for ax, (model, points) in zip(axes, data["paths"].items(), strict=True):
        if window:
            low_x, low_y, high_x, high_y = window
            ax.set(xlim=(low_x, high_x), ylim=(low_y, high_y))
        else:
            ax.plot([0, 1, 0.5, 0], [0, 0, 0.75**0.5, 0], color=FAINT, linewidth=0.8)
            ax.set_axis_off()
        ax.plot(*points.T, color=colour(palette, model), linewidth=0.7, rasterized=True)
        ax.plot(*points[0], marker="o", markerfacecolor="white", color=INK, markersize=4)
        ax.plot(*data["goals"].T, linestyle="", marker="*", color=INK, markersize=7)
        ax.set_title(model)
        ax.set_aspect("equal")
    return canvas


def trust(data: dict[str, Any]) -> Canvas:
    rows, columns = data["rows"], data["columns"]
    values = np.array([[np.nan if v is None else v for v in row] for row in rows.values()])
    room = ConstrainedLayoutEngine(w_pad=0.15)  # long names are wider in print than they were laid out
    canvas = Canvas(figsize=(WIDTH, 0.6 + 0.19 * len(rows)), layout=room)
    ax = canvas.subplots()
    ax.imshow(values, cmap="Blues_r", vmin=0, vmax=1.25, aspect="auto")  # so that what is found late is not white
    for i, j in np.ndindex(values.shape):
        if np.isfinite(values[i, j]):
            ink = "white" if values[i, j] < 0.6 else INK
            ax.annotate(f"{values[i, j]:.2g}", (j, i), color=ink, ha="center", va="center", fontsize=6.5)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return canvas


KINDS: dict[str, Callable[[dict[str, Any]], Canvas]] = {
    "curves": curves, "curves-seconds": curves, "curves-flops": curves, "costs": costs, "samples": samples,
    "reconstructions": reconstructions, "codes": codes, "rates": costs, "manifolds": samples, "filters": samples,
    "traces": traces, "ranks": ranks, "nearest": reconstructions, "walks": reconstructions,
    "fields": fields, "paths": paths,
    "complexity": scaling, "powers": scaling, "brackets": curves, "curse": scaling,
    "trust": trust,
}  # fmt: skip
