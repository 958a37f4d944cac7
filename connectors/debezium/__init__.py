"""Debezium's wire format: records in, changes and marks out. Pure: no I/O, no clock."""
