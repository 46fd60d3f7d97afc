// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// What a finished run offers: its model in each format, a link to share, its facts, its code, and its deletion.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Job } from "./api";
import { asRefusal, call, pathOf } from "./api";
import { Segments } from "./controls";
import { date, dateTime, fileSize } from "./format";
import { storedPictures } from "./picture_store";
import { fields } from "./recipe";
import { deleteRun, parametersToRepeat, readsSeed, refreshRun } from "./runs";
import type { Language } from "./samples";
import { codeOf, LANGUAGES } from "./samples";
import { announcement, needsKey } from "./session";
import { SIDE_NAMES } from "./sides";

const USES: Record<string, string> = {
  glb: "Blender, games",
  obj: "ZIP with its texture",
  ply: "scans, research",
  stl: "3D printing",
};
const REVOKE_MS = 60_000; // after a browser has begun to save a file

export function Downloads({ job }: { job: Job }) {
  const busy = useSignal(""); // the format that is on its way
  const error = useSignal("");
  const formats = fields.value.find((field) => field.name === "file_type")?.choices ?? [];

  const download = async (format: string) => {
    busy.value = format;
    error.value = "";
    try {
      const response = await call(`/api/v1/jobs/${job.id}/files/model.${format}`);
      const header = response.headers.get("content-disposition") ?? "";
      const name = /filename="([\w.-]+)"/.exec(header)?.[1] ?? `model.${format}`;
      saveFile(await response.blob(), name);
      announcement.value = `${name} is saved`;
    } catch (failure) {
      if (asRefusal(failure).code === "not_found") await refreshRun(job.id);
      else error.value = asRefusal(failure).message;
    } finally {
      busy.value = "";
    }
  };
  return (
    <div class="downloads">
      <section aria-labelledby="download-title">
        <h3 id="download-title">Download</h3>
        <div class="formats">
          {formats.map((format) => (
            <button type="button" key={format} disabled={busy.value !== ""} onClick={() => void download(format)}>
              <b>{busy.value === format ? "…" : format.toUpperCase()}</b>
              <small>{[USES[format], sizeOf(job, format)].filter(Boolean).join(" · ")}</small>
            </button>
          ))}
        </div>
        {error.value && (
          <p class="note bad" role="alert">
            {error.value}
          </p>
        )}
        <CopyLink job={job} />
        <Facts job={job} />
        <DeleteButton job={job} />
      </section>
      <Code key={job.id} job={job} />
    </div>
  );
}

/** Copies a link that shows the model to anyone, until its signature expires. */
function CopyLink({ job }: { job: Job }) {
  const until = useSignal("");
  const copyLink = async () => {
    const run = await refreshRun(job.id); // signs its files again
    const model = run?.outputs.find((output) => output.name === "model.glb");
    if (!model || !(await copy(`${location.origin}/#view=${encodeURIComponent(pathOf(model.url))}`))) return;
    const expires = Number(new URL(model.url).searchParams.get("expires"));
    until.value = dateTime(new Date(expires * 1000).toISOString());
  };
  return (
    <div class="row">
      <button type="button" onClick={() => void copyLink()}>
        {until.value ? "Link copied" : "Copy a link"}
      </button>
      <span class="sub">
        {until.value ? `Anyone can open it until ${until.value}` : "Anyone can open it, for a limited time"}
      </span>
    </div>
  );
}

function Facts({ job }: { job: Job }) {
  const facts: Record<string, string | null> = {
    Engine: [job.engine.name, job.engine.licence].filter(Boolean).join(", "),
    Duration: `${(Object.values(job.timings).reduce((sum, ms) => sum + ms, 0) / 1000).toFixed(1)} s`,
    Seed: readsSeed(job) ? String(job.seed_used) : null,
    Cost: `${job.cost} credits`,
    "Kept until": job.expires_at && date(job.expires_at),
  };
  return (
    <dl class="facts">
      {Object.entries(facts).map(
        ([name, value]) =>
          value && (
            <div key={name}>
              <dt>{name}</dt>
              <dd class={name === "Seed" ? "mono" : ""}>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

/** Deletes a run after a question. */
export function DeleteButton({ job }: { job: Job }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const close = () => dialog.current?.close();
  const confirm = () => {
    close();
    void deleteRun(job.id);
  };
  return (
    <div class="delete">
      <button type="button" class="danger" onClick={() => dialog.current?.showModal()}>
        Delete<span class="unseen"> the run of {dateTime(job.created_at)}</span>
      </button>
      <dialog ref={dialog} aria-label="Delete this run?">
        <h3>Delete this run?</h3>
        <p>Its files are deleted at once and its links stop working. This cannot be undone.</p>
        <div class="row">
          <button type="button" class="danger" onClick={confirm}>
            Delete this run
          </button>
          <button type="button" autofocus onClick={close}>
            Keep it
          </button>
        </div>
      </dialog>
    </div>
  );
}

function Code({ job }: { job: Job }) {
  const language = useSignal<Language>("curl");
  const sides = useSignal<string[]>(SIDE_NAMES);
  const isCopied = useSignal(false);
  useEffect(() => {
    void storedPictures(job.id).then((found) => {
      if (found) sides.value = Object.keys(found);
    });
  }, [job.id]);
  const text = codeOf(language.value, location.origin, sides.value, parametersToRepeat(job));
  const copyCode = async () => {
    isCopied.value = await copy(text);
  };
  return (
    <section class="code" aria-labelledby="code-title">
      <header>
        <h3 id="code-title">This run as code</h3>
        <Segments
          label="Language"
          group={`language-${job.id}`}
          names={LANGUAGES}
          value={language.value}
          onChoose={(name) => {
            language.value = name;
            isCopied.value = false;
          }}
          isSmall
        />
        <button type="button" onClick={() => void copyCode()}>
          {isCopied.value ? "Copied" : "Copy"}
        </button>
      </header>
      <pre tabIndex={0}>{text}</pre>
      {!needsKey.value && <p class="sub">This service needs no key. It ignores the header.</p>}
    </section>
  );
}

/** The size of the file, known where the run wrote that format. */
function sizeOf(job: Job, format: string): string | undefined {
  const output = job.outputs.find((one) => one.name.startsWith("model.") && one.format === format);
  return output && fileSize(output.bytes);
}

export function saveFile(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), REVOKE_MS);
}

/** Copy a text; whether that worked. */
async function copy(text: string): Promise<boolean> {
  let isDone = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea"); // over plain HTTP a page has no clipboard
    area.value = text;
    document.body.append(area);
    area.select();
    isDone = document.execCommand("copy");
    area.remove();
  }
  announcement.value = isDone ? "Copied" : "The browser did not allow copying";
  return isDone;
}
