"""The page in a browser: every control, by mouse and by keyboard, on a phone, in the dark, and without a network."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import xarray as xr

import made_up_sweeps
from browser import chromium
from made_up_report import EVIL
from recurrent_memory.report.contents import Contents, Curve, Detail, Failed, Scores
from recurrent_memory.report.curves import bins
from recurrent_memory.report.details import detail
from recurrent_memory.report.document import html, write
from recurrent_memory.report.tables import commands_of, failed_in, tabled

pytestmark = pytest.mark.thorough

VIEWS = ("networks", "maps", "curves", "network", "scores", "failures", "about")
MOST_SECONDS = 5.0
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: Any) -> Iterator[Open]:
    """Return a function that opens a page; nothing may go wrong in it, be loaded, or be asked of the user."""
    wrong: list[str] = []
    contexts = []

    def asked(dialog: Any) -> None:
        wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def requested(request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            wrong.append(f"request: {request.url}")

    def visit(path: Path, *, width: int = 1280, scheme: str = "light", view: str = "networks") -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("console", lambda said: wrong.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", asked)
        page.on("request", requested)
        page.goto(f"{path.as_uri()}#view={view}")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []


def made(
    tasks: tuple[str, ...] = ("de1", EVIL, "comp"), n: int = 2, seeds: int = 2, *, details: int = 4, bins: int = 20
) -> Contents:
    """Return made-up contents of tasks × n λ0 × n σ0 × seeds networks."""
    axes = {"task": tasks, "lambda0": np.linspace(0.9, 0.98, n).tolist(), "sigma0": np.linspace(0, 0.4, n).tolist()}
    dataset = made_up_sweeps.sweep(
        {**axes, "seed": range(seeds)}, failed=lambda of: (of["seed"] == 1) & (of["lambda0"] > 0.97)
    )
    table, fields, about = tabled(dataset)
    curve = np.exp(-np.arange(bins) / 5) + np.random.default_rng(0).random((len(table), bins)) / 5
    failures = [Failed(of.network, of.kind, f"the loss is {EVIL}", 3) for of in failed_in(table)]
    finished = np.flatnonzero(table["status"] == "finished")[:details].tolist()
    ends = ("size", "size_low", "size_high")
    claims: list[dict[str, Any]] = [
        {"claim": "1a", "says": EVIL, "verdict": "reproduced", **dict(zip(ends, (1.0, 0.5, 1.5), strict=True))},
        {"claim": "3", "says": "less", "verdict": "opposite", **dict(zip(ends, (-1.0, -2.0, -0.5), strict=True))},
    ]
    rows = [{name: str(row[name]) for name in ("claim", "says", "verdict")} for row in claims]
    analysis = pd.DataFrame({"network": finished, "measure": "sqi", "units": "1", "value": 0.3, "p": 0.01})
    return Contents(
        "sweep.toml",
        "sweep",
        table,
        fields,
        about,
        commands_of(table, fields),
        [Curve("training_loss", "training loss", np.arange(bins) + 1.0, curve)],
        dict.fromkeys(finished, shown()),
        failures,
        analysis,
        [Scores(100, "Reproduced: 1a.", {"Claims": rows}, claims)],
        ["A note."],
    )


def shown() -> Detail:
    activity = 3 * np.eye(100)[None].repeat(4, axis=0) + np.random.default_rng(0).random((4, 100, 100))
    weights = np.random.default_rng(1).normal(size=(100, 100))
    names = ["stimulus"] * 20 + ["delay"] * 80
    return detail(
        xr.Dataset(
            {
                "activity": (("trial", "time", "unit"), activity),
                "recurrent_weights": (("source", "target_unit"), weights),
            },
            coords={"epoch": ("time", names)},
            attrs={"readout_step": -5},
        )
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "report.html"
    write(path, made(), written="2026-01-01 12:00", command="recurrent-memory report")
    return path


def column(page: Any, name: str) -> list[str]:
    """Return a column of the table of networks."""
    heads = [text.strip(" ▲▼") for text in page.locator("#table thead th").all_inner_texts()]
    return [str(text) for text in page.locator(f"#table tbody td:nth-child({heads.index(name) + 1})").all_inner_texts()]


def numbers(texts: list[str]) -> list[float]:
    return [float(text.replace("−", "-")) for text in texts if text != "–"]


def test_the_table_sorts_filters_and_finds(visit: Open, report: Path) -> None:
    page = visit(report)
    assert page.locator("#table tbody tr").count() == 24
    page.click("#s-fractional_loss")
    losses = column(page, "fractional loss")
    assert numbers(losses) == sorted(numbers(losses))
    assert losses[-1] == "–"
    page.click("#s-fractional_loss")
    losses = column(page, "fractional loss")
    assert numbers(losses) == sorted(numbers(losses), reverse=True)
    assert losses[-1] == "–"  # what is missing comes last in either direction
    assert page.locator("th[aria-sort=descending]").count() == 1
    page.select_option("#f-task", EVIL)
    assert set(column(page, "task")) == {EVIL}
    assert page.inner_text("#count") == "8 of 24 networks."
    page.fill("#q", "lambda0=0.98 seed=0")
    assert page.inner_text("#count") == "2 of 24 networks."
    page.click("#clear")
    page.select_option("#range", "fractional_loss")
    page.fill("#high", "0.3")
    assert 0 < len(column(page, "task")) < 24
    assert max(numbers(column(page, "fractional loss"))) <= 0.3
    page.click("#clear")
    page.click("#columns summary")
    page.check("#c-test_loss")
    assert len(numbers(column(page, "test loss (radians)"))) == 18


@pytest.mark.parametrize(
    ("words", "n"),
    [
        ("λ0=0.98", 12),
        ("lambda0=.9", 12),
        ("LAMBDA0 = 0.90", 12),
        ("seed=1.0", 12),
        ("lambda0>0.9", 12),
        ("λ0 >= 0.9 σ0<0.4", 12),
        ("seed≤0 comp", 4),
        ("seed!=0", 12),
        ("status=diverged", 6),
        ('task="comp" seed=1', 4),
        ("fractional_loss>1000000", 0),
        ("lambda0=0.9801", 0),
        ("lambda0>", 0),
        ("seed=one", 0),
        (EVIL, 8),
    ],
)
def test_the_search_takes_what_the_table_shows(visit: Open, report: Path, words: str, n: int) -> None:
    page = visit(report)
    assert "λ0=0.9" in page.get_attribute("#q", "placeholder")
    page.fill("#q", words)
    assert page.inner_text("#count") == f"{n} of 24 networks."
    assert page.locator("#no-match").is_visible() == (n == 0)
    if n == 0:
        assert "λ0" in page.inner_text("#no-match")
        assert "sequentiality_index<0.5" in page.inner_text("#no-match")


def test_what_the_address_names_is_shown_or_missed(visit: Open, report: Path) -> None:
    page = visit(report, view="network&id=1")
    assert page.inner_text("#h-network").startswith("Network 1:")
    page = visit(report, view="network&id=9999")
    assert "no network 9999: this report has numbers 1 to 24" in page.inner_text("#network")
    page = visit(report, view="nope")
    assert "no view “nope”" in page.inner_text("#astray")
    page.click("nav a[data-view=maps]")
    assert page.locator("#astray").is_hidden()


def varied(**columns: Any) -> Contents:
    """Return contents with further fields."""
    contents = made()
    return replace(contents, table=contents.table.assign(**columns), fields=[*contents.fields, *columns])


def test_a_map_is_of_one_kind_of_network_unless_all_are_wanted(visit: Open, tmp_path: Path) -> None:
    activation = ["tanh" if row < 9 else "relu" for row in range(24)]  # of de1, tanh alone
    path = tmp_path / "report.html"
    write(path, varied(activation=activation), written="", command="")
    page = visit(path, view="maps&measure=fractional_loss")
    assert page.input_value("#kind") == "relu"
    assert "15 of 24: relu" in page.inner_text("#map-note")
    assert page.locator("#panels h3").all_inner_texts() == [EVIL, "comp"]
    page.select_option("#kind", "all")
    assert page.locator("#panels h3").all_inner_texts() == ["de1", EVIL, "comp"]
    assert "may differ in seed, activation" in page.inner_text("#map-note")


def test_a_cell_without_value_says_why(visit: Open, tmp_path: Path) -> None:
    contents, path = made(), tmp_path / "report.html"
    table = contents.table
    table.loc[(table["lambda0"] > 0.9) & (table["task"] != "comp"), "status"] = "diverged"
    table["sequentiality_index"] = 3.2
    write(path, replace(contents, table=table), written="", command="")
    page = visit(path, view="maps&measure=sequentiality_index&solved=all")
    assert "3.200 everywhere" in page.inner_text("#legend")
    page.click("#panels summary >> nth=0")
    assert "2 diverged" in page.locator("#panels td").all_inner_texts()
    page.locator(".panel .nsewdrag").first.scroll_into_view_if_needed()
    box = page.locator(".panel .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"])
    page.wait_for_selector(".hoverlayer .hovertext")
    assert "2 diverged" in page.text_content(".hoverlayer .hovertext")


@pytest.mark.parametrize("width", [375, 1280])
def test_no_label_is_cut_at_the_edge_of_its_map(visit: Open, tmp_path: Path, width: int) -> None:
    path, name = tmp_path / "report.html", "learning_rate_of_all_the_weights"
    write(path, varied(**{name: [0.001 * (1 + row % 2) for row in range(24)]}), written="", command="")
    page = visit(path, view=f"maps&kind=all&measure=fractional_loss&y={name}", width=width)
    page.locator(".panel .nsewdrag").first.scroll_into_view_if_needed()
    box = page.locator(".panel .nsewdrag").first.bounding_box()
    for place in (0.25, 0.75):
        page.mouse.move(box["x"] + place * box["width"], box["y"] + 0.25 * box["height"])
        page.wait_for_timeout(500)
        label = page.locator(".hoverlayer .hovertext").first.bounding_box()
        plot = page.locator(".panel .plot").first.bounding_box()
        assert label["x"] >= plot["x"] - 1
        assert label["x"] + label["width"] <= plot["x"] + plot["width"] + 1


def test_a_picture_that_few_active_units_do_not_allow_is_missed(visit: Open, tmp_path: Path) -> None:
    one = xr.Dataset(
        {
            "activity": (("trial", "time", "unit"), 3.0 * np.ones((4, 9, 5)) * (np.arange(5) < 1)),
            "recurrent_weights": (("source", "target_unit"), np.eye(5)),
        }
    )
    path = tmp_path / "report.html"
    write(path, replace(made(), details={0: detail(one)}), written="", command="")
    page = visit(path, view="network&id=1")
    assert "Not shown: 1 unit of 5 active" in page.inner_text("#network")
    assert "1 of 5 units is active" in page.inner_text("#network")
    plot = page.locator("#network .panel", has_text="Activity").first
    plot.scroll_into_view_if_needed()
    plot.locator(".yaxislayer-above text").first.wait_for()
    assert plot.locator(".yaxislayer-above text").all_text_contents() == ["0"]


def test_a_click_on_a_cell_opens_its_networks(visit: Open, report: Path) -> None:
    page = visit(report, view="maps")
    page.wait_for_selector(".panel .nsewdrag")
    assert page.locator("#panels h3").all_inner_texts() == ["de1", EVIL, "comp"]
    page.select_option("#measure", "fractional_loss")
    page.wait_for_selector(".panel .nsewdrag")
    box = page.locator(".panel .nsewdrag").nth(1).bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])  # above left: low λ0, high σ0
    assert page.inner_text("#h-network").endswith(f"{EVIL}, λ0 = 0.9, σ0 = 0.4, seed = 0")
    assert "1 of 2 networks of this cell" in page.inner_text("#network-controls")
    page.click("#after")
    assert page.inner_text("#h-network").endswith("seed = 1")
    page.go_back()
    assert page.locator("#view-maps").is_visible()
    assert page.input_value("#measure") == "fractional_loss"


def test_a_map_follows_its_choices_and_the_filters(visit: Open, report: Path) -> None:
    page = visit(report, view="maps")
    page.select_option("#measure", "fractional_loss")
    page.select_option("#x", "seed")
    page.select_option("#y", "none")
    page.select_option("#f-task", "comp")
    assert page.locator("#panels .panel").count() == 1
    page.click("#panels summary")
    cells = numbers(page.locator("#panels td button").all_inner_texts())
    page.click("nav a[data-view=networks]")
    losses, seeds = column(page, "fractional loss"), column(page, "seed")
    for seed, cell in zip("01", cells, strict=True):
        own = numbers([loss for loss, of in zip(losses, seeds, strict=True) if of == seed])
        assert cell == pytest.approx(np.mean(own), abs=1e-3)


def test_a_network_has_pictures_and_a_command(visit: Open, report: Path) -> None:
    page = visit(report)
    page.click("#n-0")
    assert page.evaluate("document.activeElement.id") == "h-network"
    for number in range(4):
        page.locator("#network .plot").nth(number).scroll_into_view_if_needed()
        page.locator("#network .plot").nth(number).locator(".main-svg").first.wait_for()
    titles = page.locator("#network .panel h3").all_inner_texts()
    assert titles == [
        "Learning: training loss",
        "Activity",
        "Weights by difference in peak order",
        "Sequentiality index beside chance",
    ]
    assert page.inner_text(".command code").startswith("recurrent-memory train --task de1")
    assert "SqI" in page.inner_text("#network")
    page.click("nav a[data-view=failures]")
    page.click("#failures tbody a >> nth=0")
    assert f"the loss is {EVIL}" in page.inner_text("#network")


def test_all_works_by_keyboard_alone(visit: Open, report: Path) -> None:
    page = visit(report)

    def tab_to(selector: str, most: int = 80) -> None:
        for _ in range(most):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{selector} is not reached")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to("#q")
    page.keyboard.type("comp")
    tab_to("#s-fractional_loss")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "s-fractional_loss"  # though the table was made anew
    first = column(page, "network")[0]
    tab_to("#table td a")
    page.keyboard.press("Enter")
    assert page.inner_text("#h-network").startswith(f"Network {first}: comp")
    page.evaluate("document.querySelector('nav a[data-view=maps]').focus()")
    page.keyboard.press("Enter")
    tab_to("#panels summary")
    page.keyboard.press("Enter")
    tab_to("#panels td button")
    page.keyboard.press("Enter")
    assert "of this cell" in page.inner_text("#network-controls")


def test_dark_as_the_system_says_or_as_the_user_chooses(visit: Open, report: Path) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(20, 23, 26)"
    page = visit(report, scheme="dark")
    assert page.evaluate(ground) == dark
    page.select_option("#theme", "light")
    assert page.evaluate(ground) == light
    page.reload()
    assert page.evaluate(ground) == light
    page.select_option("#theme", "")
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(300)
    assert page.evaluate(ground) == light


@pytest.mark.parametrize("width", [320, 390])
def test_no_view_is_wider_than_a_phone(visit: Open, report: Path, width: int) -> None:
    page = visit(report, width=width)
    for view in VIEWS:
        page.evaluate("view => document.querySelector(`nav a[data-view=${view}]`).click()", view)
        page.wait_for_timeout(300)
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, view


def test_a_phone_shows_every_cell_and_every_view(visit: Open, report: Path) -> None:
    page = visit(report, width=375)
    outside = """(selector) => [...document.querySelectorAll(selector)].filter((of) => of.getClientRects().length)
        .filter((of) => of.getBoundingClientRect().left < 0 || of.getBoundingClientRect().right > innerWidth)
        .map((of) => of.textContent)"""
    assert page.evaluate(outside, "nav a") == []
    for view in ("network", "scores", "failures"):
        page.click(f"nav a[data-view={view}]")
        assert page.locator(f"#view-{view} tbody td").count() > 3
        assert page.evaluate(outside, f"#view-{view} tbody td, #view-{view} tbody th") == []
        # No row is taller than its texts need: a narrow column of a wide table once left it blank.
        assert page.evaluate(
            "s => [...document.querySelectorAll(s)].every((of) => of.getBoundingClientRect().height < 100)",
            f"#view-{view} tbody td",
        )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing(visit: Open, report: Path, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = visit(report, width=width, scheme=scheme)
    for view in VIEWS:
        page.evaluate("view => document.querySelector(`nav a[data-view=${view}]`).click()", view)
        page.wait_for_timeout(300)
        page.evaluate("document.querySelectorAll('main details').forEach((one) => (one.open = true))")
        page.wait_for_timeout(100)
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{view}: {found.generate_report()}"


def test_a_reload_keeps_what_is_shown(visit: Open, report: Path) -> None:
    page = visit(report)
    page.fill("#q", "comp")
    page.click("#s-seed")
    before = column(page, "network")
    page.reload()
    assert page.input_value("#q") == "comp"
    assert column(page, "network") == before


def test_a_watched_page_loads_itself_and_keeps_its_place(visit: Open, tmp_path: Path) -> None:
    path, contents = tmp_path / "report.html", made(seeds=8)
    write(path, contents, written="first", command="", reload=2)
    page = visit(path)
    page.fill("#q", "comp")
    page.locator("#table td a").nth(20).focus()
    page.evaluate("scrollTo(0, 400)")
    place, focus = page.evaluate("[scrollY, document.activeElement.id]")
    assert place > 0
    write(path, contents, written="second", command="", reload=2)
    page.get_by_text("Written second").wait_for(timeout=20_000)
    page.wait_for_function("document.querySelector('#q').value === 'comp'")
    page.wait_for_function(
        "([place, focus]) => scrollY === place && document.activeElement.id === focus", arg=[place, focus]
    )
    page.uncheck("#reload")
    write(path, contents, written="third", command="", reload=2)
    page.wait_for_timeout(4_000)
    assert "Written second" in page.inner_text("header")


def seconds_of_browser() -> float:
    """Return the processor time of all processes started here: other work on the machine does not count."""
    times = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times.append(sum(process.cpu_times()[:2]))
    return float(sum(times))


@pytest.mark.parametrize(("n", "seeds", "most"), [(10, 5, 20), (10, 50, 60)], ids=["1,000", "10,000"])
def test_many_networks_open_soon(visit: Open, tmp_path: Path, n: int, seeds: int, most: float) -> None:
    contents = made(("de1", "comp"), n, seeds, details=100, bins=bins(2 * n * n * seeds, 25_001).size - 1)
    contents = replace(contents, curves=[*contents.curves, *contents.curves])
    path = tmp_path / "report.html"
    path.write_text(html(contents, written="", command=""), encoding="utf-8")
    megabytes = path.stat().st_size / 1e6
    begun, before = time.monotonic(), seconds_of_browser()
    page = visit(path)
    page.wait_for_selector("#table tbody tr")
    opened, taken = time.monotonic() - begun, seconds_of_browser() - before
    assert not page.evaluate("'Plotly' in window")  # whose code takes longer than the table
    begun, before = time.monotonic(), seconds_of_browser()
    page.click("#s-fractional_loss")
    page.fill("#q", "comp 0.98")
    page.click("nav a[data-view=maps]")
    page.wait_for_selector(".panel .nsewdrag")
    used, more = time.monotonic() - begun, seconds_of_browser() - before
    assert f"of {2 * n * n * seeds} networks" in page.inner_text("#count")
    print(
        f"{megabytes:.1f} MB, open after {opened:.1f} s ({taken:.1f} s of processor time); "
        f"sorted, searched and mapped after {used:.1f} s ({more:.1f} s)"
    )
    assert megabytes < most
    assert taken < MOST_SECONDS
    assert more < MOST_SECONDS
