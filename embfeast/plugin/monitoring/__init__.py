"""What `feast monitor` asks of the offline store: figures of each feature, kept as Parquet."""
