"""Figures, one kind per file. Functions take plain data (dicts, arrays, `Measurement`) and return plotly figures."""
