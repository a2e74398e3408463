"""Real servers that tests, drills and benchmarks start: Apache Kafka and PostgreSQL, without Docker, on 127.0.0.1.

Nothing here knows pytest: each server is a context manager with `start`, `stop`, `kill` and `url`.
"""
