"""OpenAI's API: what its requests mean as Messages requests, and how answers are told in it.

    parameters.py   which of its parameters are honoured, have no effect, or are refused
    conversation.py messages of a chat;  parts.py  images, files, arguments
    items.py        the input of a response: messages, calls of functions and their outputs
    asking.py       what both ask for, as a Messages request; errors in the caller's own words
    chat.py         chat completions: a request, a whole answer, a stream of chunks
    responses.py    responses: a request, a whole answer, a stream of typed events
    errors.py       errors in OpenAI's shape
    models.py       whose names are whose

A request becomes the JSON of a Messages request, which is then checked as any other. Sources:
https://platform.openai.com/docs/api-reference/chat and .../responses.
"""
