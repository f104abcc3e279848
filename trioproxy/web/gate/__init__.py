"""What each request passes before its route, and what is held for it.

middleware.py     the order of all this
access_policy.py  who may ask, by the head of the request
drain_gate.py     all requests together, and the end of the server
rate_limiter.py   requests of one token
context.py        what a request holds
response.py       how far its response has come
"""
