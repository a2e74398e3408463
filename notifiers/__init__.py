"""How members are told and heard.  One file per channel, both directions.  Knows gateways; knows no log and no database."""
