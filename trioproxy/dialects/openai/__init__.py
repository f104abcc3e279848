"""OpenAI's API: its requests as Messages requests, and answers in its shapes.

    parameters.py   which of its parameters are honoured, have no effect, or are refused
    conversation.py messages of a chat;  parts.py  images, files, arguments
    items.py        the input of a response: messages, calls of tools and their outputs
    claudes.py      Claude's own shapes in a chat's body
    tools.py        tools of every kind as functions;  search.py  the search of the web
    schemas.py      schemas as Claude's API takes them
    messages_request.py  what both ask for, as a Messages request; errors with the caller's paths
    caching.py      cache breakpoints: the caller's own, and ours
    calls.py        a call of a tool, as what it is to its caller
    chat.py         chat completions: a request, a whole answer, a stream of chunks
    response_request.py  what a request for a response means
    responses.py    responses: a whole answer, a stream of typed events;  output.py  their items
    errors.py       errors in OpenAI's shape
    models.py       whose names are whose

A request becomes the JSON of a Messages request, which is then checked as any other. Sources:
https://platform.openai.com/docs/api-reference/chat and .../responses.
"""
