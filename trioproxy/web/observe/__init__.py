"""What is recorded of each request, and shown to the operator.

registry.py     a record for each request, and those that ended
request_log.py  a line of the log for each;  notes.py  what was mended, and for which client
metrics.py      counters and gauges for Prometheus
snapshot.py     the data of the page
"""
