"""What a provider can do: a registry of workloads, each run against the best backend there is."""
