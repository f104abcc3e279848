"""The HTTP that this server itself speaks to an API. Only `client.py` imports httpx."""
