"""The data: DAVIS, and the benchmarks that are rendered or recomposed."""
