// Riverside pulls with fhir-kit-client (Vermonster), its key made and its assertion signed by Node itself.
//   node kit.mjs keys WORK    adds a key to riverside.jwks.json
//   node kit.mjs pull WORK

import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'fhir-kit-client';

const KID = 'riverside-node';
const LIMIT = 120; // seconds, for the whole run
const [command, work] = process.argv.slice(2);
const file = (name) => join(work, name);
const read = (name) => JSON.parse(readFileSync(file(name), 'utf8'));

function keys() {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  writeFileSync(file('riverside.node.pem'), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const jwks = read('riverside.jwks.json');
  jwks.keys.push({ ...pair.publicKey.export({ format: 'jwk' }), kid: KID, use: 'sig', alg: 'ES384' });
  writeFileSync(file('riverside.jwks.json'), JSON.stringify(jwks));
}

function assertion(audience) {
  const now = Math.floor(Date.now() / 1000);
  const id = read('riverside.registered.json').client_id;
  const claims = { iss: id, sub: id, aud: audience, iat: now, exp: now + 300, jti: randomUUID() };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'ES384', kid: KID, typ: 'JWT' })}.${part(claims)}`;
  const key = createPrivateKey(readFileSync(file('riverside.node.pem')));
  return `${signed}.${sign('sha384', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** One step of the table that run.sh prints. */
async function step(name, act) {
  const note = (outcome) => appendFileSync(file('steps.tsv'), `fhir-kit-client\t${name}\t${outcome}\n`);
  try {
    const made = await act();
    note('held');
    return made;
  } catch (error) {
    note('FAILED');
    throw error;
  }
}

async function askForToken(endpoint, clientAssertion, scope = 'system/*.read') {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    scope,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: clientAssertion,
  });
  const answer = await fetch(endpoint, { method: 'POST', body });
  return { status: answer.status, body: await answer.json() };
}

const matches = (bundle) => bundle.entry.filter((e) => e.search.mode === 'match').map((e) => e.resource);

async function authorized(story) {
  const client = new Client({ baseUrl: story.base });
  const { tokenUrl } = await client.smartAuthMetadata();
  const wellKnown = await client.request('.well-known/smart-configuration');
  assert.equal(tokenUrl?.href, wellKnown.token_endpoint, 'fhir-kit-client discovers the token endpoint');

  const signed = assertion(wellKnown.token_endpoint);
  const token = await askForToken(wellKnown.token_endpoint, signed);
  assert.equal(token.status, 200, `a token: ${JSON.stringify(token.body)}`);
  const again = await askForToken(wellKnown.token_endpoint, signed);
  assert.deepEqual([again.status, again.body.error], [401, 'invalid_client'], 'the same assertion again is refused');
  client.bearerToken = token.body.access_token;
  return client;
}

async function pullPlan(client, story) {
  const people = matches(await client.search({ resourceType: 'Patient', searchParams: { identifier: story.person } }));
  assert.equal(people.length, 1, 'the person is found by identifier');
  const patient = people[0].id;
  const searchParams = { patient: `Patient/${patient}`, category: 'assess-plan' };
  const bundle = await client.search({ resourceType: 'CarePlan', searchParams });
  assert.equal(bundle.entry.at(-1).search.mode, 'outcome', 'the last entry is the notice of incompleteness');
  const posted = await client.search({ resourceType: 'CarePlan', searchParams, options: { postSearch: true } });
  assert.deepEqual(matches(posted), matches(bundle), 'POST _search answers as GET does');
  const crisis = matches(bundle).find((plan) => plan.identifier?.some((i) => i.value === story.plan.crisis));
  assert.ok(crisis, 'the crisis team finds the crisis plan');
  assert.ok(crisis.text.div.startsWith('<div xmlns="http://www.w3.org/1999/xhtml"'), 'with a narrative');

  const plan = await client.read({ resourceType: 'CarePlan', id: crisis.id });
  assert.deepEqual(plan, crisis, 'reading gives what searching gave');
  assert.match(etagOf(plan), /^W\/"[^"]+"$/, 'a read has an ETag');
  const actions = await Promise.all(plan.activity.map((a) => client.resolve({ reference: a.reference.reference })));
  assert.ok(actions.every((a) => a.resourceType === 'Task'), 'its actions are readable Tasks');
  const told = actions.map((action) => action.description).sort();
  assert.deepEqual(told, [...story.crisisActions.riverside].sort(), 'each action for a crisis team, less the withheld');
  const received = JSON.stringify([bundle, plan, actions]);
  assert.deepEqual(story.secret.filter((text) => received.includes(text)), [], 'nothing withheld is in it');
  return plan;
}

const etagOf = (resource) => Client.httpFor(resource).response.headers.get('etag') ?? '';

/** All pages, followed by their links, hold what one page holds. */
async function pages(client, patient) {
  const search = (more) => client.search({ resourceType: 'Task', searchParams: { patient, ...more } });
  const whole = matches(await search({})).map((one) => one.id);
  const paged = [];
  for (let page = await search({ _count: 2 }); page; page = await client.nextPage({ bundle: page })) {
    paged.push(...matches(page).map((one) => one.id));
  }
  assert.ok(whole.length > 2, 'there is more than a page of two');
  assert.deepEqual(paged, whole, 'pages of two hold the same, in the same order');
}

async function errors(client, plan) {
  const absent = client.read({ resourceType: 'CarePlan', id: '0'.repeat(32) });
  await assert.rejects(absent, (e) => e.response.status === 404 && e.response.data.resourceType === 'OperationOutcome');
  const searchParams = { patient: plan.subject.reference, 'no-such-parameter': '1' };
  const unknown = client.search({ resourceType: 'CarePlan', searchParams });
  await assert.rejects(unknown, (e) => e.response.status === 400, 'an unknown search parameter is refused');
  const known = client.bearerToken;
  client.bearerToken = 'not-a-token-of-anyone';
  await assert.rejects(client.read({ resourceType: 'CarePlan', id: plan.id }), (e) => e.response.status === 401);
  client.bearerToken = known;
}

async function pull() {
  const story = read('story.json');
  const client = await step('discovery, token', () => authorized(story));
  const plan = await step('search, read', () => pullPlan(client, story));
  await step('paged search', () => pages(client, plan.subject.reference));
  await step('error', () => errors(client, plan));
  await step('write, patch', () => write(client, plan));
  await step('batch, transaction', () => bundles(client, plan.subject.reference));
  console.log(`  fhir-kit-client: discovered, authenticated, pulled a plan of ${plan.activity.length} actions, wrote`);
}

const observation = (patient, number) => ({
  resourceType: 'Observation',
  status: 'final',
  identifier: [{ system: 'https://riverside.example/observation', value: number }],
  category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] }],
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }], text: 'Heart rate' },
  subject: { reference: patient },
  effectiveDateTime: new Date().toISOString(),
  valueQuantity: { value: 72, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
});

/** A statement of its own is changed at once; the agency's plan only by a proposal. */
async function write(client, plan) {
  const { token_endpoint: endpoint } = await client.request('.well-known/smart-configuration');
  const token = await askForToken(endpoint, assertion(endpoint), 'system/*.cruds');
  assert.equal(token.status, 200, `a token that writes: ${JSON.stringify(token.body)}`);
  client.bearerToken = token.body.access_token;
  const body = observation(plan.subject.reference, 'K-1');
  const made = await client.create({ resourceType: 'Observation', body });
  assert.equal(Client.httpFor(made).response.status, 201, 'a statement is made');
  const where = { resourceType: 'Observation', id: made.id };
  const jsonPatch = [{ op: 'replace', path: '/valueQuantity/value', value: 68 }];
  const under = (version) => ({ headers: { 'If-Match': version, Prefer: 'return=representation' } });
  const first = etagOf(made);
  const patched = await client.patch({ ...where, jsonPatch, options: under(first) });
  assert.equal(patched.valueQuantity.value, 68, 'a patch of the version that was read');
  const refused = async (sent, status, what) => assert.rejects(sent, (e) => e.response.status === status, what);
  await refused(client.patch({ ...where, jsonPatch, options: under(first) }), 412, 'not of another version');
  await refused(client.patch({ ...where, jsonPatch }), 400, 'nor without one');
  const changed = { ...patched, valueQuantity: { ...patched.valueQuantity, value: 70 } };
  const put = await client.update({ ...where, body: changed, options: under(etagOf(patched)) });
  assert.deepEqual((await client.read(where)).valueQuantity, put.valueQuantity, 'an update is what is read then');
  const condition = { headers: { 'If-None-Exist': 'identifier=https://riverside.example/observation|K-1' } };
  const again = await client.create({ resourceType: 'Observation', body, options: condition });
  assert.deepEqual([Client.httpFor(again).response.status, again.id], [200, made.id], 'a condition finds its own');
  const retitled = [{ op: 'replace', path: '/title', value: 'Another title' }];
  const about = { resourceType: 'CarePlan', id: plan.id };
  const asked = await client.patch({ ...about, jsonPatch: retitled, options: under(etagOf(await client.read(about))) });
  assert.equal(Client.httpFor(asked).response.status, 202, 'the plan is not changed but a change proposed');
  assert.equal((await client.read(about)).title, plan.title, 'until staff accept it');
}

async function bundles(client, patient) {
  const post = (number) => ({ resource: observation(patient, number), request: { method: 'POST', url: 'Observation' } });
  const absent = { request: { method: 'GET', url: `Observation/${'0'.repeat(32)}` } };
  const send = (type, entry) => ({ body: { resourceType: 'Bundle', type, entry } });
  const batch = await client.batch(send('batch', [post('K-2'), absent]));
  assert.deepEqual(batch.entry.map((one) => one.response.status), ['201', '404'], 'each entry by itself');
  const all = await client.transaction(send('transaction', [post('K-3'), post('K-4')]));
  assert.deepEqual(all.entry.map((one) => one.response.status), ['201', '201'], 'all of them');
  const nobody = { ...post('K-5') };
  nobody.resource.subject = { reference: `Patient/${'0'.repeat(32)}` };
  await assert.rejects(client.transaction(send('transaction', [post('K-6'), nobody])), (e) => e.response.status === 422);
  const searchParams = { patient, identifier: 'https://riverside.example/observation|K-6' };
  assert.equal((await client.search({ resourceType: 'Observation', searchParams })).total, 0, 'or none');
}

setTimeout(() => {
  console.log(`  FAILED (fhir-kit-client): no end within ${LIMIT} s`);
  process.exit(1);
}, LIMIT * 1000).unref();

try {
  await { keys, pull }[command]();
  process.exit(0); // not to wait for connections kept alive
} catch (error) {
  console.log(`  FAILED (fhir-kit-client): ${error.message}`);
  console.log(error.stack.split('\n').filter((line) => line.includes('kit.mjs')).join('\n'));
  process.exit(1);
}
