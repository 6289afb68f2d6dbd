"""Certificates for a loopback server, and the trust in them."""

import ssl

import trustme

__all__ = ["served_by", "trusting"]


def served_by(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    """Make the context of a server that has a certificate for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = authority.issue_cert(name)
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType] # it takes a pyOpenSSL one too
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Make the context of a client that trusts this authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType] # it takes a pyOpenSSL one too
    return context
