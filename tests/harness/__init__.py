"""Starts and stops the brokers that the tests, the demo and the benchmarks run against."""
