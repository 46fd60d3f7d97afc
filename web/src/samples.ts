// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// A run as code: its settings, as curl, Python or JavaScript sends them.

import type { Recipe } from "./api";
import { SIDE_NAMES } from "./sides";

export const LANGUAGES = ["curl", "Python", "JavaScript"] as const;
export type Language = (typeof LANGUAGES)[number];

interface Request {
  origin: string;
  pictures: readonly string[];
  fields: [name: string, value: string][];
}

const WRITERS: Record<Language, (request: Request) => string> = { curl, Python: python, JavaScript: javascript };

/** `sides`: those that have a picture; `parameters` are sent as fields of a form. */
export function codeOf(language: Language, origin: string, sides: readonly string[], parameters: Recipe): string {
  const pictures = SIDE_NAMES.filter((side) => sides.includes(side));
  const set = Object.entries(parameters).filter(([, value]) => value !== null);
  const fields = set.map(([name, value]): [string, string] => [name, String(value)]);
  return WRITERS[language]({ origin, pictures, fields });
}

function curl({ origin, pictures, fields }: Request): string {
  const parts = [
    ...pictures.map((side) => `-F ${side}=@${side}.png`),
    ...fields.map(([name, value]) => `-F ${name}=${value}`),
  ];
  return `# FOURVIEW_KEY holds the key
job=$(curl -sSf ${origin}/api/v1/jobs \\
  -H "x-api-key: $FOURVIEW_KEY" -H "Prefer: wait=600" \\
  ${parts.join(" \\\n  ")} \\
  | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
curl -sSf -o model.glb -H "x-api-key: $FOURVIEW_KEY" \\
  ${origin}/api/v1/jobs/$job/files/model.glb
`;
}

function python({ origin, pictures, fields }: Request): string {
  const settings = fields.map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return `import os

import httpx

pictures = {side: open(f"{side}.png", "rb") for side in ${JSON.stringify(pictures)}}
settings = {${settings.join(", ")}}
with httpx.Client(
    base_url=${JSON.stringify(origin)}, headers={"x-api-key": os.environ["FOURVIEW_KEY"]}, timeout=660
) as service:
    made = service.post("/api/v1/jobs", files=pictures, data=settings, headers={"Prefer": "wait=600"})
    job = made.raise_for_status().json()
    model = service.get(f"/api/v1/jobs/{job['id']}/files/model.glb").raise_for_status()
with open("model.glb", "wb") as file:
    file.write(model.content)
`;
}

function javascript({ origin, pictures, fields }: Request): string {
  const settings = fields.map(([name, value]) => `form.set(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
  return `import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";

const service = ${JSON.stringify(origin)};
const headers = { "x-api-key": process.env.FOURVIEW_KEY };
const form = new FormData();
for (const side of ${JSON.stringify(pictures)}) form.set(side, await openAsBlob(\`\${side}.png\`), \`\${side}.png\`);
${settings.join("")}const made = await fetch(\`\${service}/api/v1/jobs\`, {
  method: "POST",
  body: form,
  headers: { ...headers, prefer: "wait=600" },
});
if (!made.ok) throw new Error((await made.json()).detail);
const { id } = await made.json();
const model = await fetch(\`\${service}/api/v1/jobs/\${id}/files/model.glb\`, { headers });
await writeFile("model.glb", new Uint8Array(await model.arrayBuffer()));
`;
}
