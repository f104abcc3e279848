"""What a client makes of an answer's events."""

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from trioproxy.standin import Plan, events

EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def accumulated(answer: Plan) -> Message:
    """What the official client makes of the events, each of which it must know."""
    snapshot = None
    buffers: dict[int, bytes] = {}
    for event in events(answer):
        if event["type"] != "ping":
            known = EVENT.validate_python(event)
            snapshot = accumulate_event(event=known, current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    return Message.model_validate(snapshot.to_dict())
