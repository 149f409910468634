"""Is a received resource inside the profile it names? Judged by the StructureDefinition the server itself serves.
https://hl7.org/fhir/R4/structuredefinition.html

Postern's profiles are closed: whatever may pass stands in the differential, all else has `max: "0"` or is not there.
"""

# Computed for every release, whatever the profile.
COMPUTED = {"id", "meta", "text"}


class AllowList:
    def __init__(self, definition):
        self.type = definition["type"]
        elements = definition["differential"]["element"]
        opened = [element for element in elements if element.get("max") != "0"]
        # Slices share a path; what one of them opens is open for this purpose.
        self.open = {element["path"] for element in opened}
        self.same_as = {e["path"]: e["contentReference"].lstrip("#") for e in opened if "contentReference" in e}

    def outside(self, resource):
        """Paths in the resource that its profile does not open."""
        body = {key: value for key, value in resource.items() if key not in COMPUTED | {"resourceType"}}
        return sorted(set(self._outside(body, self.type)))

    def _outside(self, node, path):
        if isinstance(node, list):
            for item in node:
                yield from self._outside(item, path)
        elif isinstance(node, dict):
            for key, value in node.items():
                child = self._find(path, key.removeprefix("_"))
                if child is None:
                    yield f"{path}.{key}"
                else:
                    yield from self._outside(value, self.same_as.get(child, child))

    def _find(self, path, key):
        if f"{path}.{key}" in self.open:
            return f"{path}.{key}"
        stem = f"{path}."
        choices = [o for o in self.open if o.endswith("[x]") and o.startswith(stem) and "." not in o[len(stem):]]
        return next((choice for choice in choices if key.startswith(choice[len(stem):-3])), None)
