"""Models, as the Messages API lists them.

Source: https://docs.anthropic.com/en/api/models-list.
"""

from typing import Any

from trioproxy.claude.models import Model, Models
from trioproxy.dialects.json_checks import short
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal


def model_body(model: Model) -> dict[str, Any]:
    """One model, as the API describes it. When it came out is not known here."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
    }


def models_body(
    models: Models, limit: int, *, after: str | None = None, before: str | None = None
) -> dict[str, Any]:
    """A page of the models: the first ones behind `after`, or the last ones before `before`."""
    found = list(models.listed)
    ids = [model.id for model in found]
    for name, item in (("after_id", after), ("before_id", before)):
        if item is not None and item not in ids:
            raise InvalidRequest(Refusal.QUERY, f'there is no model "{short(item)}"', path=name)
    if after is not None:
        found = found[ids.index(after) + 1 :]
    elif before is not None:
        found = found[: ids.index(before)]
    page = found[-limit:] if before is not None and after is None else found[:limit]
    return {
        "data": [model_body(model) for model in page],
        "has_more": len(page) < len(found),
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
