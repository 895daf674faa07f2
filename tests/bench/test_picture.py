"""The bench's picture is well-formed and shows what was measured and what is paid."""

from xml.etree import ElementTree as ET

from bench.figures import Row
from bench.picture import draw

SVG = "{http://www.w3.org/2000/svg}"


def _rows(*sizes: int) -> list[Row]:
    return [
        Row(f"growth, {size} objects", "until the last status", size / 200, "s") for size in sizes
    ]


def _texts(picture: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(picture).iter(f"{SVG}text")]  # noqa: S314 - our own


def test_both_halves_are_drawn() -> None:
    picture = draw(_rows(1000, 3000, 10_000, 30_000))
    assert len(list(ET.fromstring(picture).iter(f"{SVG}polyline"))) == 3  # noqa: S314 - our own
    texts = _texts(picture)
    assert {"1,000", "30,000", "10s", "1h", "1d", "seconds", "dollars a month"} <= set(texts)


def test_without_growth_only_the_dollars_are_drawn() -> None:
    for rows in ([], _rows(1000)):
        assert "seconds" not in _texts(draw(rows))
        assert "dollars a month" in _texts(draw(rows))


def test_every_point_lies_within_the_picture() -> None:
    root = ET.fromstring(draw(_rows(100, 300, 1000)))  # noqa: S314 - our own
    for line in root.iter(f"{SVG}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 80 <= x <= 540
            assert 50 <= y <= 340
