// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// A run as code: exactly its settings, as a shell, Python or JavaScript sends them.

import type { Recipe } from "./api";
import { SIDES } from "./side_from_name";

export const LANGUAGES = ["curl", "Python", "JavaScript"] as const;
export type Language = (typeof LANGUAGES)[number];

/** `parameters` are sent as fields of a form; `sides` says which pictures there were. */
export function codeOf(language: Language, origin: string, sides: readonly string[], parameters: Recipe): string {
  const pictures = SIDES.filter((side) => sides.includes(side));
  const set = Object.entries(parameters).filter(([, value]) => value !== null);
  if (language === "curl") {
    const parts = [
      ...pictures.map((side) => `-F ${side}=@${side}.png`),
      ...set.map(([name, value]) => `-F ${name}=${value}`),
    ];
    return `# the key stands in FOURVIEW_KEY
job=$(curl -sSf ${origin}/api/v1/jobs \\
  -H "x-api-key: $FOURVIEW_KEY" -H "Prefer: wait=600" \\
  ${parts.join(" \\\n  ")} \\
  | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
curl -sSf -o model.glb -H "x-api-key: $FOURVIEW_KEY" \\
  ${origin}/api/v1/jobs/$job/files/model.glb
`;
  }
  if (language === "Python") {
    return `import os

import httpx

pictures = {side: open(f"{side}.png", "rb") for side in ${JSON.stringify(pictures)}}
settings = {${set.map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(String(value))}`).join(", ")}}
with httpx.Client(
    base_url=${JSON.stringify(origin)}, headers={"x-api-key": os.environ["FOURVIEW_KEY"]}, timeout=660
) as service:
    job = service.post("/api/v1/jobs", files=pictures, data=settings, headers={"Prefer": "wait=600"}).raise_for_status().json()
    model = service.get(f"/api/v1/jobs/{job['id']}/files/model.glb").raise_for_status()
with open("model.glb", "wb") as file:
    file.write(model.content)
`;
  }
  return `import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";

const headers = { "x-api-key": process.env.FOURVIEW_KEY };
const form = new FormData();
for (const side of ${JSON.stringify(pictures)}) form.set(side, await openAsBlob(\`\${side}.png\`), \`\${side}.png\`);
${set.map(([name, value]) => `form.set(${JSON.stringify(name)}, ${JSON.stringify(String(value))});\n`).join("")}const made = await fetch("${origin}/api/v1/jobs", { method: "POST", body: form, headers: { ...headers, prefer: "wait=600" } });
if (!made.ok) throw new Error((await made.json()).detail);
const { id } = await made.json();
const model = await fetch(\`${origin}/api/v1/jobs/\${id}/files/model.glb\`, { headers });
await writeFile("model.glb", new Uint8Array(await model.arrayBuffer()));
`;
}
