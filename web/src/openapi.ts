// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The parts of the service's OpenAPI document that the page reads.

import type { Problem, Value } from "./api";

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  enum?: Value[];
  minimum?: number;
  maximum?: number;
  default?: Value;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
}
interface Answer {
  description: string;
  content: { "application/problem+json": { example: Problem } };
}
export interface OpenApi {
  paths: Record<string, { post?: { requestBody?: { content: Record<string, { schema: Schema }> } } }>;
  components: { schemas: Record<string, Schema>; responses: Record<string, Answer> };
}

const JSON_BODY = "application/json ; charset=utf-8"; // as the document writes it
const FORM_BODY = "multipart/form-data";

/** The schema of what is posted to `path`. */
export function bodySchema(document: OpenApi | null, path: string, kind: "json" | "form"): Schema | undefined {
  const content = document?.paths[path]?.post?.requestBody?.content;
  const schema = content?.[kind === "json" ? JSON_BODY : FORM_BODY]?.schema;
  const name = /^#\/components\/schemas\/(.+)$/.exec(schema?.$ref ?? "")?.[1];
  return name ? document?.components.schemas[name] : schema;
}

/** The path of the hosted API's synchronous call. */
export function hostedPath(document: OpenApi): string | undefined {
  return Object.keys(document.paths).find((path) => path.startsWith("/v1/") && document.paths[path]?.post);
}
