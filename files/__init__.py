"""HOLD: files that outlive whoever writes them."""
