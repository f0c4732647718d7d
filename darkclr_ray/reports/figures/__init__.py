"""Figures, one idea a file. Each takes small plain data (dicts, arrays, `Measurement`) and gives a plotly figure."""
