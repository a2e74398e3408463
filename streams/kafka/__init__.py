"""Apache Kafka at the doors, through kafka-python; in the workers Faust carries it."""
