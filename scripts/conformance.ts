import { CORPORA, corporaPresent } from "../test/conformance/corpus.ts";
import { SUITES } from "../test/conformance/suites/index.ts";

/** Prints one line per public suite, then every case that did not run, with its reason. */
function main(): number {
  if (!corporaPresent()) {
    process.stdout.write(`skipped: the public test corpora are not at ${CORPORA}\n`);
    return 0;
  }
  const results = SUITES.map(([, , run]) => run());
  for (const { suite, passed, total, remarks } of results) {
    process.stdout.write(`${suite} ${passed}/${total}\n`);
    for (const remark of remarks) process.stdout.write(`  ${remark}\n`);
  }
  for (const { suite, failures } of results)
    for (const failure of failures) process.stdout.write(`FAILED ${suite} ${failure}\n`);
  for (const { suite, notRun } of results)
    for (const { case: name, reason } of notRun)
      process.stdout.write(`not run ${suite} ${name}: ${reason}\n`);
  return results.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

process.exitCode = main();
