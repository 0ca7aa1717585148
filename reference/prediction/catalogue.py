"""The predictors by the names that the command line knows; nothing is imported to list them."""

from __future__ import annotations

from equipoise.reference.catalogue import Entry

PREDICTORS = {
    entry.name: entry
    for entry in (
        Entry("persistence", "prediction.constant", "persistence", "the last step, again and again"),
        Entry("ema", "prediction.constant", "EMA", "exponential moving average, rate 0.1, held constant"),
        Entry("last-window", "prediction.constant", "LastWindow", "mean of the last 100 steps, held constant"),
        Entry(
            "sw-avg", "prediction.sliding", "SlidingWindowAverage", "mean of 100 steps, recursively (arXiv 2404.16914)"
        ),
        Entry(
            "arima",
            "prediction.arima",
            "Arima",
            "ARIMA(5,1,5) per expert; needs statsmodels and minutes (arXiv 2404.16914)",
            only_named=True,
        ),
        Entry(
            "lstm",
            "prediction.lstm",
            "Lstm",
            "LSTM, trained on another run; needs torch and a minute (arXiv 2404.16914)",
            only_named=True,
        ),
    )
}
