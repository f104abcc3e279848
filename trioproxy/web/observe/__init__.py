"""What is recorded of each request: the registry, the log, the metrics, the page's data."""
