"""Files that a serving platform or a job writes, read on as they grow: in a folder, or in an object store."""
