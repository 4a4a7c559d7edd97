import { meshOf } from './mesh-of.js';

meshOf('weft-linux-ovs4');
meshOf('weft-linux-ovs6');
meshOf('weft-weft-linux4');
meshOf('weft-weft-linux6');
meshOf('weft-frr-frr4');
