"""What callers say and hear: pure translation between API bodies and the internal turn.

anthropic/        the Messages API
openai/           OpenAI's API, by way of the Messages API
renderer.py       an answer's events as bytes;  sse.py  as server-sent events
whole_message.py  an answer's events as one message
json_checks.py    the shapes of JSON values
"""
