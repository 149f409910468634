// Writes the code systems that rules need from the npm package hl7.terminology.r4 (CC0) as TSV:
//   npm pack hl7.terminology.r4 && tar xzf hl7.terminology.r4-*.tgz && node generate.mjs package
// Columns: code, parents (comma separated, nearest only), status, display. Abstract grouping codes stay in:
// they carry the hierarchy.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2];
const out = new URL(".", import.meta.url).pathname;

// file, output, and the roots whose descendants (and they themselves) are kept; none = all
const systems = [
  ["CodeSystem-v3-ActReason.json", "act_reason.tsv", ["PurposeOfUse"]],
  ["CodeSystem-v3-ActCode.json", "act_code.tsv",
    ["_ActPrivacyPolicy", "SecurityPolicy", "_ActConsent", "_ActConsentType"]],
  ["CodeSystem-v3-Confidentiality.json", "confidentiality.tsv", []],
];

const property = (concept, code) => (concept.property ?? [])
  .filter((p) => p.code === code).map((p) => p.valueCode ?? p.valueString);

function collect(concepts, parent, into) {
  for (const concept of concepts) {
    const entry = into.get(concept.code) ??
      { parents: new Set(), status: property(concept, "status")[0] ?? "active", display: concept.display ?? "" };
    for (const p of [...property(concept, "subsumedBy"), ...(parent ? [parent] : [])]) entry.parents.add(p);
    into.set(concept.code, entry);
    collect(concept.concept ?? [], concept.code, into);
  }
  return into;
}

function under(code, roots, all, seen = new Set()) {
  if (roots.length === 0 || roots.includes(code)) return true;
  if (seen.has(code)) return false;
  seen.add(code);
  return [...(all.get(code)?.parents ?? [])].some((p) => under(p, roots, all, seen));
}

for (const [file, name, roots] of systems) {
  const system = JSON.parse(readFileSync(join(folder, file), "utf8"));
  const all = collect(system.concept, null, new Map());
  const kept = [...all.keys()].filter((c) => /^[!-~]+$/.test(c) && under(c, roots, all)).sort();
  const rows = kept.map((c) => {
    const { parents, status, display } = all.get(c);
    const known = [...parents].filter((p) => kept.includes(p)).sort().join(",");
    return [c, known, status, display.replace(/\s+/g, " ").trim()].join("\t");
  });
  const head = `# ${system.url} ${system.version}, hl7.terminology.r4 ${JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8")).version}, CC0; written by generate.mjs`;
  writeFileSync(join(out, name), [head, ...rows, ""].join("\n"));
  console.log(name, rows.length);
}
