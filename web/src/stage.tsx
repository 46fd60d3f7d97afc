// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The stage: how far the chosen run is, the model it made or why it made none, and the latest runs.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Job } from "./api";
import { pathOf } from "./api";
import { OutLink } from "./controls";
import { DeleteButton, Downloads } from "./downloads";
import { Head, Shown } from "./drop_zones";
import { dateTime } from "./format";
import { ModelView } from "./model_view";
import type { Pictures } from "./picture_store";
import { storedPictures } from "./picture_store";
import { pictures } from "./pictures";
import { plan } from "./recipe";
import { cancelRun, chosenId, chosenRun, editRun, isFinal, isSubmitting, parametersSent, runs, startRun } from "./runs";
import { sharedModel } from "./session";
import { FRONT, SIDE_NAMES } from "./sides";

const STRIP = 12; // runs below the stage
/** What a stage does, for users; the names are the service's. */
const STAGES: Record<string, string> = {
  fetch: "Reading the pictures",
  matte: "Cutting out the subject",
  encode: "Studying the views",
  denoise: "Finding the shape",
  decode: "Building the shape",
  extract: "Finding the surface",
  clean: "Cleaning the surface",
  simplify: "Reducing the faces",
  texture: "Painting the texture",
  export: "Writing the file",
};

export function Stage() {
  return (
    <section id="stage" class="stage" aria-labelledby="stage-title">
      <h2 id="stage-title" class="unseen">
        The model
      </h2>
      <Content />
      {!sharedModel.value && <Strip />}
    </section>
  );
}

function Content() {
  const job = chosenRun.value;
  if (sharedModel.value) return <ModelView key={sharedModel.value} path={sharedModel.value} job={null} />;
  if (!job) return <Empty />;
  if (job.status === "queued") return <Queued job={job} />;
  if (job.status === "running") return <Running job={job} />;
  return job.status === "succeeded" ? <Done key={job.id} job={job} /> : <Ended job={job} />;
}

function Empty() {
  return (
    <div class="board empty">
      <div class="unfold" aria-hidden="true">
        {SIDE_NAMES.map((side) => {
          const picture = pictures.value[side];
          return <span key={side}>{picture ? <Shown picture={picture} alt="" /> : <Head side={side} />}</span>;
        })}
      </div>
      <h3>Four pictures in, one model out</h3>
      <p>
        {pictures.value[FRONT]
          ? "The model will appear here."
          : "Add a picture of each side. The front is enough to begin; a side without a picture is guessed."}
      </p>
    </div>
  );
}

function Queued({ job }: { job: Job }) {
  return (
    <div class="board running">
      <p class="percent" aria-hidden="true">
        {job.queue_position ?? "…"}
        <small>{job.queue_position ? " in the queue" : ""}</small>
      </p>
      <h3>Waiting to start</h3>
      <p class="sub">{aheadOf(job)}</p>
      <Progress job={job} />
    </div>
  );
}

function aheadOf(job: Job): string {
  if (job.queue_position === null) return "This run starts soon";
  const ahead = job.queue_position - 1;
  if (ahead < 1) return "This run starts next";
  return ahead === 1 ? "1 run is ahead of this one" : `${ahead} runs are ahead of this one`;
}

function Running({ job }: { job: Job }) {
  const stages = stagesOf(job);
  const at = stages.findIndex((stage) => stage.name === job.stage);
  return (
    <div class="board running">
      <p class="percent" aria-hidden="true">
        {percentOf(job)}
        <small>%</small>
      </p>
      <h3>{STAGES[job.stage ?? ""] ?? "Starting"}</h3>
      <p class="sub">
        {at < 0 ? "" : `Stage ${at + 1} of ${stages.length}, `}engine {job.engine.name}
      </p>
      <Progress job={job} />
    </div>
  );
}

/** The bar, with a mark where each stage begins, and the button that ends the run. */
function Progress({ job }: { job: Job }) {
  const percent = percentOf(job);
  let begun = 0;
  const marks = stagesOf(job).map((stage) => {
    const start = begun;
    begun += stage.share;
    return { name: stage.name, start };
  });
  return (
    <>
      <div
        class="bar"
        role="progressbar"
        aria-label="Progress of the run"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
      >
        <i style={{ width: `${percent}%` }} />
        {marks.slice(1).map(({ name, start }) => (
          <b key={name} style={{ left: `${100 * start}%` }} />
        ))}
      </div>
      <button type="button" onClick={() => void cancelRun(job.id)}>
        Cancel this run
      </button>
    </>
  );
}

/** The stages of the run, known where the next run would use the same engine. */
function stagesOf(job: Job) {
  return plan.value?.engine === job.engine.name ? plan.value.stages : [];
}

function percentOf(job: Job): number {
  return Math.round(job.progress * 100);
}

const ENDINGS: Partial<Record<Job["status"], string>> = {
  failed: "This run failed",
  canceled: "Canceled",
  expired: "This run took too long",
};

function Ended({ job }: { job: Job }) {
  return (
    <div class={`board ended ${job.status}`}>
      <h3>{ENDINGS[job.status]}</h3>
      {job.error && <p>{job.error.message}</p>}
      {job.error && (
        <p class="sub">
          {job.error.retryable
            ? "The same run may succeed when you start it again."
            : "The same run would fail again. Change its pictures or its settings first."}{" "}
          <OutLink href={`/errors/${job.error.code}`}>{job.error.code}</OutLink>
        </p>
      )}
      <p class="sub">{job.cost ? `It cost ${job.cost} credits for the work that was done.` : "It cost nothing."}</p>
      <div class="row">
        <RunAgain key={job.id} job={job} />
        <DeleteButton job={job} />
      </div>
    </div>
  );
}

/** Starts a run again with the pictures that this browser stored; one that would fail again is edited first. */
function RunAgain({ job }: { job: Job }) {
  const given = useSignal<Pictures | null | undefined>(undefined);
  useEffect(() => {
    void storedPictures(job.id).then((found) => {
      given.value = found ?? null;
    });
  }, [job.id]);
  const own = given.value;
  if (own === undefined) return null;
  if (own === null)
    return <p class="sub">This browser does not have its pictures. Add them again to repeat the run.</p>;
  if (job.error && !job.error.retryable)
    return (
      <button type="button" onClick={() => void editRun(own, parametersSent(job))}>
        Edit its pictures and settings
      </button>
    );
  return (
    <button
      type="button"
      class="primary"
      disabled={isSubmitting.value}
      onClick={() => void startRun(own, parametersSent(job))}
    >
      Run again with the same pictures
    </button>
  );
}

function Done({ job }: { job: Job }) {
  const hasModel = job.outputs.some((output) => output.name === "model.glb");
  return (
    <>
      {hasModel ? <ModelView path={`/api/v1/jobs/${job.id}/files/model.glb`} job={job} /> : <Deleted job={job} />}
      {job.warnings.map((warning) => (
        <p class="note warn" key={warning.code + warning.field}>
          {warning.message}
        </p>
      ))}
      {hasModel && <Downloads job={job} />}
    </>
  );
}

function Deleted({ job }: { job: Job }) {
  return (
    <div class="board ended">
      <h3>The files of this run were deleted</h3>
      <p>
        The service deletes a run after some time: see the limits under <a href="#account">Account</a>.
      </p>
      <RunAgain key={job.id} job={job} />
    </div>
  );
}

/** The latest runs, to change between them. */
function Strip() {
  if (runs.value.length < 1) return null;
  return (
    <nav class="strip" aria-label="Runs">
      {runs.value.slice(0, STRIP).map((run) => (
        <button
          type="button"
          key={run.id}
          class={run.status}
          aria-current={run.id === chosenId.value}
          onClick={() => {
            chosenId.value = run.id;
          }}
          aria-label={`Run of ${dateTime(run.created_at)}, ${stateOf(run)}`}
        >
          <Thumbnail job={run} />
          {!isFinal(run) && (
            <i class="small-bar">
              <i style={{ width: `${run.progress * 100}%` }} />
            </i>
          )}
        </button>
      ))}
    </nav>
  );
}

/** The picture of a run's model, or its state in a word. */
export function Thumbnail({ job }: { job: Job }) {
  const preview = job.outputs.find((output) => output.name === "preview.png");
  if (preview) return <img src={pathOf(preview.url)} alt="" loading="lazy" />;
  return <span class="word">{stateOf(job)}</span>;
}

function stateOf(job: Job): string {
  return job.status === "succeeded" && job.outputs.length === 0 ? "deleted" : job.status;
}
