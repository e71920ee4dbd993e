"""Strips of images below a figure, on paper and on a page."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from explorer.report.figures import style
from explorer.report.figures.strips import TILES, Strip, mosaic

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_ABREAST = 3  # strips side by side
_INCHES = 0.55  # of a strip with its heading and the room above it
_PIXELS = 84  # of a strip's images on a page
_HEADING = 32  # pixels of a heading of two lines


def below_paper(figure: "Figure", strips: Sequence[Strip]) -> None:
    """Make a figure for print higher by a row of strips, and draw them there."""
    if not strips:
        return
    width, before = figure.get_size_inches()
    height = before + _INCHES
    figure.set_size_inches(width, height)
    share = _INCHES / height
    figure.set_layout_engine("constrained", rect=(0, share, 1, 1 - share))
    edge = 0.01
    across = (1 - 2 * edge) / _ABREAST
    for i, strip in enumerate(strips):
        left = edge + i * across
        # Below the room above: a heading of 0.14 inches, then the images.
        top = (_INCHES - 0.1) / height
        heading = f"{strip.said}: {strip.arm}"
        text: dict[str, Any] = {"fontsize": 6.5, "va": "top", "ha": "left"}
        figure.text(left, top, heading, color=style.COLORS[strip.role], **text)
        beneath = top - 0.13 / height
        if not len(strip.images):
            figure.text(left, beneath, strip.lack, color=style.DIM, style="italic", **text)
            continue
        box = (left, 0.02 / height, across - 0.012, beneath - 0.02 / height)
        axes = figure.add_axes(box)
        axes.imshow(mosaic(strip.images, TILES), cmap="gray", vmin=0, vmax=255, aspect="equal")
        axes.set_anchor("NW")
        axes.set_axis_off()


def below_page(figure: "go.Figure", strips: Sequence[Strip]) -> None:
    """Make a figure for a page higher by a row of strips, and put them there."""
    if not strips:
        return
    margin = figure.layout.margin
    inside = figure.layout.height - margin.t - margin.b
    above = margin.b + _HEADING
    added = _HEADING + _PIXELS + 4
    for i, strip in enumerate(strips):
        left = i / _ABREAST
        color = style.COLORS[strip.role]
        lack = "" if len(strip.images) else f"<br><i>{strip.lack}</i>"
        figure.add_annotation(
            text=f'<span style="color:{color}">{strip.said}</span><br>{strip.arm}{lack}',
            x=left,
            # As a share of the height inside, as the images have to be: where a legend takes more
            # rows than it was given, both move together.
            y=-margin.b / inside,
            xref="paper",
            yref="paper",
            xanchor="left",
            yanchor="top",
            align="left",
            showarrow=False,
            font={"size": 11},
        )
        if len(strip.images):
            figure.add_layout_image(
                source=data_url(strip),
                x=left,
                y=-above / inside,
                xref="paper",
                yref="paper",
                xanchor="left",
                yanchor="top",
                sizex=0.96 / _ABREAST,
                sizey=_PIXELS / inside,
                sizing="contain",
            )
    figure.update_layout(height=figure.layout.height + added, margin_b=margin.b + added)


def data_url(strip: Strip) -> str:
    """Return the images of a strip as a PNG in two rows, as the address of an image on a page."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(mosaic(strip.images, TILES // 2)).save(stream, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
