"""Readable stories of small clusters, in the manner of etcd/raft's testdata. See `driver` for the commands."""
