// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// What can be taken away of a run: its model in each format, a link, the run as code; and how it is thrown away.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Job, Recipe, Value } from "./api";
import { call, here } from "./api";
import { save, when } from "./format";
import { kept } from "./picture_store";
import type { Language } from "./samples";
import { codeOf, LANGUAGES } from "./samples";
import { asRefusal, fields, jobs, models, needsKey, refresh, removeJob, said } from "./state";

const FORMATS = [
  ["glb", "Blender, games, the web"],
  ["obj", "with its texture, zipped"],
  ["ply", "scans, research"],
  ["stl", "3D printing"],
] as const;

export function TakeAway({ job }: { job: Job }) {
  const busy = useSignal("");
  const trouble = useSignal("");
  const until = useSignal(""); // the link that was copied opens

  const fetchFile = async (format: string) => {
    busy.value = format;
    trouble.value = "";
    try {
      const response = await call(`/api/v1/jobs/${job.id}/files/model.${format}`);
      const name =
        /filename="([\w.-]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? `model.${format}`;
      save(await response.blob(), name);
      said.value = `${name} was saved`;
    } catch (error) {
      if (asRefusal(error).code === "not_found") await refresh(job.id);
      else trouble.value = asRefusal(error).message;
    } finally {
      busy.value = "";
    }
  };
  const copyLink = async () => {
    await refresh(job.id); // which signs it anew
    const model = jobs.value[job.id]?.outputs.find((output) => output.name === "model.glb");
    if (!model) return;
    if (await copy(`${location.origin}/#view=${encodeURIComponent(here(model.url))}`))
      until.value = when(new Date(Number(new URL(model.url).searchParams.get("expires")) * 1000).toISOString());
  };
  return (
    <div class="take">
      <section aria-labelledby="take-title">
        <h3 id="take-title">Take it away</h3>
        <div class="formats">
          {FORMATS.map(([format, use]) => (
            <button type="button" key={format} disabled={busy.value !== ""} onClick={() => void fetchFile(format)}>
              <b>{busy.value === format ? "…" : format.toUpperCase()}</b>
              <small>{sizeOf(job, format) ?? use}</small>
            </button>
          ))}
        </div>
        {trouble.value && (
          <p class="note bad" role="alert">
            {trouble.value}
          </p>
        )}
        <div class="row">
          <button type="button" onClick={() => void copyLink()}>
            {until.value ? "Copied" : "Copy a link"}
          </button>
          <span class="sub">
            {until.value ? `opens for anybody until ${until.value}` : "opens for anybody, for a while"}
          </span>
        </div>
        <dl class="facts">
          <div>
            <dt>Engine</dt>
            <dd>
              {job.engine.name}
              {job.engine.licence ? `, ${job.engine.licence}` : ""}
            </dd>
          </div>
          <div>
            <dt>Took</dt>
            <dd>{(Object.values(job.timings).reduce((sum, ms) => sum + ms, 0) / 1000).toFixed(1)} s</dd>
          </div>
          {readsSeed(job) && (
            <div>
              <dt>Seed</dt>
              <dd class="mono">{String(job.seed_used)}</dd>
            </div>
          )}
          <div>
            <dt>Cost</dt>
            <dd>{job.cost} credits</dd>
          </div>
          <div>
            <dt>Kept until</dt>
            <dd>
              {job.expires_at
                ? new Date(job.expires_at).toLocaleDateString(undefined, { dateStyle: "medium" })
                : "deleted"}
            </dd>
          </div>
        </dl>
        <Delete job={job} />
      </section>
      <Code job={job} />
    </div>
  );
}

/** A run is deleted after one more question. */
export function Delete({ job }: { job: Job }) {
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <div class="delete">
      <button type="button" class="danger" onClick={() => dialog.current?.showModal()}>
        Delete<span class="unseen"> the run of {when(job.created_at)}</span>
      </button>
      <dialog ref={dialog} aria-label="Delete this run?">
        <h3>Delete this run?</h3>
        <p>Its files and its links are gone at once, for everybody.</p>
        <div class="row">
          <button type="button" class="danger" onClick={() => (dialog.current?.close(), void removeJob(job.id))}>
            Delete it
          </button>
          <button type="button" autofocus onClick={() => dialog.current?.close()}>
            Keep it
          </button>
        </div>
      </dialog>
    </div>
  );
}

function Code({ job }: { job: Job }) {
  const language = useSignal<Language>("curl");
  const sides = useSignal<string[]>(["front", "left", "back", "right"]);
  const isCopied = useSignal(false);
  const asked = useRef("");
  if (asked.current !== job.id) {
    asked.current = job.id;
    void kept(job.id).then((found) => found && (sides.value = Object.keys(found)));
  }
  const text = codeOf(language.value, location.origin, sides.value, parametersOf(job));
  return (
    <section class="code" aria-labelledby="code-title">
      <header>
        <h3 id="code-title">This run as code</h3>
        <div class="segments small" role="radiogroup" aria-label="Language">
          {LANGUAGES.map((name) => (
            <label key={name}>
              <input
                type="radio"
                name={`language-${job.id}`}
                checked={language.value === name}
                onChange={() => ((language.value = name), (isCopied.value = false))}
              />
              <span>{name}</span>
            </label>
          ))}
        </div>
        <button type="button" onClick={() => void copy(text).then((done) => (isCopied.value = done))}>
          {isCopied.value ? "Copied" : "Copy"}
        </button>
      </header>
      <pre tabIndex={0}>{text}</pre>
      {!needsKey.value && <p class="sub">Nobody is asked for a key here; the header does no harm.</p>}
    </section>
  );
}

/** What differs from the defaults, as it was sent. */
export function parametersSent(job: Job): Recipe {
  const known = models.value.find((model) => model.id === job.engine.name)?.parameters;
  const plain = new Map(fields.value.map((field) => [field.name, field.fallback]));
  return Object.fromEntries(
    Object.entries(job.recipe as Recipe).filter(
      ([name, value]) => (!known || known.includes(name)) && value !== (plain.get(name) ?? null),
    ),
  );
}

/** The same, and the seed that was drawn. */
function parametersOf(job: Job): Recipe {
  const parameters = parametersSent(job);
  if (readsSeed(job)) parameters["seed"] = job.seed_used as Value;
  return parameters;
}

/** Whether the seed made a difference to this run. */
export function readsSeed(job: Job): boolean {
  return (
    job.seed_used !== null &&
    Boolean(models.value.find((model) => model.id === job.engine.name)?.parameters.includes("seed"))
  );
}

function sizeOf(job: Job, format: string): string | undefined {
  const output = job.outputs.find((one) => one.name.startsWith("model.") && one.format === format);
  if (!output) return undefined;
  return output.bytes > 1e6
    ? `${(output.bytes / 1e6).toFixed(1)} MB`
    : `${Math.max(1, Math.round(output.bytes / 1e3))} kB`;
}

/** Whether it is in the clipboard now. */
async function copy(text: string): Promise<boolean> {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea"); // no clipboard for pages that came over plain HTTP
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  said.value = done ? "Copied" : "The browser refused to copy";
  return done;
}
