"""How it is rehearsed: the SMSC simulator that witnesses, made-up members, simulated handsets, seats and coordinators."""
