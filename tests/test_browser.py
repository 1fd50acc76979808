"""The browser fixture itself: a page's errors and requests are not overlooked."""

import pytest

from tests.browser import browser, page  # noqa: F401

pytestmark = pytest.mark.slow


def test_errors_and_addresses_outside_are_remembered(page, tmp_path):  # noqa: F811
    file = tmp_path / "page.html"
    file.write_text(
        "<title>hello</title><script>console.error('first'); console.log('not this')</script>"
        "<script>throw new Error('second')</script><img src='https://outside.invalid/a.png'>"
    )
    page.page.goto(file.as_uri())
    assert page.page.title() == "hello"
    # In any order: how soon an address fails to resolve is the machine's to say.
    errors = [error.split(" (")[0] for error in page.errors]
    assert [error for error in errors if error in ("first", "second")] == ["first", "second"]
    assert page.outside() == ["https://outside.invalid/a.png"]
