"""In C, for machines with a C compiler. A vector holds one feature of 16 rows: no layer is too narrow to fill it."""
