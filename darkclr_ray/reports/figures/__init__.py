"""Figures, one idea a file. Each takes small plain data (dicts, arrays, `Value`) and gives a plotly figure."""
