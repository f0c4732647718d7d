"""What was computed once is found again: stages under the hash of all that determines them, written at once or not."""
