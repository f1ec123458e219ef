// Unpacks the browser and the libraries and fonts that it needs into TMPDIR.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const entry = createRequire(join(process.cwd(), "x")).resolve("@sparticuz/chromium");
const { default: chromium, inflate } = await import(pathToFileURL(entry));
await chromium.executablePath();
await inflate(join(dirname(dirname(entry)), "bin", "al2023.tar.br"));
