"""How it is rehearsed: the SMSC simulator that witnesses, made-up members, handsets, seats and coordinators."""
