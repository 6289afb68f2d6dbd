"""The journal of a batch in a results folder, in SQLite: all of the journal's SQL is here.

One file, one writer, any number of readers. With a write-ahead log and `synchronous = FULL` a commit has reached the
disk when it returns.
"""

from generor_async.batch.sqlite.journal import SqliteJournal, open_journal
from generor_async.batch.sqlite.reader import SqliteReader, open_if_begun, open_reader

__all__ = ["SqliteJournal", "SqliteReader", "open_if_begun", "open_journal", "open_reader"]
