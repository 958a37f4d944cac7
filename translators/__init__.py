"""The core: legacy changes in, business outcomes out; pure: no I/O, no clock, no Kafka, no paths, nothing of ours."""

__dragoman__ = True
