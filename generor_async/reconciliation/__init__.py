"""Settles calls of unknown outcome by what Generor's account shows: of a batch's rows, and of a client's state."""
