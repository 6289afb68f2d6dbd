"""Generor's answers: the envelope, pages of lists, and the catalogue of generators and models."""

from strangers.generor_catalogue import GENERATORS, MODELS, TYPES
from strangers.odd_pages import CATALOGUE, ENDLESS, PAGES
from strangers.records import Answer, Arrival, Json, whole

STATUS = {
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "VALIDATION_ERROR": 400,
    "INSUFFICIENT_CREDITS": 402,
    "RATE_LIMIT_EXCEEDED": 429,
    "SERVER_ERROR": 500,
}


def catalogue(parts: list[str], odd: str = "") -> Answer:
    """Return generators or models (documented; a generator's ``parameters`` are empty here), or an odd list of them."""

    def listed(items: list[Json]) -> object:
        return CATALOGUE[odd](items) if odd else items

    generators: list[Json] = [
        {"slug": slug, "title": slug.title(), "description": slug, "icon": "", "similar": []} for slug in GENERATORS
    ]
    models = [model.show() for model in MODELS.values()]
    match parts:
        case ["generators"]:
            return success(listed(generators))
        case ["generators", slug] if slug in GENERATORS:
            return success({**next(one for one in generators if one["slug"] == slug), "parameters": []})
        case ["generators", _, "generate" | "estimate"]:
            return error("METHOD_NOT_ALLOWED", "Method not allowed")
        case ["models"]:
            return success({kind: listed([one for one in models if one["type"] == kind]) for kind in TYPES})
        case ["models", kind] if kind in TYPES:
            return success(listed([one for one in models if one["type"] == kind]))
        case ["models", kind, number]:
            found = [one for one in models if one["type"] == kind and str(one["id"]) == number]
            return success(found[0]) if found else error("NOT_FOUND", "Model not found")
        case _:
            return error("NOT_FOUND", f"{parts[0].title().removesuffix('s')} not found")


def visible(creation: Json) -> Json:
    """Return a creation as it is shown."""
    return {field: value for field, value in creation.items() if field != "status"}


def success(data: object, status: int = 200) -> Answer:
    """Return data in the envelope (documented)."""
    return Answer(status=status, body={"success": True, "data": data})


def error(code: str, text: str, status: int = 0) -> Answer:
    """Return an error in the envelope (documented)."""
    status = status or STATUS[code]
    shown = {"code": code, "message": text, "status": status}
    return Answer(status=status, body={"success": False, "error": shown})


def page(seen: Arrival, oldest_first: list[Json], odd: str = "") -> Answer:
    """Return one page of a list (documented), or make an odd one of it."""
    number = max(1, whole(seen.query.get("page", "1"), 1))
    if odd:
        return Answer(body=(PAGES | ENDLESS)[odd](lambda wanted: _page(seen, oldest_first, wanted), number))
    return Answer(body=_page(seen, oldest_first, number))


def _page(seen: Arrival, oldest_first: list[Json], page: int) -> Json:
    """Return one page (documented); more than 100 a page are cut to 100 (assumed)."""
    items = oldest_first if seen.query.get("sort") == "oldest" else oldest_first[::-1]
    size = min(100, max(1, whole(seen.query.get("per_page", "20"), 20)))
    pages = -(-len(items) // size)
    meta: Json = {"page": page, "per_page": size, "total": len(items), "total_pages": pages}
    meta |= {"has_next": page < pages, "has_prev": page > 1}
    return {"success": True, "data": items[(page - 1) * size : page * size], "meta": meta}
