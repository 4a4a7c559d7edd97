/** Files by which shells complete the words of `weft`. */

import { completionCommand } from '../../daemon/cli/help.js';
import { parse } from '../../daemon/cli/parser.js';

/** yargs writes for the shell that SHELL names. */
export async function completionScript(shell: 'bash' | 'zsh'): Promise<string> {
  const before = process.env.SHELL;
  process.env.SHELL = `/bin/${shell}`;
  try {
    const parsed = await parse([completionCommand], 80);
    if (parsed.kind !== 'text') throw new Error('there is no completion script');
    return `${parsed.text.trim()}\n`;
  } finally {
    if (before === undefined) delete process.env.SHELL;
    else process.env.SHELL = before;
  }
}

/** yargs knows no fish; its answers are the same words. Files are completed where it has none to offer. */
export const fishCompletion = `# Completion of weft(1) for fish.
function __weft_words
    set -l words (commandline -opc) (commandline -ct)
    SHELL=/bin/bash weft --get-yargs-completions $words 2>/dev/null
end
complete -c weft -a '(__weft_words)'
`;
