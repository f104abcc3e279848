"""The paths that are served.

table.py   every path: its view, its audience, its dialect
views.py   how a module of views gives them to the app
others     the views, one module for each group of paths
forward.py  `/proxy/`, which goes past Quart
"""
