import { speaksTo } from './speaks-to.js';

speaksTo('linux4');
speaksTo('linux6');
speaksTo('linux4-no-checksum');
speaksTo('linux6-no-checksum');
speaksTo('linux4-no-tunnel-offload');
speaksTo('linux4-no-offload');
speaksTo('linux6-no-offload');
speaksTo('linux4-df-set');
speaksTo('linux4-df-inherit');
speaksTo('linux6-learning');
speaksTo('linux4-8472');
speaksTo('linux4-jumbo');
