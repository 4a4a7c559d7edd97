import { run } from '../../lab/command.js';

/** What was measured, such as `fastd 22-4`: of the package that is installed. */
export async function packageVersion(name: string): Promise<string> {
  return (await run(['dpkg-query', '--show', name])).trim().replace('\t', ' ');
}
