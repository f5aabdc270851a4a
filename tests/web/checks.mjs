// What the scripts for the web door check: a line each, and a count at the end, which is also the exit status.
let failed = 0;

export const check = (what, holds, seen = '') => {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}${seen === '' ? '' : `: ${seen}`}`);
  if (!holds) failed += 1;
};

// Runs a script to its end, and then whatever ends what it started.
export async function run(main, end) {
  try {
    await main();
  } catch (error) {
    check('the run', false, error.stack);
  } finally {
    await end();
  }
  console.log(failed ? `${failed} checks failed` : 'all checks hold');
  process.exit(failed ? 1 : 0);
}
