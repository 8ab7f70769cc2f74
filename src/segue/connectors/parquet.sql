-- What DuckDB is asked of a Parquet file.

-- name: parquet_columns
-- Names and kinds.
DESCRIBE SELECT * FROM read_parquet(?);

-- name: parquet_count
-- How many rows there are, from the file's own end.
SELECT sum(num_rows) FROM parquet_file_metadata(?);

-- name: parquet_rows
-- The rows in the file's order; `/* columns */` stands for what is taken of each.
SELECT /* columns */ FROM read_parquet(?);
