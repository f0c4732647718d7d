"""Jets: named samples, generation, clustering, import of files, and the Parquet shards that all other packages read."""
