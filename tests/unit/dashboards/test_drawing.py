import xml.etree.ElementTree as ET

from tests.dashboards.charts import Chart, Page, lines, number
from tests.dashboards.drawing import BAD, GOOD, MAX_LINES, Drawn, Line, draw

PAGE = Page("x", "A page", "", ())


def drawn(chart: Chart, *found: Line) -> str:
    text = draw(PAGE, [("Row", [Drawn(chart, found)])])
    ET.fromstring(text)
    return text


def test_chart_without_data_says_so() -> None:
    assert "no data" in drawn(lines("Jobs", ("x", "")))


def test_number_is_red_where_it_is_bad() -> None:
    chart = number("Dead letters", "x", bad_from=1)

    assert BAD in drawn(chart, Line("", [(0, 0), (1, 1)]))
    assert GOOD in drawn(chart, Line("", [(0, 1), (1, 0)]))


def test_of_many_lines_the_highest_are_drawn() -> None:
    found = [Line(f"line-{value}", [(0, 0), (1, value)]) for value in range(MAX_LINES + 3)]

    text = drawn(lines("Jobs", ("x", "")), *found)

    assert "line-0<" not in text and "line-2<" not in text
    assert f"line-{MAX_LINES + 2}<" in text


def test_stacked_lines_add_up_and_names_are_escaped() -> None:
    found = [Line("<a & b>", [(0, 1), (1, 1)]), Line("c", [(0, 1), (1, 1)])]

    text = drawn(lines("Jobs", ("x", ""), stacked=True), *found)

    assert ">2</text>" in text and "&lt;a &amp; b&gt;" in text
