"""An SMSC to rehearse against: a witness with an SMPP 3.4 codec of its own.  It imports nothing from `notifiers`."""
