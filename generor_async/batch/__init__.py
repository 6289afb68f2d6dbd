"""Runs thousands of rows through the two APIs; each is charged at most once, and every charge is accounted for."""
