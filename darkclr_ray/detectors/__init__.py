"""The methods that are compared, each behind one small interface: fit on background, score jets."""
