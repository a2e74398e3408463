"""E-mail, both directions: letters out over SMTP, answers, bounces and opt-outs in through a small listener."""
