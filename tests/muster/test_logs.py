"""What a log line may not repeat."""

from muster.logs import without_values


def test_the_values_that_a_database_quotes_stay_out_of_the_log():
    trace = "UniqueViolation: duplicate key value\nDETAIL:  Key (mobile)=(+8617900000001) already exists.\nend"
    told = without_values(None, "error", {"event": "failed", "exception": trace})
    assert told["exception"] == "UniqueViolation: duplicate key value\nend"
    assert without_values(None, "info", {"event": "fine"}) == {"event": "fine"}
