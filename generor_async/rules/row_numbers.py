"""A set of row numbers that takes one bit for each row."""

__all__ = ["RowNumbers"]


class RowNumbers:
    """A set of row numbers, with one bit for each."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self.last = 0
        """The greatest number in the set."""

    def add(self, number: int) -> bool:
        """Add a number; tell whether it is new."""
        at, bit = number >> 3, 1 << (number & 7)
        if at >= len(self._bits):
            self._bits.extend(bytes(at + 1024 - len(self._bits)))
        is_new = not self._bits[at] & bit
        self._bits[at] |= bit
        self.last = max(self.last, number)
        return is_new

    def __contains__(self, number: int) -> bool:
        at = number >> 3
        return at < len(self._bits) and bool(self._bits[at] & 1 << (number & 7))
