// Lets plain Node run our TypeScript: types are cut away as each file is loaded (the compiler checks them in `npm run types`).
// usage: node end2end/soak/kit/ts.cjs FILE.ts [arguments...]
const { readFileSync } = require("node:fs");
const { resolve } = require("node:path");
const ts = require("typescript");

require.extensions[".ts"] = (module, file) => {
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true, inlineSourceMap: true };
  module._compile(ts.transpileModule(readFileSync(file, "utf8"), { fileName: file, compilerOptions }).outputText, file);
};
process.setSourceMapsEnabled(true);
const [file] = process.argv.splice(2, 1);
process.argv[1] = resolve(file);
require(resolve(file));
