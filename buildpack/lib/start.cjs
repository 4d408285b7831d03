// Starts pyflow for a step of the buildpack. Uses only syntax that every Node understands, so that an old Node can say that it
// is too old.

'use strict';

var fs = require('fs');
var path = require('path');

var NEEDED = [20, 19];
var version = process.versions.node.split('.').map(Number);
var step = process.argv[2];
var home = process.argv[3];
var cli = path.join(home, '..', 'dist', 'cli.js');

function refuse(problem, remedy) {
  fs.writeSync(2, '\n !     ' + problem + '\n !     ' + remedy + '\n\n');
  process.exit(75);
}

if (version[0] < NEEDED[0] || (version[0] === NEEDED[0] && version[1] < NEEDED[1])) {
  refuse(
    'pyflow needs Node.js ' + NEEDED.join('.') + ' or newer, but ' + process.execPath + ' is ' + process.version + '.',
    'Install a newer one, put it into ' + path.join(home, 'node') + ', or name it with PYFLOW_NODE.',
  );
} else if (!fs.existsSync(cli)) {
  refuse(
    'pyflow is not built: ' + cli + ' is missing.',
    'Run `npm ci && npm run build` in its folder, or install the package.',
  );
} else {
  process.argv.splice(1, 3, cli, 'buildpack', step, '--home=' + home, '--');
  import(require('url').pathToFileURL(cli).href);
}
