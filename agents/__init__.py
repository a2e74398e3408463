"""How Muster reacts.  One reaction per file, thin: an event in, a decision, events out."""
