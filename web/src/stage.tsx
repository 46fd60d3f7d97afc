// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The stage: what a run is doing, and the model it made.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Job, Side } from "./api";
import { call, here, Refusal } from "./api";
import { Delete, parametersSent, readsSeed, TakeAway } from "./downloads";
import { Head, Shown } from "./drop_zones";
import { save, when } from "./format";
import type { Pictures } from "./picture_store";
import { kept } from "./picture_store";
import { amount } from "./settings";
import { SIDES } from "./side_from_name";
import {
  asRefusal,
  cancel,
  chosen,
  isFinal,
  job,
  pictures,
  plan,
  refresh,
  run,
  runs,
  setParameter,
  shared,
  submitting,
  takeUp,
} from "./state";
import type { Look, Viewer } from "./viewer";

const STAGES: Record<string, string> = {
  fetch: "Taking the pictures",
  matte: "Cutting the subject out",
  encode: "Reading the views",
  denoise: "Finding the shape",
  decode: "Building the field",
  extract: "Finding the surface",
  clean: "Cleaning up",
  simplify: "Simplifying",
  texture: "Painting the texture",
  export: "Writing the file",
};
const LOOKS: Look[] = ["textured", "clay", "wireframe", "normals"];

export function Stage() {
  const now = job.value;
  return (
    <section id="stage" class="stage" aria-labelledby="stage-title">
      <h2 id="stage-title" class="unseen">
        The model
      </h2>
      {shared.value ? (
        <Show key={shared.value} path={shared.value} job={null} />
      ) : !now ? (
        <Empty />
      ) : !isFinal(now) ? (
        <Running job={now} />
      ) : now.status === "succeeded" ? (
        <Done key={now.id} job={now} />
      ) : (
        <Ended job={now} />
      )}
      {!shared.value && <Strip />}
    </section>
  );
}

function Empty() {
  return (
    <div class="board empty">
      <div class="unfold" aria-hidden="true">
        {SIDES.map((side) => {
          const picture = pictures.value[side];
          return <span key={side}>{picture ? <Shown picture={picture} alt="" /> : <Head side={side} />}</span>;
        })}
      </div>
      <h3>Four pictures in, one model out</h3>
      <p>
        {pictures.value.front
          ? "The model will stand here."
          : "Put a picture of each side into its place. One is enough to begin; each further side replaces a guess."}
      </p>
    </div>
  );
}

function Running({ job }: { job: Job }) {
  const percent = Math.round(job.progress * 100);
  const stages = plan.value?.engine === job.engine.name ? plan.value.stages : [];
  const at = stages.findIndex((stage) => stage.name === job.stage);
  return (
    <div class="board running">
      <p class="percent" aria-hidden="true">
        {job.status === "queued" ? (job.queue_position ?? "…") : percent}
        <small>{job.status !== "queued" ? "%" : job.queue_position ? " in line" : ""}</small>
      </p>
      <h3>{job.status === "queued" ? "Waiting for its turn" : (STAGES[job.stage ?? ""] ?? "Beginning")}</h3>
      <p class="sub">
        {job.status === "queued"
          ? job.queue_position
            ? `Place ${job.queue_position} in the queue`
            : "It begins soon"
          : `${at < 0 ? "" : `Stage ${at + 1} of ${stages.length}, `}engine ${job.engine.name}`}
      </p>
      <div
        class="bar"
        role="progressbar"
        aria-label="Progress of the run"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
      >
        <i style={{ width: `${percent}%` }} />
        {stages.slice(1).map((stage, index) => (
          <b
            key={stage.name}
            style={{ left: `${100 * stages.slice(0, index + 1).reduce((sum, part) => sum + part.share, 0)}%` }}
          />
        ))}
      </div>
      <button type="button" onClick={() => void cancel(job.id)}>
        Cancel this run
      </button>
    </div>
  );
}

function Ended({ job }: { job: Job }) {
  const words = { failed: "This run failed", canceled: "Canceled", expired: "Its time ran out" }[
    job.status as "failed"
  ];
  return (
    <div class={`board ended ${job.status}`}>
      <h3>{words}</h3>
      {job.error && <p>{job.error.message}</p>}
      {job.error && (
        <p class="sub">
          {job.error.retryable
            ? "The same run may work when you try it again."
            : "The same run would fail again: change its pictures or its settings first."}{" "}
          <a href={`/errors/${job.error.code}`} target="_blank" rel="noreferrer">
            {job.error.code}
          </a>
        </p>
      )}
      <p class="sub">{job.cost ? `It cost ${job.cost} credits, for the work that was done.` : "It cost nothing."}</p>
      <div class="row">
        <Again key={job.id} job={job} />
        <Delete job={job} />
      </div>
    </div>
  );
}

/** What this browser kept of a run makes it once more; where it would fail again, there is something to change before. */
function Again({ job }: { job: Job }) {
  const given = useSignal<Pictures | null | undefined>(undefined);
  useEffect(() => void kept(job.id).then((found) => (given.value = found ?? null)), [job.id]);
  if (given.value === undefined) return null;
  if (!given.value) return <p class="sub">Its pictures are not in this browser: give them again to make it anew.</p>;
  const pictures = given.value;
  return job.error && !job.error.retryable ? (
    <button type="button" onClick={() => void takeUp(pictures, parametersSent(job))}>
      Take its pictures and settings, to change them
    </button>
  ) : (
    <button
      type="button"
      class="primary"
      disabled={submitting.value}
      onClick={() => void run(pictures, parametersSent(job))}
    >
      Run it again with the same pictures
    </button>
  );
}

function Done({ job }: { job: Job }) {
  const model = job.outputs.find((output) => output.name === "model.glb");
  return (
    <>
      {model ? <Show key={job.id} path={`/api/v1/jobs/${job.id}/files/model.glb`} job={job} /> : <Gone job={job} />}
      {job.warnings.map((warning) => (
        <p class="note warn" key={warning.code + warning.field}>
          {warning.message}
        </p>
      ))}
      {model && <TakeAway key={job.id} job={job} />}
    </>
  );
}

function Gone({ job }: { job: Job }) {
  return (
    <div class="board ended">
      <h3>The files of this run are gone</h3>
      <p>A run is kept for a time, which Account tells; then the service deletes it. Save the next one before.</p>
      <Again key={job.id} job={job} />
    </div>
  );
}

function Show({ path, job }: { path: string; job: Job | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const viewer = useRef<Viewer | null>(null);
  const state = useSignal<"loading" | "shown" | "failed">("loading");
  const trouble = useSignal("");
  const size = useSignal<[number, number, number] | null>(null);
  const mode = useSignal<Look>("textured");
  const hasGrid = useSignal(true);
  const given = useSignal<Pictures>({});
  const side = useSignal<Side | null>(null);
  const opacity = useSignal(0.5);
  const url = useRef("");

  useEffect(() => {
    let isGone = false;
    void (async () => {
      try {
        const [{ Viewer: Made }, glb, known] = await Promise.all([
          import("./viewer"),
          call(path).then((response) => response.arrayBuffer()),
          job ? kept(job.id) : undefined,
        ]);
        if (isGone || !canvas.current) return;
        given.value = known ?? {};
        viewer.current = new Made(canvas.current, () => undefined);
        size.value = (await viewer.current.show(glb)) ?? null;
        state.value = "shown";
      } catch (error) {
        if (isGone) return;
        if (job && asRefusal(error).code === "not_found") return void refresh(job.id);
        state.value = "failed";
        trouble.value =
          error instanceof Refusal
            ? error.code === "signature_invalid"
              ? "This link has run out; ask whoever sent it for a new one."
              : error.message
            : /WebGL/.test(String(error))
              ? "This browser shows no 3D (WebGL is off); the files below are there all the same."
              : asRefusal(error).message;
      }
    })();
    return () => {
      isGone = true;
      viewer.current?.close();
      URL.revokeObjectURL(url.current);
    };
  }, []);

  const cover = async (next: Side | null) => {
    side.value = next;
    const picture = next && given.value[next];
    if (!next || !picture) {
      viewer.current?.uncover();
      if (next) viewer.current?.from(next);
      return;
    }
    URL.revokeObjectURL(url.current);
    url.current = picture.cutout ?? URL.createObjectURL(picture.blob);
    await viewer.current?.overlay(next, url.current, await subjectOf(url.current), opacity.value);
  };
  const shoot = async () => {
    const blob = await viewer.current?.picture();
    if (blob) save(blob, "model.png");
  };
  const mesh = job?.mesh;
  return (
    <div class={`show ${state.value}`} ref={frame}>
      <div class="field">
        <canvas
          ref={canvas}
          tabIndex={0}
          role="img"
          aria-label="The model. Arrow keys turn it, plus and minus zoom, 1 to 4 show a side, 0 resets."
          data-state={state.value}
        />
        {state.value === "loading" && (
          <p class="over" role="status">
            Loading the model …
          </p>
        )}
        {state.value === "failed" && (
          <p class="over" role="alert">
            {trouble.value}
          </p>
        )}
        {size.value && (
          <p class="size">{size.value.map((metres) => metres.toFixed(metres < 0.1 ? 4 : 3)).join(" × ")} m</p>
        )}
        {side.value && given.value[side.value] && (
          <label class="blend">
            model{" "}
            <input
              type="range"
              min="0"
              max="1"
              step="0.02"
              value={opacity.value}
              aria-label="How much of the picture covers the model"
              onInput={(event) => {
                opacity.value = Number(event.currentTarget.value);
                viewer.current?.fade(opacity.value);
              }}
            />{" "}
            picture
          </label>
        )}
        {mesh && (
          <ul class="health" aria-label="The mesh">
            <li>
              <b>{amount(mesh.faces)}</b> faces
            </li>
            <li>
              <b>{amount(mesh.vertices)}</b> vertices
            </li>
            <li class={mesh.watertight ? "good" : "bad"}>{mesh.watertight ? "watertight" : "has holes"}</li>
            <li class={mesh.manifold ? "good" : "bad"}>{mesh.manifold ? "manifold" : "not manifold"}</li>
            <li class={mesh.components === 1 ? "good" : "warn"}>
              {mesh.components === 1 ? "one piece" : `${mesh.components} pieces`}
            </li>
          </ul>
        )}
      </div>
      {state.value !== "failed" && (
        <div class="tools" role="group" aria-label="Look of the model">
          <div class="segments small" role="radiogroup" aria-label="Shading">
            {LOOKS.map((name) => (
              <label key={name}>
                <input
                  type="radio"
                  name={`look-${path}`}
                  checked={mode.value === name}
                  onChange={() => ((mode.value = name), viewer.current?.look(name))}
                />
                <span>{name}</span>
              </label>
            ))}
          </div>
          <div class="sides" role="group" aria-label="Look from a side">
            {SIDES.map((name) => (
              <button
                type="button"
                key={name}
                aria-pressed={side.value === name}
                title={given.value[name] ? `The ${name} picture over the model` : `From the ${name}`}
                onClick={() => void cover(side.value === name ? null : name)}
              >
                {name}
                {given.value[name] && <i aria-hidden="true" />}
              </button>
            ))}
          </div>
          <span class="push" />
          <label class="check">
            <input
              type="checkbox"
              checked={hasGrid.value}
              onChange={(event) => (
                (hasGrid.value = event.currentTarget.checked), viewer.current?.showGrid(hasGrid.value)
              )}
            />{" "}
            grid
          </label>
          <button
            type="button"
            onClick={() => ((side.value = null), viewer.current?.uncover(), viewer.current?.home())}
          >
            Reset
          </button>
          <button type="button" onClick={() => void shoot()}>
            Screenshot
          </button>
          <button
            type="button"
            onClick={() =>
              void (document.fullscreenElement ? document.exitFullscreen() : frame.current?.requestFullscreen())
            }
          >
            Full screen
          </button>
          {job && readsSeed(job) && (
            <button type="button" onClick={() => setParameter("seed", job.seed_used)}>
              Keep this seed
            </button>
          )}
        </div>
      )}
    </div>
  );
}

/** Where the subject is in a cut-out: left, top, right, bottom as shares of its size. */
async function subjectOf(url: string): Promise<[number, number, number, number]> {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  const width = Math.min(512, picture.naturalWidth),
    height = Math.max(1, Math.round((width * picture.naturalHeight) / picture.naturalWidth));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) return [0, 0, 1, 1];
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  let x0 = width,
    y0 = height,
    x1 = 0,
    y1 = 0;
  for (let index = 3; index < data.length; index += 4) {
    if ((data[index] ?? 0) < 128) continue;
    const x = ((index - 3) / 4) % width,
      y = Math.floor((index - 3) / 4 / width);
    x0 = Math.min(x0, x);
    x1 = Math.max(x1, x + 1);
    y0 = Math.min(y0, y);
    y1 = Math.max(y1, y + 1);
  }
  return x1 > x0 ? [x0 / width, y0 / height, x1 / width, y1 / height] : [0, 0, 1, 1];
}

/** The latest runs, to change between them. */
function Strip() {
  if (runs.value.length < 1) return null;
  return (
    <nav class="strip" aria-label="Runs">
      {runs.value.slice(0, 12).map((one) => (
        <button
          type="button"
          key={one.id}
          class={one.status}
          aria-current={one.id === chosen.value}
          onClick={() => (chosen.value = one.id)}
          aria-label={`Run of ${when(one.created_at)}, ${wordOf(one)}`}
        >
          <Thumb job={one} />
          {!isFinal(one) && (
            <i class="small-bar">
              <i style={{ width: `${one.progress * 100}%` }} />
            </i>
          )}
        </button>
      ))}
    </nav>
  );
}

export function Thumb({ job }: { job: Job }) {
  const preview = job.outputs.find((output) => output.name === "preview.png");
  if (preview) return <img src={here(preview.url)} alt="" loading="lazy" />;
  return <span class="word">{wordOf(job)}</span>;
}

/** Its status; `gone` where its time is over. */
function wordOf(job: Job): string {
  return job.status === "succeeded" && job.outputs.length === 0 ? "gone" : job.status;
}
