"""Sections of a study's page, one per file; a function returns None if the study has no results for its section."""
