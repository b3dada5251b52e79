// Draws the avatars of one style. Started by avatars.py, in a folder that has node_modules, with a request as
// JSON: style, count, side (pixels), folder. Writes 0000.png … there, and prints what the style says of itself.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as collection from "@dicebear/collection";
import { createAvatar } from "@dicebear/core";
import resvg from "@resvg/resvg-js";

const { style, count, side, folder } = JSON.parse(process.argv[1]);
const design = collection[style.replace(/-(.)/g, (_, letter) => letter.toUpperCase())];
const { name, version, license } = JSON.parse(readFileSync(`node_modules/@dicebear/${style}/package.json`));
const rendering = { fitTo: { mode: "width", value: side }, background: "white", font: { loadSystemFonts: false } };

const avatars = [];
for (let index = 0; index < count; index++) {
  const { svg, extra } = createAvatar(design, { seed: String(index) }).toJson();
  const file = join(folder, `${String(index).padStart(4, "0")}.png`);
  writeFileSync(file, new resvg.Resvg(svg, rendering).render().asPng());
  avatars.push(extra);
}
console.log(JSON.stringify({ meta: { ...design.meta, package: { name, version, license } }, avatars }));
