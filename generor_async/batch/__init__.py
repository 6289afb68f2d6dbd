"""Thousands of rows through one client: each charged at most once, for hours, on a machine that may be killed."""
