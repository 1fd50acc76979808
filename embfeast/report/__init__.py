"""A report a person looks at: one HTML file on what a fitted recipe makes of the texts."""

from embfeast.report.page import write_report

__all__ = ["write_report"]
