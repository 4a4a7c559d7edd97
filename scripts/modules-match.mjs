// Status 0 when node_modules holds what package-lock.json says for this platform, else 1.
import { readFileSync } from 'node:fs';

const read = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return {};
  }
};
const wanted = Object.entries(read('package-lock.json')).filter(([path]) => path !== '');
const installed = read('node_modules/.package-lock.json');
const fits = ([path, entry]) =>
  installed[path] === undefined ? entry.optional === true : installed[path].version === entry.version;
const platform = `node_modules/@esbuild/${process.platform}-${process.arch}`;
process.exit(wanted.length > 0 && wanted.every(fits) && installed[platform] !== undefined ? 0 : 1);
