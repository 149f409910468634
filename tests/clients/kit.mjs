// Riverside pulls with fhir-kit-client (Vermonster), its key made and its assertion signed by Node itself.
//   node kit.mjs keys WORK    adds a key to riverside.jwks.json
//   node kit.mjs pull WORK

import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
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

async function askForToken(endpoint, clientAssertion) {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    scope: 'system/*.read',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: clientAssertion,
  });
  const answer = await fetch(endpoint, { method: 'POST', body });
  return { status: answer.status, body: await answer.json() };
}

const matches = (bundle) => bundle.entry.filter((e) => e.search.mode === 'match').map((e) => e.resource);

async function pull() {
  const story = read('story.json');
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
  assert.match(Client.httpFor(plan).response.headers.get('etag') ?? '', /^W\/"[^"]+"$/, 'a read has an ETag');
  const actions = await Promise.all(plan.activity.map((a) => client.resolve({ reference: a.reference.reference })));
  assert.ok(actions.every((a) => a.resourceType === 'Task'), 'its actions are readable Tasks');
  const told = actions.map((action) => action.description).sort();
  assert.deepEqual(told, [...story.crisisActions.riverside].sort(), 'each action for a crisis team, less the withheld');
  const received = JSON.stringify([bundle, plan, actions]);
  assert.deepEqual(story.secret.filter((text) => received.includes(text)), [], 'nothing withheld is in it');

  const absent = client.read({ resourceType: 'CarePlan', id: '0'.repeat(32) });
  await assert.rejects(absent, (e) => e.response.status === 404 && e.response.data.resourceType === 'OperationOutcome');
  const unknown = client.search({ resourceType: 'CarePlan', searchParams: { patient, 'no-such-parameter': '1' } });
  await assert.rejects(unknown, (e) => e.response.status === 400, 'an unknown search parameter is refused');
  client.bearerToken = 'not-a-token-of-anyone';
  await assert.rejects(client.read({ resourceType: 'CarePlan', id: crisis.id }), (e) => e.response.status === 401);
  console.log(`  fhir-kit-client: discovered, authenticated, pulled a plan of ${actions.length} actions`);
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
