"""The rehearsal of a whole night: import, appeal, answers, screening, stand-down and a recall, counted by the witness."""
