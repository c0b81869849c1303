"""Columns of dates as numbers."""

from datetime import UTC, datetime

import numpy as np

from ._column import Column

_SECONDS_A_DAY = 86_400


def as_days(column: Column) -> Column:
    """Return a column of dates as numbers, and any other as it is.

    Dates and times as in ISO 8601 become days since the beginning of 1970. Times without a time
    zone are taken for UTC.
    """
    if column.is_number or column.missing.all():
        return column
    try:
        days = [np.nan if text is None else _days(text) for text in column.values]
    except ValueError:
        return column
    return Column(column.name, np.array(days), is_number=True)


def _days(text: str) -> float:
    """Return days since 1970; raise ValueError if the text is not a date."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.timestamp() / _SECONDS_A_DAY
