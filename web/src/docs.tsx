// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// How to call the service: a sample, the fields of a request and the errors, from its OpenAPI document.

import { useSignal } from "@preact/signals";
import type { Value } from "./api";
import { OutLink, Segments } from "./controls";
import type { OpenApi, Schema } from "./openapi";
import { bodySchema, hostedPath } from "./openapi";
import { chosenParameters, fields } from "./recipe";
import type { Language } from "./samples";
import { codeOf, LANGUAGES } from "./samples";
import { openApi } from "./session";
import { SIDE_NAMES } from "./sides";

const JOBS = "/api/v1/jobs";

export function Docs() {
  const language = useSignal<Language>("curl");
  const document = openApi.value;
  if (!document)
    return (
      <main id="main" tabIndex={-1} class="plain">
        <h1>Documentation</h1>
        <p>Loading …</p>
      </main>
    );
  const hosted = hostedPath(document);
  return (
    <main id="main" tabIndex={-1} class="plain docs">
      <h1>Documentation</h1>
      <p>
        This page uses the HTTP API of the service, and so can you. Every field is in{" "}
        <OutLink href="/openapi.json">openapi.json</OutLink>; a summary for language models is{" "}
        <OutLink href="/llms.txt">llms.txt</OutLink>. Send your key in the header <code>x-api-key</code>.
      </p>
      <section class="code" aria-labelledby="sample-title">
        <header>
          <h2 id="sample-title">Make a model</h2>
          <Segments
            label="Language"
            group="docs-language"
            names={LANGUAGES}
            value={language.value}
            onChoose={(name) => {
              language.value = name;
            }}
            isSmall
          />
        </header>
        <pre tabIndex={0}>{codeOf(language.value, location.origin, SIDE_NAMES, chosenParameters.value)}</pre>
      </section>
      <h2>
        Fields of <code>POST {JOBS}</code>
      </h2>
      <FieldTable label="Fields of a job" schema={bodySchema(document, JOBS, "form")} />
      {hosted && (
        <>
          <h2>
            Fields of <code>POST {hosted}</code>
          </h2>
          <p>This is the hosted API. Its clients work here: they only need the new address.</p>
          <FieldTable label="Fields of the hosted API" schema={bodySchema(document, hosted, "json")} />
        </>
      )}
      <h2>Errors</h2>
      <ErrorTable document={document} />
      <p class="sub">
        Built with <OutLink href="/assets/licences.md">Preact and three.js</OutLink>. Fonts:{" "}
        <OutLink href="/assets/fonts.md">Schibsted Grotesk and JetBrains Mono</OutLink>.
      </p>
    </main>
  );
}

function FieldTable({ label, schema }: { label: string; schema: Schema | undefined }) {
  return (
    <div class="wide" tabIndex={0} role="region" aria-label={label}>
      <table class="fields">
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
          {Object.entries(schema?.properties ?? {}).map(([name, property]) => (
            <tr key={name}>
              <td>
                <code>{name}</code>
              </td>
              <td>{typeOf(property)}</td>
              <td>{valuesOf(name, property)}</td>
              <td>{schema?.required?.includes(name) ? "required" : defaultOf(name, property)}</td>
              <td class="text">{property.description}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ErrorTable({ document }: { document: OpenApi }) {
  const answers = Object.entries(document.components.responses).filter(([code]) => !code.endsWith("_here"));
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="Errors">
      <table class="fields errors">
        <thead>
          <tr>
            <th scope="col">Status</th>
            <th scope="col">Code</th>
            <th scope="col">Meaning</th>
            <th scope="col">What to do</th>
          </tr>
        </thead>
        <tbody>
          {answers.map(([code, answer]) => {
            const problem = answer.content["application/problem+json"].example;
            return (
              <tr key={code}>
                <td>{problem.status}</td>
                <td>
                  <code>{code}</code>
                </td>
                <td>{answer.description}</td>
                <td>{problem.detail}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function typeOf(schema: Schema): string {
  const types = [schema.type ?? "any"].flat().filter((type) => type !== "null");
  return types.join(" or ") + (schema.format === "binary" ? ", file" : "");
}

function valuesOf(name: string, schema: Schema): string {
  if (schema.enum) return schema.enum.filter((choice: Value) => choice !== null).join(", ");
  if (schema.minimum === undefined) return "";
  return `${schema.minimum} – ${name === "seed" ? "2⁶³ − 1" : schema.maximum}`; // a JavaScript number cannot hold it
}

function defaultOf(name: string, schema: Schema): string {
  if (schema.default !== undefined) return String(schema.default);
  return fields.value.some((field) => field.name === name) ? "not set" : "none";
}
