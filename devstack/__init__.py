"""The local runner behind `make run` and `make test`.

Brings up real PostgreSQL and Redis from pip packages, starts every process of the stack
and keeps it alive. A program of its own: the product imports nothing from here, and this
imports nothing from the product; they meet in environment variables and commands.
"""
