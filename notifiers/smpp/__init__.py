"""SMPP 3.4: codec, links, flow control.  Knows the protocol and a gateway's moods; knows no members and no appeals."""
