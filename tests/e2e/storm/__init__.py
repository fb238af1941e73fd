"""Kill storms: real processes die, stop, lose each other and their disks at random while jobs flow, and an outsider counts."""
