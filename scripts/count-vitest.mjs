// Prints "passed failed skipped" of a vitest JSON report (first argument), given vitest's exit status (second).
import { readFileSync } from 'node:fs';

const [file, status] = process.argv.slice(2);
let passed = 0;
let failed = 0;
let skipped = 0;
try {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  passed = report.numPassedTests;
  failed = report.numFailedTests;
  skipped = report.numPendingTests + report.numTodoTests;
} catch {
  failed = 1;
}
// A file that could not be loaded, an error outside any test, or no test at all shows in the status only.
if (failed === 0 && (status !== '0' || passed === 0)) failed = 1;
process.stdout.write(`${passed} ${failed} ${skipped}\n`);
