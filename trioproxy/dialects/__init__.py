"""What callers say and hear: pure translation between API bodies and the internal turn.

anthropic.py    the Messages API: a request, an error, a list of models
parameters.py   its parameters: honoured, or refused and why
messages.py     the messages of a conversation;  blocks.py, images.py  what they are made of
system.py       the system prompt
tool_references.py, breakpoints.py   what of these the CLI would drop, and where it goes instead
names.py        names of models, tools and beta features, bounded
whole.py        the events of an answer as one message
reply.py        how an answer is told;  sse.py  as events
openai/         OpenAI's API, by way of the Messages API
checks.py       the shapes of JSON values
"""
