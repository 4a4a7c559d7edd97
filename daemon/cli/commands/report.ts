/** `weft report`: a bundle for a bug report. */
import { resolve } from 'node:path';
import { defineCommand } from '../command.js';
import { bytes, plural } from '../text.js';
import { diagnose, renderAll, summary } from './doctor.js';

const doctorTime = 60;

export const report = defineCommand({
  syntax: 'report',
  describe:
    'Write a bundle for a bug report. ' +
    'A tar.gz of what weft does and of what it runs on: status, objects, findings, counters, metrics, configuration, the end of the log, what the ' +
    'doctor says, links, sockets and kernel settings. It has names, addresses and MACs; it has no environment, labels, images or command lines of containers, ' +
    'no payload, no firewall rules, and of the configuration only keys that are known to hold no secret. Its README names every file. Read it before you send it.',
  options: {
    output: {
      type: 'string',
      describe: 'The file, which must not exist [default: weft-report-HOST-TIME.tar.gz here]',
    },
  },
  examples: [['report', 'as root, so that the log and the sockets are in it']],
  async run(args, context) {
    const [{ collectReport }, { writeBundle }, { thisMachine }] = await Promise.all([
      import('../../report/report.js'),
      import('../../report/bundle.js'),
      import('../../doctor/machine.js'),
    ]);
    const { parseConfig } = await import('../../config/load.js');
    const now = new Date();
    const stamp = now.toISOString().replace(/[:-]|\.\d+/g, '');
    const { name, files } = await collectReport({
      ...{ api: context.api, machine: thisMachine, now, stamp },
      usualMetrics: parseConfig('', '').config.metrics.listen,
      diagnose: () => diagnose(context, { configFile: undefined, stateDir: undefined }, doctorTime),
      render: (diagnoses) => renderAll(diagnoses) + summary(diagnoses),
    });
    const file = resolve(context.io.cwd, args.output ?? `${name}.tar.gz`);
    const size = await writeBundle(file, name, files);
    context.show(
      { file, bytes: size, files: files.map(({ path }) => path) },
      () =>
        `${file}: ${plural(files.length, 'file')}, ${bytes(size)}. README.txt in it says what each is. Read it before you send it: it has names and addresses.\n`,
    );
  },
});
