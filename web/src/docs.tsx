// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// How to call the service, from its own OpenAPI document: attributes, answers, errors, samples.

import { useSignal } from "@preact/signals";
import type { Language } from "./samples";
import { codeOf, LANGUAGES } from "./samples";
import { document_, fields, wanted } from "./state";

const HOSTED = "/v1/hunyuan3d-2mv";

interface Row {
  name: string;
  type: string;
  values: string;
  fallback: string;
  text: string;
}

export function Docs() {
  const language = useSignal<Language>("curl");
  const found = document_.value;
  if (!found)
    return (
      <main id="main" class="plain">
        <h1>Documentation</h1>
        <p>Loading …</p>
      </main>
    );
  const native = found["paths"]["/api/v1/jobs"].post.requestBody.content["multipart/form-data"].schema;
  const hosted = found["paths"][HOSTED]?.post?.requestBody?.content?.["application/json ; charset=utf-8"]?.schema;
  const errors = Object.entries<any>(found["components"].responses).filter(([name]) => !name.endsWith("_here"));
  return (
    <main id="main" class="plain docs">
      <h1>Documentation</h1>
      <p>
        Everything that this page does goes over HTTP, and you can do it too:{" "}
        <a href="/openapi.json" target="_blank" rel="noreferrer">
          openapi.json
        </a>{" "}
        has every field,{" "}
        <a href="/llms.txt" target="_blank" rel="noreferrer">
          llms.txt
        </a>{" "}
        tells it to a language model. Send your key in the header <code>x-api-key</code>.
      </p>
      <section class="code" aria-labelledby="sample-title">
        <header>
          <h2 id="sample-title">Make a model</h2>
          <div class="segments small" role="radiogroup" aria-label="Language">
            {LANGUAGES.map((name) => (
              <label key={name}>
                <input
                  type="radio"
                  name="docs-language"
                  checked={language.value === name}
                  onChange={() => (language.value = name)}
                />
                <span>{name}</span>
              </label>
            ))}
          </div>
        </header>
        <pre tabIndex={0}>{codeOf(language.value, location.origin, ["front", "left", "back", "right"], wanted())}</pre>
      </section>
      <h2>
        Attributes of <code>POST /api/v1/jobs</code>
      </h2>
      <Attributes label="Attributes of a job" rows={rowsOf(resolve(native, found))} />
      {hosted && (
        <>
          <h2>
            Attributes of <code>POST {HOSTED}</code>
          </h2>
          <p>The calls of the hosted endpoint, so that its clients need a new address and nothing else.</p>
          <Attributes label="Attributes of the hosted call" rows={rowsOf(resolve(hosted, found))} />
        </>
      )}
      <h2>Errors</h2>
      <div class="wide" tabIndex={0} role="region" aria-label="Errors">
        <table class="attributes errors">
          <thead>
            <tr>
              <th scope="col">Status</th>
              <th scope="col">Code</th>
              <th scope="col">Means</th>
              <th scope="col">What to do</th>
            </tr>
          </thead>
          <tbody>
            {errors.map(([name, response]) => {
              const example = response.content["application/problem+json"].example;
              return (
                <tr key={name}>
                  <td>{example.status}</td>
                  <td>
                    <code>{name}</code>
                  </td>
                  <td>{response.description}</td>
                  <td>{example.detail}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <p class="sub">
        This page is made with{" "}
        <a href="/assets/licences.md" target="_blank" rel="noreferrer">
          Preact and three.js
        </a>
        , and set in{" "}
        <a href="/assets/fonts.md" target="_blank" rel="noreferrer">
          Schibsted Grotesk and JetBrains Mono
        </a>
        .
      </p>
    </main>
  );
}

function Attributes({ label, rows }: { label: string; rows: Row[] }) {
  return (
    <div class="wide" tabIndex={0} role="region" aria-label={label}>
      <table class="attributes">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Type</th>
            <th scope="col">Values</th>
            <th scope="col">Default</th>
            <th scope="col">Meaning</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name}>
              <td>
                <code>{row.name}</code>
              </td>
              <td>{row.type}</td>
              <td>{row.values}</td>
              <td>{row.fallback}</td>
              <td class="text">{row.text}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function resolve(schema: any, found: Record<string, any>): any {
  const name = /^#\/components\/schemas\/(.+)$/.exec(schema?.$ref ?? "")?.[1];
  return name ? found["components"].schemas[name] : schema;
}

function rowsOf(schema: any): Row[] {
  const needed: string[] = schema.required ?? [];
  return Object.entries<any>(schema.properties ?? {}).map(([name, property]) => ({
    name,
    type:
      [property.type ?? "any"]
        .flat()
        .filter((type: string) => type !== "null")
        .join(" or ") + (property.format === "binary" ? ", file" : ""),
    values: property.enum
      ? property.enum.filter((choice: unknown) => choice !== null).join(", ")
      : property.minimum !== undefined
        ? `${property.minimum} – ${name === "seed" ? "2⁶³ − 1" : property.maximum}`
        : "",
    fallback: needed.includes(name)
      ? "required"
      : property.default === undefined
        ? fields.value.some((field) => field.name === name)
          ? "not set"
          : "none"
        : String(property.default),
    text: property.description ?? "",
  }));
}
