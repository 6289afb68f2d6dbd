"""A page of HTML as a browser would read it: which elements there are, and what text is in them."""

from html.parser import HTMLParser

from attrs import Factory, define

__all__ = ["Element", "read"]

VOID = {"img", "input", "link", "meta", "wbr"}


@define
class Element:
    """An element."""

    tag: str
    attributes: dict[str, str]
    inner: list["Element"] = Factory(list["Element"])
    said: list[str] = Factory(list[str])

    @property
    def text(self) -> str:
        """The text in it and in those within."""
        return "".join(self.said)

    def all(self, tag: str, kind: str = "") -> list["Element"]:
        """Return the elements within, by tag and class, in the order of the page."""
        found = list["Element"]()
        for element in self.inner:
            classes = element.attributes.get("class", "").split()
            if tag in {element.tag, "*"} and (not kind or kind in classes):
                found.append(element)
            found += element.all(tag, kind)
        return found

    def one(self, tag: str, kind: str = "") -> "Element":
        """Return the only one."""
        (found,) = self.all(tag, kind)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inner.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, "elements are not nested"

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.said.append(data)


def read(markup: str) -> Element:
    """Read a page; every element must be closed, in its turn."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    (page,) = reader.open
    return page
