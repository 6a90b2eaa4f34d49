"""From a name to an object: YAML files that are found, checked and built."""
