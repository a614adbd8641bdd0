"""The local runner behind `make run` and `make test`.

Starts real PostgreSQL and Redis from pip packages and every process of the stack, and restarts a process that
dies. Separate from the product: neither imports the other. The interface between them is environment variables and
command lines.
"""
