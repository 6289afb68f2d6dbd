"""Paths of the APIs on the simulator's port, and the answers to requests for any other path."""

from generor_async.simulator.control import PREFIX, ControlEndpoints
from generor_async.simulator.generor.api import GenerorApi
from generor_async.simulator.luma.api import LumaApi
from generor_async.simulator.messages import Answer, IncomingCall
from generor_async.simulator.routing import Handler, Mount
from generor_async.simulator.storage import Bucket

__all__ = ["control_mount", "mounts"]

MIB = 1024 * 1024
GENEROR_BODY = 10 * MIB
LUMA_BODY = 700 * MIB
"""Fits nine references of 50 MB in base64, so that the API itself refuses an image that is too large."""
STORAGE_BODY = 512 * MIB
CONTROL_BODY = MIB


def mounts(generor: GenerorApi, luma: LumaApi, storage: Bucket) -> list[Mount]:
    """Return the mounts of both APIs and of their files."""
    refuse = generor.refuse
    return [
        Mount(
            api="generor",
            prefix="/api/v1",
            routes=generor.routes,
            not_found=refuse("NOT_FOUND", "Endpoint not found"),
            not_allowed=refuse("METHOD_NOT_ALLOWED", "Method not allowed for this endpoint"),
            too_large=refuse("VALIDATION_ERROR", f"Request body must be at most {GENEROR_BODY:,} bytes"),
            malformed=refuse("VALIDATION_ERROR", "Request body could not be read"),
            max_body=GENEROR_BODY,
            limit_headers=generor.limit_headers,
        ),
        Mount(
            api="luma",
            prefix="/v1",
            routes=luma.routes,
            not_found=luma.refuse(404, "Not Found"),
            not_allowed=luma.refuse(405, "Method Not Allowed"),
            too_large=luma.refuse(413, "Request body too large"),
            malformed=luma.refuse(400, "Request body could not be read"),
            max_body=LUMA_BODY,
            limit_headers=luma.limit_headers,
            limit_message=luma.limit_message,
        ),
        Mount(
            api="storage",
            prefix="",
            routes=[*storage.routes, *generor.file_routes],
            not_found=_plain(404, "Not Found: Generor is under /api/v1, Luma under /v1"),
            not_allowed=_plain(405, "Method Not Allowed"),
            too_large=_plain(413, "Request body too large"),
            malformed=_plain(400, "Request body could not be read"),
            max_body=STORAGE_BODY,
        ),
    ]


def control_mount(control: ControlEndpoints) -> Mount:
    """Return the mount of the control endpoints."""
    paths = ", ".join(dict.fromkeys(f"{PREFIX}{route.template}" for route in control.routes))
    return Mount(
        api="control",
        prefix=PREFIX,
        routes=control.routes,
        not_found=control.refuse(404, f"There is no such endpoint; there are: {paths}."),
        not_allowed=control.refuse(405, "This endpoint does not take that method."),
        too_large=control.refuse(413, f"The body must be at most {CONTROL_BODY:,} bytes."),
        malformed=control.refuse(400, "The body could not be read."),
        max_body=CONTROL_BODY,
        recorded=False,
    )


def _plain(status: int, text: str) -> Handler:
    """Return an error in plain text, for paths of neither API."""

    def refused(_: IncomingCall) -> Answer:
        return Answer(status=status, body=f"{text}\n".encode(), headers={"Content-Type": "text/plain"})

    return refused
