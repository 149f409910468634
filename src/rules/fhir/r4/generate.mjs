// Makes elements.tsv, constraints.tsv and search.tsv from the official R4 definitions (npm hl7.fhir.r4.examples, CC0), and with
// terminology.mjs beside it code_systems.tsv and value_sets.tsv.
// Usage: node generate.mjs <folder of the unpacked package>     (README.md says how to get it)
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { terminology } from "./terminology.mjs";

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
const simple = (type) => (type.profile ?? []).some((url) => last(url) === "SimpleQuantity");
const bound = (element, strength) =>
  (element.binding?.strength === strength ? (element.binding.valueSet ?? "") : "").replace(/\|.*$/, "");
const widest = (element) => {
  const url = (element.binding?.extension ?? []).find((e) => e.url.endsWith("elementdefinition-maxValueSet"))?.valueCanonical ?? "";
  return url.startsWith("http://hl7.org/fhir/ValueSet/") ? url : "";
};
const definitions = read("StructureDefinition-").filter(wanted).sort((a, b) => byCode(a.name, b.name));
const rows = [];
for (const sd of definitions) {
  const kind = sd.kind === "resource" ? "resource" : "datatype";
  rows.push([`#${sd.name}`, sd.abstract ? `abstract-${kind}` : kind].join("\t"));
  for (const element of sd.snapshot.element.slice(1)) {
    const types = element.type ?? [];
    const targets = types.flatMap((t) => t.targetProfile ?? []).map(last);
    rows.push(
      [
        element.path,
        element.min,
        element.max,
        unique(types.map((t) => typeName(t, element.path, kind === "resource"))).join(","),
        (element.isModifier ? "M" : "") + (element.isSummary ? "S" : "") + (types.some(simple) ? "Q" : ""),
        (element.contentReference ?? "").replace(/^.*#/, ""),
        unique(targets).join(","),
        bound(element, "required"),
        bound(element, "extensible"),
        widest(element),
      ]
        .join("\t")
        .trimEnd(),
    );
  }
}
writeFileSync(join(here, "elements.tsv"), rows.join("\n") + "\n");

// Each invariant once, at the type or element that states it: a type's snapshot repeats those of its ancestors, and every
// element those of its type (ele-1, ext-1). SimpleQuantity's own stands for all elements of that profile (flag Q).
const keysOf = (element) => (element?.constraint ?? []).map((c) => c.key);
const ofType = new Map(definitions.map((sd) => [sd.name, keysOf(sd.snapshot.element[0])]));
const line = (path, c) => [path, c.key, c.severity, c.expression, c.human].map((t) => t.replace(/\s+/g, " ").trim()).join("\t");
const constraints = [];
for (const sd of definitions) {
  for (const element of sd.snapshot.element) {
    const isRoot = !element.path.includes(".");
    const named = isRoot ? [last(sd.baseDefinition ?? "")] : [...(element.type ?? []).map((t) => t.code), "BackboneElement", "Element"];
    const inherited = new Set([...named.flatMap((name) => ofType.get(name) ?? []), ...(isRoot ? [] : ["ext-1", "sqty-1"])]);
    for (const constraint of element.constraint ?? [])
      if (constraint.expression && !inherited.has(constraint.key)) constraints.push(line(element.path, constraint));
  }
}
const quantity = read("StructureDefinition-SimpleQuantity")[0].snapshot.element[0];
for (const constraint of quantity.constraint.filter((c) => c.key === "sqty-1")) constraints.push(line("SimpleQuantity", constraint));
writeFileSync(join(here, "constraints.tsv"), constraints.sort(byCode).join("\n") + "\n");

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

const { systems, sets } = terminology(read("CodeSystem-"), read("ValueSet-"), rows.flatMap((row) => row.split("\t").slice(7, 10)));
writeFileSync(join(here, "code_systems.tsv"), systems.sort(byCode).join("\n") + "\n");
writeFileSync(join(here, "value_sets.tsv"), sets.sort(byCode).join("\n") + "\n");
console.log(`${rows.length} element rows, ${constraints.length} constraints, ${new Set(parameters).size} search parameters`);
console.log(`${systems.length} code systems, ${sets.length} value sets`);
