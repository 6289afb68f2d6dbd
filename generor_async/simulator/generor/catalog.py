"""The endpoints of generators and models.

`documented`: the bodies of a generator and a model, the statuses to filter by, the model types.
`assumed`: the models are grouped in an object by type; lists without dates are paged too, in the
catalogue's order.
"""

from generor_async.simulator.catalog import GENERATORS, MODEL_BY_ID, MODEL_TYPES, MODELS, CatalogGenerator, CatalogModel
from generor_async.simulator.generor.access import AuthorizedRequest
from generor_async.simulator.generor.envelope import GenerorRefusal, Json, not_found, page_of, success
from generor_async.simulator.generor.priced_request import find_generator
from generor_async.simulator.messages import Answer

__all__ = ["get_generator", "get_model", "list_generators", "list_models", "list_models_of_type"]

STATUSES = ("active", "development", "all")


def list_generators(request: AuthorizedRequest) -> Answer:
    """List the generators of a status: the active ones, unless asked otherwise (assumed)."""
    status = request.query("status") or "active"
    if status not in STATUSES:
        raise GenerorRefusal("VALIDATION_ERROR", f"status must be one of: {', '.join(STATUSES)}")
    shown = [generator for generator in GENERATORS if status in {"all", generator.status}]
    return page_of(shown, _summary, request.call.query, dated=False)


def get_generator(request: AuthorizedRequest) -> Answer:
    """Show a generator with its parameters."""
    return success(find_generator(request.call.params["slug"]).to_json(detail=True))


def list_models(request: AuthorizedRequest) -> Answer:  # noqa: ARG001  # every handler takes the request
    """List all models, grouped by type."""
    return success({kind: [model.to_json() for model in MODELS if model.type == kind] for kind in MODEL_TYPES})


def list_models_of_type(request: AuthorizedRequest) -> Answer:
    """List the models of one type."""
    kind = _type(request)
    return page_of([m for m in MODELS if m.type == kind], CatalogModel.to_json, request.call.query, dated=False)


def get_model(request: AuthorizedRequest) -> Answer:
    """Show one model."""
    model = MODEL_BY_ID.get(request.id() or 0)
    if model is None or model.type != _type(request):
        raise not_found("Model")
    return success(model.to_json())


def _type(request: AuthorizedRequest) -> str:
    kind = request.call.params["type"]
    if kind not in MODEL_TYPES:
        raise GenerorRefusal("VALIDATION_ERROR", f"Model type must be one of: {', '.join(MODEL_TYPES)}")
    return kind


def _summary(generator: CatalogGenerator) -> Json:
    return generator.to_json(detail=False)
