"""The log on a Kafka cluster: aiokafka's client on a thread of its own, behind the synchronous port."""
