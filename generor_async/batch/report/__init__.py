"""Writes `report.html`: what a batch made, as one page that needs nothing else and asks nobody.

Style, script, charts and thumbnails are in the page; the originals are linked, by paths relative to it. A policy in
its head forbids every other address, and every script and style but its own two, which are named by their hashes.
"""

from generor_async.batch.report.page import write_report
from generor_async.batch.report.rows import ReportFile, ReportRow, ReportState, ReportSummary, Unit, left_out

__all__ = ["ReportFile", "ReportRow", "ReportState", "ReportSummary", "Unit", "left_out", "write_report"]
