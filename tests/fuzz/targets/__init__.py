"""The table of fuzz targets, by name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz.target import Target
from tests.fuzz.targets import blobs, configs, http, link, node, records, script, store, work

TARGETS: Mapping[str, Target] = {
    target.name: target
    for targets in (
        node.TARGETS,
        records.TARGETS,
        blobs.TARGETS,
        store.TARGETS,
        configs.TARGETS,
        script.TARGETS,
        http.TARGETS,
        link.TARGETS,
        work.TARGETS,
    )
    for target in targets
}
