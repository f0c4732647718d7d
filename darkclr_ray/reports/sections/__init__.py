"""Sections of a study's page, one per file; each is built from the files of a study."""
