"""Writes `report.html`: the results of a batch as one page that loads nothing from elsewhere.

Style, script, charts and thumbnails are in the page; the originals are linked by relative paths. A content security
policy forbids every other address, and every style and script but the page's own, which it names by their hashes.
"""

from generor_async.batch.report.page import write_report
from generor_async.batch.report.rows import ReportFile, ReportRow, ReportState, ReportSummary, Unit, left_out

__all__ = ["ReportFile", "ReportRow", "ReportState", "ReportSummary", "Unit", "left_out", "write_report"]
