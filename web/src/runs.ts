// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The runs of the account: starts, follows, cancels and deletes them.

import { computed, effect, signal } from "@preact/signals";
import type { Job, Recipe, Value } from "./api";
import { ask, asRefusal, call, isAway, pathOf } from "./api";
import type { Pictures } from "./picture_store";
import { deletePictures, storePictures } from "./picture_store";
import { formOf, pictures, setPictures } from "./pictures";
import { chosenParameters, fields, recipe } from "./recipe";
import { announcement, models, refusal } from "./session";

const CHOSEN = "fourview.chosen";
const PAGE = 24; // runs that one request lists
const STREAMS_MAX = 3; // a browser opens six connections to a service, for all its tabs together
const FINAL: readonly Job["status"][] = ["succeeded", "failed", "canceled", "expired"];

const jobs = signal<Record<string, Job>>({});
export const nextPage = signal<string | null>(null); // where the list of runs goes on
export const chosenId = signal<string | null>(localStorage.getItem(CHOSEN));
export const isSubmitting = signal(false);

/** Every run that is known, newest first. */
export const runs = computed(() => Object.values(jobs.value).sort((a, b) => b.created_at.localeCompare(a.created_at)));
export const chosenRun = computed(() => (chosenId.value ? (jobs.value[chosenId.value] ?? null) : null));

export function isFinal(job: Job): boolean {
  return FINAL.includes(job.status);
}

/** From now on store which run is shown. */
export function watchChosenRun(): void {
  effect(() => {
    if (chosenId.value) localStorage.setItem(CHOSEN, chosenId.value);
    else localStorage.removeItem(CHOSEN);
  });
}

/** Make a model from the pictures in the drop zones, or from those of an earlier run. */
export async function startRun(given: Pictures = pictures.value, parameters = chosenParameters.value): Promise<void> {
  const form = formOf(given);
  for (const [name, value] of Object.entries(parameters)) if (value !== null) form.set(name, String(value));
  const headers = { "idempotency-key": crypto.randomUUID?.() ?? String(Math.random()) }; // plain HTTP has no randomUUID
  isSubmitting.value = true;
  refusal.value = null;
  try {
    const made = await ask<Job>("/api/v1/jobs", { method: "POST", body: form, headers });
    await storePictures(made.id, given);
    update(made);
    chosenId.value = made.id;
    announcement.value = "The run has started";
    document.getElementById("stage")?.scrollIntoView({ block: "nearest" });
  } catch (error) {
    refusal.value = asRefusal(error);
  } finally {
    isSubmitting.value = false;
  }
}

/** Put the pictures and settings of an earlier run into the drop zones and the settings. */
export async function editRun(given: Pictures, parameters: Recipe): Promise<void> {
  recipe.value = parameters;
  await setPictures(given);
  announcement.value = "The pictures and settings of that run are loaded";
}

export async function cancelRun(id: string): Promise<void> {
  try {
    update(await ask<Job>(`/api/v1/jobs/${id}/cancel`, { method: "POST" }));
  } catch (error) {
    if (asRefusal(error).code !== "job_final") refusal.value = asRefusal(error);
    await refreshRun(id);
  }
}

export async function deleteRun(id: string): Promise<void> {
  try {
    await call(`/api/v1/jobs/${id}`, { method: "DELETE" });
  } catch (error) {
    if (asRefusal(error).code !== "not_found") {
      refusal.value = asRefusal(error);
      return;
    }
  }
  drop(id);
  await deletePictures(id);
}

export async function loadRuns(after?: string): Promise<void> {
  const query = `limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ""}`;
  const page = await ask<{ data: Job[]; next: string | null }>(`/api/v1/jobs?${query}`);
  nextPage.value = page.next;
  page.data.forEach(update);
  const id = chosenId.value;
  if (id && !jobs.value[id]) await refreshRun(id);
  if (!chosenRun.value) chosenId.value = page.data[0]?.id ?? null;
}

/** Ask for a run again; the one that is known afterwards, if any. */
export async function refreshRun(id: string): Promise<Job | undefined> {
  try {
    update(await ask<Job>(`/api/v1/jobs/${id}`));
  } catch (error) {
    const known = jobs.value[id];
    if (asRefusal(error).code !== "not_found") return known;
    if (known?.status === "succeeded")
      put({ ...known, outputs: [], expires_at: null }); // the service deleted it
    else drop(id);
  }
  return jobs.value[id];
}

/** Ask for every run that no stream reports on. */
export async function pollRuns(): Promise<void> {
  for (const run of runs.value)
    if (!isFinal(run) && (run.status === "queued" || !streams.has(run.id))) await refreshRun(run.id);
}

/** Forget all runs, as after signing out. */
export function clearRuns(): void {
  for (const stream of streams.values()) stream.close();
  streams.clear();
  jobs.value = {};
  chosenId.value = null;
}

// Streams

const streams = new Map<string, EventSource>();

function put(job: Job): void {
  jobs.value = { ...jobs.value, [job.id]: job };
}

function drop(id: string): void {
  const { [id]: _, ...rest } = jobs.value;
  jobs.value = rest;
  if (chosenId.value === id) chosenId.value = runs.value[0]?.id ?? null;
}

function update(job: Job): void {
  const before = jobs.value[job.id];
  put(job);
  if (isFinal(job)) {
    streams.get(job.id)?.close();
    streams.delete(job.id);
    if (before && !isFinal(before)) {
      announcement.value = `The run has ended: ${job.status}`;
      void ask("/api/v1/keys/self").catch(() => undefined); // its answer carries the remaining credits
    }
  } else if (!streams.has(job.id) && streams.size < STREAMS_MAX && (job.queue_position ?? 0) <= 1) follow(job);
}

/** Listen to the events of a job that runs or is next; the browser resumes a stream that breaks off. */
function follow(job: Job): void {
  const stream = new EventSource(pathOf(job.events_url));
  streams.set(job.id, stream);
  stream.onopen = () => {
    isAway.value = false;
  };
  stream.onmessage = (message: MessageEvent<string>) => {
    const event = JSON.parse(message.data) as Partial<Pick<Job, "status" | "stage" | "progress">> & { type: string };
    const now = jobs.value[job.id];
    if (!now) return;
    if (event.type === "progress") {
      const { stage = now.stage, progress = now.progress } = event;
      put({ ...now, status: "running", stage, progress, queue_position: null });
    } else if (event.status && event.status !== now.status) void refreshRun(job.id);
  };
  stream.onerror = () => {
    if (stream.readyState === EventSource.CLOSED) streams.delete(job.id);
    setTimeout(() => void refreshRun(job.id), 1000); // finds out whether the service answers
  };
}

// The parameters of a run

function knownParameters(job: Job): string[] | undefined {
  return models.value.find((model) => model.id === job.engine.name)?.parameters;
}

/** The parameters of a run that differ from their defaults. */
export function parametersSent(job: Job): Recipe {
  const known = knownParameters(job);
  const defaults = new Map(fields.value.map((field) => [field.name, field.fallback]));
  const isSet = ([name, value]: [string, Value]) =>
    (!known || known.includes(name)) && value !== (defaults.get(name) ?? null);
  return Object.fromEntries(Object.entries(job.recipe as Recipe).filter(isSet));
}

/** The parameters that make the same model again: those that were sent, and the seed that was drawn. */
export function parametersToRepeat(job: Job): Recipe {
  const parameters = parametersSent(job);
  return readsSeed(job) ? { ...parameters, seed: job.seed_used } : parameters;
}

/** Whether the seed makes a difference to this run. */
export function readsSeed(job: Job): boolean {
  return job.seed_used !== null && Boolean(knownParameters(job)?.includes("seed"));
}
