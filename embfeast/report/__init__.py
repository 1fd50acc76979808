"""A report a person looks at: one HTML file on what a fitted recipe makes of the texts."""

from embfeast.report.build import Wanted, write_report

__all__ = ["Wanted", "write_report"]
