"""Where jets come from: named samples, generation, clustering, and the Parquet shards that everything else reads."""
