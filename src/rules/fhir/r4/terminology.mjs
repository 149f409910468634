// Code systems and value sets of R4 as lines, for generate.mjs. Codes only: no displays, no definitions.

// A value set of foreign codes (LOINC, SNOMED CT …) is taken when R4 binds it or when it is short.
const MOST_FOREIGN = 60;
const MOST_BOUND = 500;
const unversioned = (url) => url.replace(/\|.*$/, "");
const isOurs = (system) => system.startsWith("http://hl7.org/fhir/") || system.startsWith("http://terminology.hl7.org/");

/// Every code with the codes above it: nesting, and the properties in which v3 systems state further parents.
function concepts(list, above, out) {
  for (const concept of list ?? []) {
    const parents = (concept.property ?? []).filter((p) => ["subsumedBy", "parent"].includes(p.code)).map((p) => p.valueCode);
    out.set(concept.code, [...(above ? [above] : []), ...parents]);
    concepts(concept.concept, concept.code, out);
  }
  return out;
}

function isA(system, code, ancestor, seen = new Set()) {
  if (code === ancestor) return true;
  if (seen.has(code)) return false;
  seen.add(code);
  return (system.get(code) ?? []).some((parent) => isA(system, parent, ancestor, seen));
}

const FILTERS = {
  "is-a": (system, code, value) => isA(system, code, value),
  "descendent-of": (system, code, value) => code !== value && isA(system, code, value),
  "is-not-a": (system, code, value) => !isA(system, code, value),
};

/// `systems`: `url`, then every code. `sets`: `url`, then for each system a cell `system` (all of it) or `system|code|code`.
/// Only what can be told from these definitions alone; `bound`: the value sets that R4's elements name.
export function terminology(codeSystems, valueSets, bound) {
  const complete = new Map();
  for (const cs of codeSystems) {
    if (cs.content === "complete" && !/(^|-)example($|[-0-9])/.test(cs.id) && cs.concept)
      complete.set(cs.url, concepts(cs.concept, undefined, new Map()));
  }
  const byUrl = new Map(valueSets.map((vs) => [vs.url, vs]));
  const known = new Map();

  function include(part) {
    if (part.filter) {
      const system = complete.get(part.system);
      const checks = part.filter.map((f) => (f.property === "concept" ? FILTERS[f.op] : undefined));
      if (!system || checks.some((check) => !check)) return undefined;
      const holds = (code) => part.filter.every((f, at) => checks[at](system, code, f.value));
      return part.valueSet ? undefined : new Map([[part.system, new Set([...system.keys()].filter(holds))]]);
    }
    let found;
    if (part.system) {
      const all = part.concept ? part.concept.map((c) => c.code) : [...(complete.get(part.system)?.keys() ?? [])];
      if (all.length === 0) return undefined;
      found = new Map([[part.system, new Set(all)]]);
    }
    for (const url of part.valueSet ?? []) {
      const other = expand(unversioned(url));
      if (!other) return undefined;
      found = found ? meet(found, other) : other;
    }
    return found;
  }

  function expand(url) {
    if (known.has(url)) return known.get(url);
    known.set(url, undefined);
    const compose = byUrl.get(url)?.compose;
    if (!compose) return undefined;
    const whole = new Map();
    for (const part of compose.include) {
      const found = include(part);
      if (!found) return undefined;
      for (const [system, codes] of found) whole.set(system, new Set([...(whole.get(system) ?? []), ...codes]));
    }
    for (const part of compose.exclude ?? []) {
      const found = include(part);
      if (!found) return undefined;
      for (const [system, codes] of found) codes.forEach((code) => whole.get(system)?.delete(code));
    }
    known.set(url, whole);
    return whole;
  }

  const cell = ([system, codes]) => {
    const all = complete.get(system);
    return all && all.size === codes.size ? system : [system, ...codes].join("|");
  };
  const sets = [];
  const wanted = new Set(bound);
  for (const url of byUrl.keys()) {
    const whole = expand(url);
    if (!whole) continue;
    const foreign = [...whole].filter(([system]) => !isOurs(system)).reduce((sum, [, codes]) => sum + codes.size, 0);
    if (foreign > (wanted.has(url) ? MOST_BOUND : MOST_FOREIGN)) continue;
    sets.push([url, ...[...whole].map(cell)].join("\t"));
  }
  const used = [...complete].filter(([url]) => isOurs(url));
  return { systems: used.map(([url, codes]) => [url, ...codes.keys()].join("\t")), sets };
}

function meet(one, other) {
  const both = new Map();
  for (const [system, codes] of one) {
    const kept = [...codes].filter((code) => other.get(system)?.has(code));
    if (kept.length) both.set(system, new Set(kept));
  }
  return both;
}
