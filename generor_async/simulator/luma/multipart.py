"""Parses multipart form data, as far as file uploads need it."""

from email.message import Message
from email.parser import BytesHeaderParser

from attrs import field, frozen

__all__ = ["FormPart", "read_parts"]


@frozen(kw_only=True)
class FormPart:
    """One part of a form: a field's value, or a file with a name and a type."""

    name: str
    filename: str | None
    content_type: str | None
    content: bytes = field(repr=False)


def read_parts(content_type: str, body: bytes) -> dict[str, FormPart]:
    """Return the parts of a `multipart/form-data` body by name; raises ValueError if it is malformed."""
    head = Message()
    head["Content-Type"] = content_type
    boundary = head.get_boundary()
    if not boundary:
        raise ValueError("multipart boundary is missing")
    # Prefixing a line break makes the first delimiter look like all others.
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("utf-8", "surrogateescape"))
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise ValueError("multipart body is incomplete")
    parts = [_read_part(piece) for piece in pieces[1:-1]]
    return {part.name: part for part in parts}


def _read_part(piece: bytes) -> FormPart:
    head, separator, content = piece.partition(b"\r\n\r\n")
    headers = BytesHeaderParser().parsebytes(head.lstrip(b" \t\r\n") + b"\r\n\r\n")
    name = headers.get_param("name", header="content-disposition")
    if not separator or not isinstance(name, str):
        raise ValueError("multipart part has no name")
    return FormPart(
        name=name,
        filename=headers.get_filename(),
        content_type=headers.get_content_type() if "content-type" in headers else None,
        content=content,
    )
