"""The real stack on this machine, without Docker: Kafka, Kafka Connect with Debezium, PostgreSQL, MariaDB.

For development and for tests: on the loopback interface, without passwords, and what is in it goes when it goes. Each part
is a server with a keeper beside it (`keeper`), in a folder of its own; `server` starts, shares and stops one, `stack` several.
"""
