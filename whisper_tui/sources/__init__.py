"""Where events come from. Every source yields the same `mesh_core.api.schema.Event`."""
