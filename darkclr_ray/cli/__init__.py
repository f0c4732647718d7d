"""The command line of every program here: words in, checked settings out, refusals for people."""
