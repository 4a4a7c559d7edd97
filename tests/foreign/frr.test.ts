import { speaksTo } from './speaks-to.js';

speaksTo('frr4');
