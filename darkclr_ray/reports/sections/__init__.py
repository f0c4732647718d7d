"""Parts of a study's page, one a file: each makes a `Section` from the record of a study."""
