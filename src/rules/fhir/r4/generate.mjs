// Makes elements.tsv and search.tsv from the official R4 definitions (npm hl7.fhir.r4.examples, CC0).
// Usage: node generate.mjs <folder of the unpacked package>     (README.md says how to get it)
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2];
if (!folder) {
  console.error("usage: node generate.mjs <folder of the unpacked package hl7.fhir.r4.examples>");
  process.exit(2);
}
const read = (prefix) =>
  readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")));
const here = new URL(".", import.meta.url).pathname;
const byCode = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const last = (url) => url.slice(url.lastIndexOf("/") + 1);
const unique = (list) => [...new Set(list)];

// FHIRPath system types stand for primitives; R4 names the wrong one for Resource.id (an `id`, not a `string`).
function typeName(type, path, isResource) {
  if (!type.code.startsWith("http://hl7.org/fhirpath/")) return type.code;
  if (path.split(".").length === 2 && path.endsWith(".id")) return isResource ? "id" : "string";
  const stated = (type.extension ?? []).find((e) => e.url.endsWith("structuredefinition-fhir-type"));
  return stated?.valueUrl ?? stated?.valueUri ?? "string";
}

const wanted = (sd) => sd.derivation !== "constraint" && (sd.kind === "resource" || sd.kind === "complex-type");
const rows = [];
for (const sd of read("StructureDefinition-").filter(wanted).sort((a, b) => byCode(a.name, b.name))) {
  const kind = sd.kind === "resource" ? "resource" : "datatype";
  rows.push([`#${sd.name}`, sd.abstract ? `abstract-${kind}` : kind].join("\t"));
  for (const element of sd.snapshot.element.slice(1)) {
    const types = element.type ?? [];
    const targets = types.flatMap((t) => t.targetProfile ?? []).map(last);
    const required = element.binding?.strength === "required" ? element.binding.valueSet : undefined;
    rows.push(
      [
        element.path,
        element.min,
        element.max,
        unique(types.map((t) => typeName(t, element.path, kind === "resource"))).join(","),
        (element.isModifier ? "M" : "") + (element.isSummary ? "S" : ""),
        (element.contentReference ?? "").replace(/^.*#/, ""),
        unique(targets).join(","),
        (required ?? "").replace(/\|.*$/, ""),
      ]
        .join("\t")
        .trimEnd(),
    );
  }
}
writeFileSync(join(here, "elements.tsv"), rows.join("\n") + "\n");

// Definitions on extensions and the examples are no part of what base R4 servers are asked for.
const parameters = read("SearchParameter-")
  .filter((p) => !/^example|-extensions-|-genetic-/.test(p.id) && p.base !== undefined)
  .map((p) =>
    [
      p.code,
      (p.base ?? []).join(","),
      p.type,
      (p.expression ?? "").replace(/\s+/g, " "),
      (p.target ?? []).join(","),
      (p.comparator ?? []).join(","),
      p.id,
    ].join("\t"),
  );
const header = ["code", "base", "type", "expression", "target", "comparator", "id"].join("\t");
writeFileSync(join(here, "search.tsv"), header + "\n" + unique(parameters).sort(byCode).join("\n") + "\n");
console.log(`${rows.length} element rows, ${new Set(parameters).size} search parameters`);
