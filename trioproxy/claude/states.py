"""The states of an exchange, and what leads from one to the next: data alone.

All that decides where an exchange goes stands in `TRANSITIONS`; `reading.py` says what a line is,
and `exchange.py` does what follows.
"""

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import TypeAlias


class State(StrEnum):
    """Where an exchange stands; the value is how it reads in a message."""

    BINDING = "being given its prompt"
    UNBINDING = "being given a prompt that nobody needs"
    REPLAYING = "replaying the history"
    ANSWERING = "answering"
    LEAVING = "leaving the history"
    SETTLING = "coming to its end"
    RESETTING = "being reset"
    CLEAN = "clean"
    SPOILED = "spoiled"


class Input(StrEnum):
    """What comes: what a line means, or what is asked of the exchange."""

    GRANTED = auto()
    """The last control request that was pending has succeeded."""
    REJECTED = auto()
    """A control request has failed."""
    TAKEN = auto()
    """The bare result of a history message."""
    QUERY = auto()
    """The last segment has been written."""
    EVENT = auto()
    """An event of the API's."""
    CUT = auto()
    """The event that says that the answer was cut, or shows nothing: the CLI would go on."""
    STOP = auto()
    """The event that ends a whole answer."""
    OTHER = auto()
    """An answer begins after the API has refused: to another request than the caller's."""
    SIGN = auto()
    """The query has begun, or goes on."""
    RESULT = auto()
    """The result of the query, or one that nobody waits for."""
    CAPPED = auto()
    """The result of a query that made as many calls as it may."""
    REWOUND = auto()
    """`rewound: true`, and nothing is pending."""
    NOT_REWOUND = auto()
    """Any other answer to the rewind."""
    QUESTION = auto()
    """The CLI asks for something."""
    MISSHAPEN = auto()
    """A line of an unknown form."""
    ABANDON = auto()
    """The caller is gone."""


class Action(StrEnum):
    """What follows, in this order."""

    FAIL = auto()
    """Set `error`, unless the caller has had its answer."""
    HAND_ON = auto()
    """Hand the event on."""
    WRITE = auto()
    """Write the next segment."""
    INTERRUPT = auto()
    """Interrupt the query."""
    INTERRUPT_BEGUN = auto()
    """Interrupt the query, if it has begun: earlier, it would be overtaken."""
    REWIND = auto()
    """Cut the conversation back to nothing."""


Follows: TypeAlias = tuple[tuple[Action, ...], State]

_TABLE: tuple[tuple[State, Input, tuple[Action, ...], State], ...] = (
    # state           what comes         what follows                        next state
    (State.BINDING,   Input.GRANTED,     (Action.WRITE,),                    State.REPLAYING),
    (State.BINDING,   Input.ABANDON,     (),                                 State.UNBINDING),
    (State.BINDING,   Input.EVENT,       (Action.FAIL,),                     State.SPOILED),
    (State.BINDING,   Input.RESULT,      (Action.FAIL,),                     State.SPOILED),
    (State.UNBINDING, Input.GRANTED,     (),                                 State.CLEAN),
    (State.UNBINDING, Input.EVENT,       (Action.FAIL,),                     State.SPOILED),
    (State.UNBINDING, Input.RESULT,      (Action.FAIL,),                     State.SPOILED),
    (State.REPLAYING, Input.TAKEN,       (Action.WRITE,),                    State.REPLAYING),
    (State.REPLAYING, Input.QUERY,       (),                                 State.ANSWERING),
    (State.REPLAYING, Input.RESULT,      (Action.FAIL, Action.REWIND),       State.RESETTING),
    (State.REPLAYING, Input.ABANDON,     (),                                 State.LEAVING),
    (State.LEAVING,   Input.RESULT,      (Action.REWIND,),                   State.RESETTING),
    (State.ANSWERING, Input.EVENT,       (Action.HAND_ON,),                  State.ANSWERING),
    (State.ANSWERING, Input.CUT,         (Action.HAND_ON, Action.INTERRUPT), State.ANSWERING),
    (State.ANSWERING, Input.STOP,        (Action.HAND_ON,),                  State.SETTLING),
    (State.ANSWERING, Input.OTHER,       (Action.FAIL,),                     State.SPOILED),
    (State.ANSWERING, Input.RESULT,      (Action.FAIL, Action.REWIND),       State.RESETTING),
    (State.ANSWERING, Input.CAPPED,      (Action.HAND_ON, Action.REWIND),    State.RESETTING),
    (State.ANSWERING, Input.ABANDON,     (Action.INTERRUPT_BEGUN,),          State.SETTLING),
    (State.SETTLING,  Input.SIGN,        (Action.INTERRUPT,),                State.SETTLING),
    (State.SETTLING,  Input.RESULT,      (Action.REWIND,),                   State.RESETTING),
    (State.RESETTING, Input.REWOUND,     (),                                 State.CLEAN),
    (State.RESETTING, Input.NOT_REWOUND, (),                                 State.SPOILED),
    (State.RESETTING, Input.RESULT,      (),                                 State.SPOILED),
)  # fmt: skip

OVER = (State.CLEAN, State.SPOILED)
"""Nothing more will come. A tuple, as the next two: they are asked at each read."""

ANSWERED = (State.SETTLING, State.RESETTING, *OVER)
"""Nothing more will come for the caller."""

UNASKED = (State.BINDING, State.UNBINDING)
"""Nothing of the turn has been written."""

_SPOIL: Follows = ((Action.FAIL,), State.SPOILED)
_IN_ANY_STATE = dict.fromkeys((Input.REJECTED, Input.QUESTION, Input.MISSHAPEN), _SPOIL)

TRANSITIONS: Mapping[State, Mapping[Input, Follows]] = {
    state: {
        **({} if state in OVER else _IN_ANY_STATE),
        **{comes: (follows, after) for before, comes, follows, after in _TABLE if before is state},
    }
    for state in State
}
"""For each state, what follows on what comes. What a state does not know is passed over."""
