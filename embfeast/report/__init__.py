"""A report a person looks at: one HTML file on what a fitted recipe makes of the texts."""

from embfeast.errors import EmbfeastError

try:
    import altair  # noqa: F401
    import vl_convert  # noqa: F401
except ImportError as error:
    raise EmbfeastError(
        'a report needs the figures\' libraries: pip install "embfeast[report]"'
    ) from error

from embfeast.report.build import Wanted, write_report

__all__ = ["Wanted", "write_report"]
