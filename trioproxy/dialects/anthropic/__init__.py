"""The Messages API: what its requests mean as a `Turn`, and its other bodies.

    request.py      a request for an answer, or for a count of tokens
    parameters.py   which parameters are honoured, or refused and why
    messages.py     the messages of a conversation;  blocks.py, images.py  their content
    system.py       the system prompt
    cache_control.py, tool_references.py  what the CLI would drop of these, and how it is kept
    names.py        names of models, tools and beta features, and their bounds
    models.py       the list of models;  errors.py  an error

Source: https://docs.claude.com/en/api/messages.
"""
