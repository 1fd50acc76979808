"""A page as a person sees it, in Chromium: `python scripts/screenshot.py report.html page.png`."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from playwright.sync_api import sync_playwright

from console import run
from embfeast import EmbfeastError

DRAWN = "document.documentElement.dataset.drawn === 'true'"


def screenshot(
    page: Annotated[Path, typer.Argument(help="A report, or another HTML file.")],
    out: Annotated[Path, typer.Argument(help="The PNG file.")],
    width: Annotated[int, typer.Option(help="Of the window, in pixels.")] = 1200,
    height: Annotated[int, typer.Option(help="Of the picture; 0: the whole page.")] = 1500,
    scale: Annotated[int, typer.Option(help="Pixels of the picture for one of the page.")] = 1,
    dark: Annotated[bool, typer.Option(help="As in a dark scheme.")] = False,
) -> None:
    """Write a picture of a page once all its figures are drawn."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise EmbfeastError("Chromium is not installed", "apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        seen = browser.new_page(
            viewport={"width": width, "height": height or 900},
            device_scale_factor=scale,
            color_scheme="dark" if dark else "light",
        )
        seen.goto(page.resolve().as_uri())
        seen.wait_for_function(DRAWN, timeout=120_000)
        seen.screenshot(path=str(out), full_page=not height)
        browser.close()


if __name__ == "__main__":
    run(screenshot)
