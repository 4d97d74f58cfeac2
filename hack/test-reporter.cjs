// Mocha's spec output for people, and the numbers as JSON in $RESULTS_FILE for hack/test.
const process = require('node:process');
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class TestReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const file = process.env.RESULTS_FILE;
      if (file) writeFileSync(file, JSON.stringify({ stats: this.stats }));
    });
  }
};
