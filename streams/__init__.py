"""How events are carried: topics, the embedded log and Kafka, the one reader, the one writer, dead letters."""
