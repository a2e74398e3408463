"""What is known: members, consent, the ledger of sends, the outbox.  One file per set of tables; knows no Kafka, no SMPP."""
